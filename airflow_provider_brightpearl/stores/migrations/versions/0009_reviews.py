"""Questions that a person answers: letters for review, and the answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0009"
down_revision = "0008"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.add_column("bp_dead_letter", sa.Column("kind", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "bp_match_answer",
        *(
            sa.Column(name, sa.Text, nullable=False, primary_key=True)
            for name in ("pair", "flow", "object", "key")
        ),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("source_id", "target_id", "author")),
        sa.Column("at", Instant, nullable=False),
    )
