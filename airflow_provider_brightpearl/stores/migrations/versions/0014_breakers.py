"""Systems that do not answer, and the work that waits for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0014"
down_revision = "0013"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_breaker",
        sa.Column("address", sa.Text, nullable=False, primary_key=True),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("opened", sa.Integer, nullable=False, server_default="0"),
        *(sa.Column(name, Instant, nullable=False) for name in ("since", "next_look")),
        *(
            sa.Column(name, Instant)
            for name in ("looking_until", "closed_at", "announced_at", "reminded_at", "ended_at")
        ),
    )
    op.create_table(
        "bp_breaker_queue",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in ("address", "place")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("flow", "run")),
        sa.Column("after", sa.Text, nullable=False, server_default=""),
        sa.Column("since", Instant, nullable=False),
        sa.Column("go_at", Instant),
    )
    op.create_index("bp_breaker_queue_place", "bp_breaker_queue", ["place"])
