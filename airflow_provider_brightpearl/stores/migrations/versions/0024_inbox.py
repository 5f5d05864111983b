"""Events that were received, and the records that they named."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0024"
down_revision = "0023"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_inbox_event",
        sa.Column("id", sa.Text, nullable=False, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("source", "connection", "name")),
        sa.Column("key", sa.Text),
        sa.Column("occurred_at", Instant),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("bp_inbox_event_key", "bp_inbox_event", ["source", "connection", "key"], unique=True)
    place = ("source", "connection", "stream", "flow")
    op.create_table(
        "bp_inbox",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in (*place, "record_id")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("state", "event")),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("again_event", sa.Text),
        sa.Column("again_at", Instant),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_try", Instant, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False, server_default="") for name in ("reason", "run", "take")),
        sa.Column("taken_until", Instant),
        sa.Column("changed_at", Instant, nullable=False),
    )
    op.create_index("bp_inbox_due", "bp_inbox", ["state", *place, "received_at"])
