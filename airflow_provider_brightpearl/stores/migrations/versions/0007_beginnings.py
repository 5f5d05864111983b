"""When the state of a flow began: what is older may have been written by a state that was lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0007"
down_revision = "0006"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_beginning",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in ("pair", "flow")),
        sa.Column("at", Instant, nullable=False),
    )
