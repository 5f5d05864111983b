"""A state database has a name of its own, so that a run notices when it meets another one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_identity",
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("identity", sa.Text, nullable=False),
    )
