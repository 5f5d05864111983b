"""Dead letters that a settled run has kept do not close the gates of the next ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.add_column("bp_dead_letter", sa.Column("judged", sa.Text, nullable=False, server_default=""))
