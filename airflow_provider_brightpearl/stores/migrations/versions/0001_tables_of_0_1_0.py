"""The tables of 0.1.0."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0001"
down_revision = None


def _texts(*names: str, key: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=False, primary_key=key) for name in names]


def _counts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in names]


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_binding",
        *_texts("flow", "object", "key", key=True),
        *_texts("source_id", "target_id", "fingerprint", "created_run", "written_run"),
    )
    op.create_index("bp_binding_record", "bp_binding", ["flow", "source_id"])
    op.create_table(
        "bp_dead_letter",
        *_texts("flow", "source_id", key=True),
        *_texts("state", "stage", "reason", "object", "row", "field", "value"),
        sa.Column("waits_flow", sa.Text),
        sa.Column("waits_object", sa.Text),
        sa.Column("waits_key", sa.Text),
        sa.Column("amount", sa.Text),
        *_texts("currency", "payload", "mapping_version", "run"),
        *_counts("attempts"),
        sa.Column("first_seen", Instant, nullable=False),
        sa.Column("last_seen", Instant, nullable=False),
        sa.Column("closed_at", Instant),
        sa.Column("closed_run", sa.Text),
    )
    op.create_index("bp_dead_letter_due", "bp_dead_letter", ["flow", "state", "first_seen"])
    op.create_table(
        "bp_run",
        *_texts("flow", "run", key=True),
        *_texts("kind", "state"),
        sa.Column("window_start", Instant),
        sa.Column("window_end", Instant),
        *_texts("mapping_version"),
        *_counts("extracted", "created", "updated", "unchanged", "rejected", "parked"),
        *_texts("calls", "money", "reasons", "note"),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
    )
    op.create_index("bp_run_started", "bp_run", ["flow", "started_at"])
    op.create_table(
        "bp_watermark",
        *_texts("flow", key=True),
        sa.Column("instant", Instant, nullable=False),
        *_texts("run"),
    )
    op.create_table(
        "bp_token",
        *_texts("name", key=True),
        *_texts("value"),
        sa.Column("changed_at", Instant, nullable=False),
    )
    op.create_table(
        "bp_intent",
        *_texts("flow", "object", "key", key=True),
        *_texts("state", "step", "reference", "target_id", "digest", "run", "reason"),
        *_counts("attempt"),
        *_texts("claim"),
        sa.Column("changed_at", Instant, nullable=False),
    )
    op.create_index("bp_intent_state", "bp_intent", ["state", "changed_at"])
    op.create_table(
        "bp_reconciliation",
        *_texts("flow", "run", key=True),
        *_texts("state"),
        sa.Column("period_start", Instant),
        sa.Column("period_end", Instant, nullable=False),
        *_counts(
            "in_source", "in_target", "matched", "missing", "differing", "deleted", "repaired", "removed"
        ),
        *_texts("counts", "money", "ids", "calls", "note"),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
    )
    op.create_index("bp_reconciliation_started", "bp_reconciliation", ["flow", "started_at"])
