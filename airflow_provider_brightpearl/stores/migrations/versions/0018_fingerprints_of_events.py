"""What a record was last written with, and what it was written with now, in its history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    for name in ("before", "after"):
        op.add_column("bp_record_event", sa.Column(name, sa.Text, nullable=False, server_default=""))
