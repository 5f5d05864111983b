"""Rows of the crosswalk carry the version that they were written from, and what happened to a record is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0005"
down_revision = "0004"

_KEY = ("pair", "flow", "source_id", "run", "stage", "outcome", "object")


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    for column in (
        sa.Column("source_version", sa.Text, nullable=False, server_default=""),
        sa.Column("read_at", Instant),
        sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
        sa.Column("base", sa.Text),
        sa.Column("origin", sa.Text),
        sa.Column("target_version", sa.Text),
    ):
        op.add_column("bp_binding", column)
    op.create_index("bp_binding_target", "bp_binding", ["pair", "object", "target_id"])
    op.create_table(
        "bp_record_event",
        *(sa.Column(name, sa.Text, nullable=False, primary_key=True) for name in _KEY),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("target_id", "note")),
        sa.Column("at", Instant, nullable=False),
    )
    op.create_index("bp_record_event_at", "bp_record_event", ["at"])
