"""Rows that a flow has made are found by their id first, so that SQLite does not take this index for what is due."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.drop_index("bp_intent_target", "bp_intent")
    op.create_index("bp_intent_target", "bp_intent", ["target_id", "pair", "flow", "object"])
