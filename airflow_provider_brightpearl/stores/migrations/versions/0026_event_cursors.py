"""How far the events of each topic are stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0026"
down_revision = "0025"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_event_cursor",
        *(
            sa.Column(name, sa.Text, nullable=False, primary_key=True)
            for name in ("source", "connection", "topic")
        ),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("moved_at", Instant, nullable=False),
    )
