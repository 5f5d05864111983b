"""A dead letter has the time of its next try, and that since when it is in its state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.add_column("bp_dead_letter", sa.Column("state_since", Instant))
    op.add_column("bp_dead_letter", sa.Column("next_try_at", Instant))
    op.execute("UPDATE bp_dead_letter SET state_since = last_seen")
    op.execute("UPDATE bp_dead_letter SET next_try_at = last_seen WHERE state IN ('missing', 'retry')")
    op.drop_index("bp_dead_letter_due", "bp_dead_letter")
    op.create_index("bp_dead_letter_due", "bp_dead_letter", ["pair", "flow", "state", "next_try_at"])
