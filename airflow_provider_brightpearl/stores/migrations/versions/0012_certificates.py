"""Certificates of compared periods: one row each, chained by the digests of their statements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0012"
down_revision = "0011"


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_certificate",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in ("pair", "flow")),
        sa.Column("number", sa.Integer, nullable=False, primary_key=True, autoincrement=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("digest", "previous", "state", "run", "path", "signed_by")
        ),
        sa.Column("period_start", Instant),
        sa.Column("period_end", Instant, nullable=False),
        sa.Column("at", Instant, nullable=False),
    )
