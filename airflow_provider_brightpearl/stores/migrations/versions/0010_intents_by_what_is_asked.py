"""Intents are found by their claim, what is due of a flow, and the rows it has made, without reading all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_index("bp_intent_target", "bp_intent", ["pair", "flow", "object", "target_id"])
    _create_partial("bp_intent_unsettled", ["pair", "flow", "object", "key"], "state IN ('due', 'in doubt')")
    _create_partial("bp_intent_claim", ["claim"], "claim != ''")


def _create_partial(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "bp_intent", columns, sqlite_where=condition, postgresql_where=condition)
