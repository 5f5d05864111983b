"""What each reconciliation of a flow found, and what was done about it."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.records import Money
from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import fenced, reading

_COUNTS = {"in_source": "source", "in_target": "target", "matched": "matched", "missing": "missing",
           "differing": "differing", "deleted": "deleted"}  # fmt: skip
_PLAIN = ("flow", "run", "note", "started_at", "ended_at", "repaired", "removed")
_JSON: dict[str, Any] = {
    "counts": dict[str, int], "money": dict[str, Money], "ids": dict[str, tuple[str, ...]], "calls": dict[str, int],
}  # fmt: skip


class SqlReconciliations:
    """Reconciliations on the state database, a row each.

    Args:
        engine: the state database.
        pair: the pair of instances that were compared.
    """

    def __init__(self, engine: Engine, pair: str = "") -> None:
        self._engine = engine
        self.pair = pair

    def record(self, report: ReconcileReport) -> None:
        """Writes a reconciliation, again if it exists."""
        row = {
            **{name: getattr(report, name) for name in _PLAIN},
            **{name: msgspec.json.encode(getattr(report, name)).decode() for name in _JSON},
            **{column: report.counts.get(name, 0) for column, name in _COUNTS.items()},
            "pair": self.pair,
            "state": report.state.value,
            "period_start": report.period.start,
            "period_end": report.period.end,
        }
        with fenced(self._engine) as connection:
            tables.replace(connection, tables.reconciliation, row)

    def latest(self, flow: str, limit: int = 20) -> list[ReconcileReport]:
        """The latest reconciliations of a flow, newest first, without the ids that were to be repaired."""
        table = tables.reconciliation
        query = sa.select(table).where(table.c.flow == flow).order_by(table.c.started_at.desc(), table.c.run)
        with reading(self._engine) as connection:
            return [_report(row) for row in connection.execute(query.limit(limit))]


def _report(row: Any) -> ReconcileReport:
    values = row._mapping
    return ReconcileReport(
        **{name: values[name] for name in _PLAIN},
        **{name: msgspec.json.decode(values[name], type=kind) for name, kind in _JSON.items()},
        state=ReconcileState(row.state),
        period=Window(row.period_start, row.period_end),
    )
