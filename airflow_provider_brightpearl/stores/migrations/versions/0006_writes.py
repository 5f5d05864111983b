"""A state database counts the writes of runs, so that an older copy of it is noticed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.add_column("bp_identity", sa.Column("writes", sa.Integer, nullable=False, server_default="0"))
