"""A sweep runs once where the clock of the source is behind ours."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0023"
down_revision = "0022"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.add_column("bp_watermark", sa.Column("swept_to", Instant))
