"""What each reconciliation of a flow found, and what was done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.stores import schema
from airflow_provider_brightpearl.stores.engine import reading, writing

_PLAIN = {"in_source": "source", "in_target": "target", "matched": "matched", "missing": "missing",
          "differing": "differing", "deleted": "deleted"}  # fmt: skip
_SAME = ("flow", "run", "state", "note", "started_at", "ended_at", "repaired", "removed")
_JSON = ("counts", "money", "ids", "calls")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One reconciliation, as it is kept.

    ``state``: ``clean``, ``to look at``, ``drift`` (found, not repaired yet), ``repaired``, ``partly repaired`` or
    ``too much``. ``counts`` and ``ids`` are by kind of difference, ``money`` by side and currency, exact as text.
    """

    flow: str
    run: str
    state: str
    period: Window
    counts: Mapping[str, int]
    money: Mapping[str, Mapping[str, str]]
    ids: Mapping[str, list[str]]
    calls: Mapping[str, int]
    note: str
    started_at: datetime
    ended_at: datetime | None = None
    repaired: int = 0
    removed: int = 0


class Reconciliations:
    """The table ``bp_reconciliation`` of the state database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, entry: Reconciliation) -> None:
        """Writes a reconciliation, again if it is there."""
        with writing(self._engine) as connection:
            schema.replace(connection, schema.reconciliation, _row(entry))

    def latest(self, flow: str, limit: int = 20) -> list[Reconciliation]:
        """The latest reconciliations of a flow, newest first."""
        table = schema.reconciliation
        query = sa.select(table).where(table.c.flow == flow).order_by(table.c.started_at.desc(), table.c.run)
        with reading(self._engine) as connection:
            return [_entry(row) for row in connection.execute(query.limit(limit))]


def _row(entry: Reconciliation) -> dict[str, Any]:
    return {
        **{name: getattr(entry, name) for name in _SAME},
        **{name: json.dumps(getattr(entry, name)) for name in _JSON},
        **{column: entry.counts.get(name, 0) for column, name in _PLAIN.items()},
        "period_start": entry.period.start,
        "period_end": entry.period.end,
    }


def _entry(row: Any) -> Reconciliation:
    values = row._mapping
    return Reconciliation(
        **{name: values[name] for name in _SAME},
        **{name: json.loads(values[name]) for name in _JSON},
        period=Window(row.period_start, row.period_end),
    )
