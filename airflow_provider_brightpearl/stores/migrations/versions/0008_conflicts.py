"""Fields that both systems changed are kept, and events say which reading of their record they follow from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0008"
down_revision = "0007"

_PLACE = ("pair", "flow", "object", "key", "field")


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_conflict",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in (*_PLACE, "run")),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("target_id", "winner", "found_by", "source_by", "target_by")
        ),
        sa.Column("source_value", sa.Text),
        sa.Column("target_value", sa.Text),
        sa.Column("source_at", Instant),
        sa.Column("target_at", Instant),
        sa.Column("at", Instant, nullable=False),
        sa.Column("closed_at", Instant),
    )
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "bp_conflict_open", "bp_conflict", list(_PLACE), unique=True,
        sqlite_where=still_open, postgresql_where=still_open,
    )  # fmt: skip
    op.add_column("bp_record_event", sa.Column("read_at", Instant))
    op.add_column("bp_record_event", sa.Column("source_version", sa.Text, nullable=False, server_default=""))
