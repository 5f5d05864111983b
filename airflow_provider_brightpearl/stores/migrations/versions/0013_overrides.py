"""Letters say who has set them aside and why, and people put values in the place of a record's own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0013"
down_revision = "0012"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    for name in ("author", "note"):
        op.add_column("bp_dead_letter", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.create_table(
        "bp_override",
        *(
            sa.Column(name, sa.Text, nullable=False, primary_key=True)
            for name in ("pair", "flow", "source_id")
        ),
        sa.Column("at", Instant, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("patch", "payload", "author", "note")),
        sa.Column("ended_at", Instant),
        sa.Column("ended", sa.Text, nullable=False, server_default=""),
    )
