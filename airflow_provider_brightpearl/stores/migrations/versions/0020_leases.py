"""One run of a flow writes at a time: leases with fencing tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0020"
down_revision = "0019"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_lease",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in ("pair", "flow", "work")),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("taken_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
    )
