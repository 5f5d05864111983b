"""What each run did, and how far each flow has read."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.ports import RunEntry
from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.stores import schema
from airflow_provider_brightpearl.stores.engine import reading, writing


class Ledger:
    """Implements ``core.ports.Ledger`` on the state database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def watermark(self, flow: str) -> datetime | None:
        """The instant up to which a flow has read everything, None before its first run."""
        query = sa.select(schema.watermark.c.instant).where(schema.watermark.c.flow == flow)
        with reading(self._engine) as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def record(self, entry: RunEntry, watermark: datetime | None = None) -> None:
        """Writes the run's row (again, if it is there) and moves the watermark forward, both or neither.

        ``watermark`` is an aware instant; one before the watermark that stands is passed over.
        """
        with writing(self._engine) as connection:
            schema.replace(connection, schema.run, _row(entry))
            if watermark is not None:
                _move(connection, entry, watermark)

    def check(self) -> None:
        """Writes and takes back; raises ``Unavailable`` where the state database cannot be written."""
        now = datetime.now(UTC)
        entry = RunEntry("check", "", "check", "check", None, "", Counts(), Calls(), {}, now)
        with writing(self._engine) as connection, connection.begin_nested() as trial:
            schema.replace(connection, schema.run, _row(entry))
            trial.rollback()

    def runs(self, flow: str, limit: int = 20) -> list[RunEntry]:
        """The latest runs of a flow, newest first."""
        table = schema.run
        query = sa.select(table).where(table.c.flow == flow)
        with reading(self._engine) as connection:
            newest = query.order_by(table.c.started_at.desc(), table.c.run).limit(limit)
            return [_entry(row) for row in connection.execute(newest)]


def _move(connection: Connection, entry: RunEntry, watermark: datetime) -> None:
    table = schema.watermark
    statement = schema.upsert(connection, table).values(flow=entry.flow, instant=watermark, run=entry.run)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["flow"],
            set_={"instant": statement.excluded.instant, "run": statement.excluded.run},
            where=table.c.instant < statement.excluded.instant,
        )
    )


def _row(entry: RunEntry) -> dict[str, Any]:
    money = {stage: {name: str(total[name]) for name in total} for stage, total in entry.money.items()}
    same = ("flow", "run", "kind", "state", "mapping_version", "note", "started_at", "ended_at")
    return {
        **{name: getattr(entry, name) for name in same},
        **asdict(entry.counts),
        "window_start": entry.window.start if entry.window else None,
        "window_end": entry.window.end if entry.window else None,
        "calls": json.dumps(asdict(entry.calls)),
        "money": json.dumps(money),
        "reasons": json.dumps(entry.reasons),
    }


def _entry(row: Any) -> RunEntry:
    values = row._mapping
    same = ("flow", "run", "kind", "state", "mapping_version", "note", "started_at", "ended_at")
    money = json.loads(row.money)
    return RunEntry(
        **{name: values[name] for name in same},
        window=Window(row.window_start, row.window_end) if row.window_end else None,
        counts=Counts(**{name: values[name] for name in asdict(Counts())}),
        calls=Calls(**json.loads(row.calls)),
        money={stage: {name: Decimal(amount) for name, amount in money[stage].items()} for stage in money},
        reasons=tuple((reason, count) for reason, count in json.loads(row.reasons)),
    )
