"""Tokens say who refreshes them: no transaction stays open during the call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0021"
down_revision = "0020"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.add_column("bp_token", sa.Column("claimed_by", sa.Text, nullable=False, server_default=""))
    op.add_column("bp_token", sa.Column("claimed_until", Instant))
