"""What each run did, and how far each flow has read."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.records import Calls, Counts, Money
from airflow_provider_brightpearl.core.reports import RunSummary, StateMark
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import fenced, reading, transaction, writing

_PLAIN = ("flow", "run", "kind", "state", "mapping_version", "note", "started_at", "ended_at", "pair")
_JSON: dict[str, Any] = {
    "calls": Calls, "money": dict[str, Money], "reasons": tuple[tuple[str, int], ...],
}  # fmt: skip


class SqlLedger:
    """The ledger on the state database; see ``core.ports.stores.Ledger``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def watermark(self, flow: str, pair: str = "") -> datetime | None:
        """The instant up to which a flow has read everything for a pair, None before its first run."""
        table = tables.watermark.c
        query = sa.select(table.instant).where(table.flow == flow, table.pair == pair)
        with reading(self._engine) as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def swept_to(self, flow: str, pair: str = "") -> datetime | None:
        """The instant before which no sweep of a flow is due for a pair; None where that is not known."""
        table = tables.watermark.c
        query = sa.select(table.swept_to).where(table.flow == flow, table.pair == pair)
        with reading(self._engine) as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def transaction(self) -> AbstractContextManager[None]:
        """Makes one transaction of all that this thread writes to the state database within."""
        return transaction(self._engine)

    def record(
        self, run: RunSummary, watermark: datetime | None = None, swept_to: datetime | None = None
    ) -> None:
        """Writes the run's row (again, if it exists) and moves the watermark forward, both or neither.

        Both are aware instants; one before the current one is ignored. ``swept_to`` goes with a watermark.
        """
        with fenced(self._engine) as connection:
            tables.replace(connection, tables.run, _row(run))
            if watermark is not None:
                _move(connection, run, watermark)
                if swept_to is not None:
                    _sweep(connection, run, swept_to)

    def check(self) -> None:
        """Writes and rolls back; raises ``Unavailable`` where the state database cannot be written."""
        now = datetime.now(UTC)
        trial_run = RunSummary("check", "", "check", "check", None, "", Counts(), Calls(), {}, now)
        with writing(self._engine) as connection, connection.begin_nested() as trial:
            tables.replace(connection, tables.run, _row(trial_run))
            trial.rollback()

    def mark(self) -> StateMark:
        """The name of this state database, given when it is first asked for, and how often runs have written to it."""
        query = sa.select(tables.identity.c.identity, tables.identity.c.writes)
        with reading(self._engine) as connection:
            found = connection.execute(query).first()
        if found is None:
            with writing(self._engine) as connection:
                named = tables.upsert(connection, tables.identity).values(place=1, identity=uuid4().hex)
                connection.execute(named.on_conflict_do_nothing())
                found = connection.execute(query).one()
        return StateMark(found.identity, found.writes)

    def advance(self) -> None:
        """Counts one more write."""
        with fenced(self._engine) as connection:
            connection.execute(tables.identity.update().values(writes=tables.identity.c.writes + 1))

    def runs(
        self, flow: str, limit: int = 20, pair: str | None = None, states: Collection[str] = ()
    ) -> list[RunSummary]:
        """The latest runs of a flow, newest first: of one pair and of some states where they are given."""
        table = tables.run
        query = sa.select(table).where(table.c.flow == flow)
        if pair is not None:
            query = query.where(table.c.pair == pair)
        if states:
            query = query.where(table.c.state.in_(states))
        with reading(self._engine) as connection:
            newest = query.order_by(table.c.started_at.desc(), table.c.run).limit(limit)
            return [_summary(row) for row in connection.execute(newest)]

    def find(self, flow: str, run: str) -> RunSummary | None:
        """The row of a run of a flow, None where it has none."""
        query = sa.select(tables.run).where(tables.run.c.flow == flow, tables.run.c.run == run)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return _summary(row) if row else None


def _move(connection: Connection, run: RunSummary, watermark: datetime) -> None:
    table = tables.watermark
    row = {"pair": run.pair, "flow": run.flow, "instant": watermark, "run": run.run}
    statement = tables.upsert(connection, table).values(**row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["pair", "flow"],
            set_={"instant": statement.excluded.instant, "run": statement.excluded.run},
            where=table.c.instant < statement.excluded.instant,
        )
    )


def _sweep(connection: Connection, run: RunSummary, swept_to: datetime) -> None:
    table = tables.watermark
    earlier = sa.or_(table.c.swept_to.is_(None), table.c.swept_to < swept_to)
    mine = (table.c.pair == run.pair, table.c.flow == run.flow, earlier)
    connection.execute(table.update().where(*mine).values(swept_to=swept_to))


def _row(run: RunSummary) -> dict[str, Any]:
    return {
        **{name: getattr(run, name) for name in _PLAIN},
        **asdict(run.counts),
        **{name: msgspec.json.encode(getattr(run, name)).decode() for name in _JSON},
        "window_start": run.window.start if run.window else None,
        "window_end": run.window.end if run.window else None,
    }


def _summary(row: Any) -> RunSummary:
    values = row._mapping
    return RunSummary(
        **{name: values[name] for name in _PLAIN},
        **{name: msgspec.json.decode(values[name], type=kind) for name, kind in _JSON.items()},
        window=Window(row.window_start, row.window_end) if row.window_end else None,
        counts=Counts(**{name: values[name] for name in asdict(Counts())}),
    )
