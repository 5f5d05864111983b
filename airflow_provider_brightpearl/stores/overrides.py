"""What people have put in the place of values of records, on the state database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.patches import EXACT, decode, places
from airflow_provider_brightpearl.core.ports.overrides import Override
from airflow_provider_brightpearl.core.ports.stores import PERSON
from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.stores.dead_letters import UNRESOLVED, LetterState, lock_letters
from airflow_provider_brightpearl.stores.engine import CHUNK, reading, transaction, writing
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.tables import dead_letter, override

# the stage of what people decide
STAGE = "desk"


class SqlOverrides:
    """Overrides on the state database; see ``core.ports.overrides.Overrides``.

    Args:
        engine: the state database.
        pair: the pair of instances whose records these are.
    """

    def __init__(self, engine: Engine, pair: str = "") -> None:
        self._engine = engine
        self.pair = pair

    def active(self, flow: str) -> dict[str, Override]:
        """Those that count, by record."""
        query = sa.select(override).where(*self._mine(flow), override.c.ended_at.is_(None))
        with reading(self._engine) as connection:
            return {row["source_id"]: _override(row) for row in connection.execute(query).mappings()}

    def of_record(self, flow: str, source_id: str) -> list[Override]:
        """All of a record, oldest first."""
        mine = (*self._mine(flow), override.c.source_id == storable(source_id))
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(override).where(*mine).order_by(override.c.at)).mappings()
            return [_override(row) for row in rows]

    def keep(self, flow: str, made: Override) -> None:
        """Keeps an override in the place of the one before, and has the next run take the record up.

        The letter of the record, if it waits, is tried again; a discarded one is so no longer.
        """
        with transaction(self._engine), writing(self._engine) as connection:
            lock_letters(connection, flow, self.pair)
            earlier = self.of_record(flow, made.source_id)
            at = max([made.at, *(each.at + timedelta(microseconds=1) for each in earlier)])
            self._close(flow, [made.source_id], "replaced by another one", at)
            row = {
                "pair": self.pair, "flow": flow, "source_id": storable(made.source_id), "at": at,
                "patch": storable(EXACT.encode(made.patch).decode()), "payload": made.payload,
                "author": storable(made.author), "note": storable(made.note),
            }  # fmt: skip
            connection.execute(override.insert().values(row))
            waiting = (
                dead_letter.c.pair == self.pair,
                dead_letter.c.flow == flow,
                dead_letter.c.source_id == storable(made.source_id),
                dead_letter.c.state.in_(UNRESOLVED),
            )
            again = {
                "state": LetterState.RETRY.value, "state_since": made.at, "next_try_at": made.at, "attempts": 1,
                "closed_at": None, "closed_run": None, "author": "", "note": "",
            }  # fmt: skip
            connection.execute(dead_letter.update().where(*waiting).values(**again))
            said = f"{', '.join(places(made.patch))}: {made.note}, says {made.author}"
            self._note(flow, [made.source_id], EventOutcome.OVERRIDDEN, said, at)

    def end(self, flow: str, source_ids: Sequence[str], why: str, at: datetime) -> list[str]:
        """Ends those of these records that still count, and says so in their history; returns the records."""
        with transaction(self._engine):
            ended = self._close(flow, source_ids, why, at)
            self._note(flow, ended, EventOutcome.OVERRIDE_ENDED, why, at)
        return ended

    def _close(self, flow: str, source_ids: Sequence[str], why: str, at: datetime) -> list[str]:
        closed: list[str] = []
        with writing(self._engine) as connection:
            for ids in chunked(sorted({storable(each) for each in source_ids}), CHUNK):
                mine = (*self._mine(flow), override.c.source_id.in_(ids), override.c.ended_at.is_(None))
                found = connection.execute(sa.select(override.c.source_id).where(*mine)).scalars()
                closed += found
                connection.execute(override.update().where(*mine).values(ended_at=at, ended=why))
        return closed

    def _note(
        self, flow: str, source_ids: Sequence[str], outcome: EventOutcome, said: str, at: datetime
    ) -> None:
        run = person_run(at)
        events = [RecordEvent(each, run, STAGE, outcome, at, note=said) for each in source_ids]
        SqlRecordEvents(self._engine, self.pair).record(flow, events)

    def _mine(self, flow: str) -> tuple[Any, Any]:
        return override.c.pair == self.pair, override.c.flow == flow


def person_run(now: datetime) -> str:
    """What stands for a run where a person has decided."""
    return f"{PERSON}__{now.isoformat()}"


def _override(row: Any) -> Override:
    kept = {name: row[name] for name in Override.__struct_fields__ if name != "patch"}
    # retention leaves no values of ended ones
    return Override(**kept, patch=decode(row["patch"]) if row["patch"] else {})
