"""The fields of a target as each flow last met them, so that a change of them is found before a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0017"
down_revision = "0016"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_seen_fields",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in ("pair", "flow", "object")),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
    )
