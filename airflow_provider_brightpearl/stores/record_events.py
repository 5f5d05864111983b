"""The history of records on the state database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from more_itertools import chunked
from msgspec.structs import astuple
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.stores.engine import fenced, reading
from airflow_provider_brightpearl.stores.many_rows import insert_new
from airflow_provider_brightpearl.stores.tables import record_event

_FIELDS = RecordEvent.__struct_fields__
# rows per statement
_ROWS = 5_000


class SqlRecordEvents:
    """Record events on the state database; see ``core.ports.stores.RecordEvents``.

    Args:
        engine: the state database.
        pair: the pair of instances whose records these are.
    """

    def __init__(self, engine: Engine, pair: str = "") -> None:
        self._engine = engine
        self.pair = pair

    def record(self, flow: str, events: Iterable[RecordEvent]) -> None:
        """Adds events; those of a stage that is repeated by the same run are there once, as they were first."""
        for some in chunked(events, _ROWS):
            rows = [(self.pair, flow, *_values(each)) for each in some]
            with fenced(self._engine) as connection:
                # in one order everywhere: two workers that record the same ones must not wait for each other
                insert_new(connection, record_event, ("pair", "flow", *_FIELDS), sorted(rows, key=_key))

    def of_record(self, flow: str, source_id: str) -> list[RecordEvent]:
        """What happened to a record, oldest first."""
        event = record_event.c
        mine = (event.pair == self.pair, event.flow == flow, event.source_id == source_id)
        query = sa.select(*(event[name] for name in _FIELDS)).where(*mine)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(event.at, event.stage, event.outcome)).mappings()
            return [RecordEvent(**{**row, "outcome": EventOutcome(row["outcome"])}) for row in rows]

    def wrote_since(self, flow: str, since: datetime) -> bool:
        """Whether a record was created or updated after an instant, by any run."""
        event = record_event.c
        written = [EventOutcome.CREATED.value, EventOutcome.UPDATED.value]
        mine = (event.pair == self.pair, event.flow == flow, event.at > since, event.outcome.in_(written))
        with reading(self._engine) as connection:
            return connection.execute(sa.select(event.at).where(*mine).limit(1)).first() is not None

    def written(self, flow: str, run: str) -> Counts:
        """How many records an attempt of a run has created and updated so far."""
        event = record_event.c
        written = [EventOutcome.CREATED.value, EventOutcome.UPDATED.value]
        mine = (event.pair == self.pair, event.flow == flow, event.run == run, event.outcome.in_(written))
        query = sa.select(event.outcome, sa.func.count(sa.distinct(event.source_id))).where(*mine)
        with reading(self._engine) as connection:
            return Counts(
                **{outcome: count for outcome, count in connection.execute(query.group_by(event.outcome))}
            )


# pair, flow, source_id, run, stage, outcome, at, object
_key = itemgetter(slice(0, 8))


def _values(event: RecordEvent) -> tuple[Any, ...]:
    """What is stored, in the order of the fields; a member of an enum takes the driver longer than its text."""
    source_id, run, stage, outcome, at, name, target_id, note, read_at, version, *prints = astuple(event)
    texts = storable(source_id), run, str(stage), str(outcome), at, name, storable(target_id), storable(note)
    return *texts, read_at, storable(version), *prints
