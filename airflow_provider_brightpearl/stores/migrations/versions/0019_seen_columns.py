"""How many records had a value in each column that a flow reads, so that one that vanishes is noticed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_seen_columns",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in ("pair", "flow")),
        sa.Column("columns", sa.Text, nullable=False),
    )
