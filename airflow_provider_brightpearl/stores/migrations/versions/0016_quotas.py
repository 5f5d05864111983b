"""Quotas that all processes share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0016"
down_revision = "0015"


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, primary_key=key)


def _calls() -> sa.Column[int]:
    return sa.Column("calls", sa.Integer, nullable=False, server_default="0")


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_quota",
        _text("pool", key=True),
        sa.Column("used", sa.Integer),
        sa.Column("most", sa.Integer),
        sa.Column("reported_at", Instant),
    )
    op.create_table(
        "bp_quota_call",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        *(_text(name) for name in ("pool", "holder", "share")),
        _calls(),
        sa.Column("until", Instant, nullable=False),
    )
    op.create_index("bp_quota_call_pool", "bp_quota_call", ["pool"])
    op.create_table(
        "bp_quota_waiter",
        *(_text(name, key=True) for name in ("pool", "holder")),
        _text("share"),
        _calls(),
        sa.Column("since", Instant, nullable=False),
        sa.Column("until", Instant, nullable=False),
    )
    op.create_table(
        "bp_quota_hour",
        _text("pool", key=True),
        sa.Column("hour", Instant, primary_key=True),
        _calls(),
    )
