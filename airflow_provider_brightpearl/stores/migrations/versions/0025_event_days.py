"""What events did for each flow, day by day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_event_day",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in ("day", "flow")),
        *(
            sa.Column(name, sa.Integer, nullable=False, server_default="0")
            for name in ("processed", "changed", "missed")
        ),
        sa.Column("latency", sa.Text, nullable=False, server_default=""),
    )
