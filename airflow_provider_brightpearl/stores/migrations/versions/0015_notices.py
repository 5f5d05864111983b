"""What was announced of each flow is kept, so that what lasts is not announced by each run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0015"
down_revision = "0014"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_notice",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in ("pair", "flow", "topic")),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
    )
