"""Dead letters over all flows and pairs of instances, as a person sees and closes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.causes import normalised
from airflow_provider_brightpearl.core.desk import Letter
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.stores.dead_letters import WAITING, LetterState, lock_letters
from airflow_provider_brightpearl.stores.engine import CHUNK, digest, reading, transaction, writing
from airflow_provider_brightpearl.stores.overrides import STAGE, SqlOverrides, person_run
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.tables import dead_letter

_COLUMNS = tuple(column for column in dead_letter.c if column.name != "payload")
_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; what is empty does not count.

    Args:
        flow: of this flow.
        pair: between these instances.
        states: in one of these states; those that wait if empty.
        source_ids: of these records.
        since: last tried at or after this instant (aware).
        closed_since: in one of these states, or resolved at or after this instant (aware).
    """

    flow: str = ""
    pair: str = ""
    states: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    since: datetime | None = None
    closed_since: datetime | None = None

    def conditions(self) -> list[Any]:
        """The same in SQL."""
        column = dead_letter.c
        meant: Any = column.state.in_(self.states or WAITING)
        if self.closed_since:
            resolved = column.state == LetterState.RESOLVED.value
            meant = sa.or_(meant, sa.and_(resolved, column.closed_at >= self.closed_since))
        found: list[Any] = [meant]
        if self.flow:
            found.append(column.flow == self.flow)
        if self.pair:
            found.append(column.pair == self.pair)
        if self.source_ids:
            found.append(column.source_id.in_([storable(each) for each in self.source_ids]))
        if self.since:
            found.append(column.last_seen >= self.since)
        return found


class SqlDesk:
    """Dead letters on the state database; each method raises ``Unavailable`` as the stores do.

    Args:
        engine: the state database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def letters(self, wanted: LetterFilter) -> Iterator[Letter]:
        """The letters meant, by flow, the latest first."""
        column = dead_letter.c
        order = (column.flow, column.pair, column.last_seen.desc(), column.source_id)
        query = sa.select(*_COLUMNS).where(*wanted.conditions()).order_by(*order)
        with reading(self._engine) as connection:
            rows = connection.execution_options(yield_per=_ROWS).execute(query).mappings()
            for row in rows:
                yield _letter(row)

    def payload(self, letter: Letter) -> str:
        """The record of a letter as it was read; its digest, or nothing, once it is older than is kept."""
        query = sa.select(dead_letter.c.payload).where(*_place(letter.pair, letter.flow, [letter.source_id]))
        with reading(self._engine) as connection:
            return str(connection.execute(query).scalar() or "")

    def discarded(self, pair: str, flow: str) -> set[str]:
        """The records of a flow that a person has set aside."""
        column = dead_letter.c
        mine = column.pair == pair, column.flow == flow, column.state == LetterState.DISCARDED.value
        with reading(self._engine) as connection:
            return set(connection.execute(sa.select(column.source_id).where(*mine)).scalars())

    def unchanged(
        self, pair: str, flow: str, records: Collection[tuple[str, bytes]]
    ) -> set[tuple[str, bytes]]:
        """Those of raw records (id, JSON) that are set aside, and are as they were then."""
        column = dead_letter.c
        found: set[tuple[str, bytes]] = set()
        with reading(self._engine) as connection:
            for some in chunked(records, CHUNK):
                ids = {source_id for source_id, _ in some}
                mine = (*_place(pair, flow, ids), column.state == LetterState.DISCARDED.value)
                query = sa.select(column.source_id, column.payload).where(*mine)
                kept = {row.source_id: row.payload for row in connection.execute(query)}
                for source_id, record in some:
                    text = storable(record.decode("utf-8", "replace"))
                    if kept.get(source_id) in (text, digest(text)):
                        found.add((source_id, record))
        return found

    def flows(self) -> set[str]:
        """The flows that have or had letters."""
        with reading(self._engine) as connection:
            return set(connection.execute(sa.select(dead_letter.c.flow).distinct()).scalars())

    def discard(self, letters: Iterable[Letter], author: str, note: str, now: datetime) -> list[Letter]:
        """Sets letters aside that still wait, with who and why; returns those.

        Their overrides end. A letter stays discarded until its record changes and fails again.
        """
        by_flow: dict[tuple[str, str], dict[str, Letter]] = {}
        for each in letters:
            by_flow.setdefault((each.pair, each.flow), {})[each.source_id] = each
        done: list[Letter] = []
        for (pair, flow), known in sorted(by_flow.items()):
            with transaction(self._engine):
                for ids in chunked(sorted(known), CHUNK):
                    found = self._discard(pair, flow, ids, author, note, now)
                    done += [known[each] for each in found]
        return done

    def _discard(
        self, pair: str, flow: str, ids: list[str], author: str, note: str, now: datetime
    ) -> list[str]:
        waiting = (*_place(pair, flow, ids), dead_letter.c.state.in_(WAITING))
        run = person_run(now)
        with writing(self._engine) as connection:
            lock_letters(connection, flow, pair)
            found = sorted(connection.execute(sa.select(dead_letter.c.source_id).where(*waiting)).scalars())
            if not found:
                return []
            values = {
                "state": LetterState.DISCARDED.value, "next_try_at": None, "state_since": now, "closed_at": now,
                "closed_run": run, "author": author, "note": note,
            }  # fmt: skip
            connection.execute(dead_letter.update().where(*_place(pair, flow, found)).values(**values))
        SqlOverrides(self._engine, pair).end(flow, found, "the letter was discarded", now)
        said = f"{note}, says {author}"
        events = [RecordEvent(each, run, STAGE, EventOutcome.DISCARDED, now, note=said) for each in found]
        SqlRecordEvents(self._engine, pair).record(flow, events)
        return found


def _place(pair: str, flow: str, ids: Collection[str]) -> tuple[Any, ...]:
    column = dead_letter.c
    return column.pair == pair, column.flow == flow, column.source_id.in_(ids)


def _letter(row: Any) -> Letter:
    waits = (row["waits_flow"], row["waits_object"], row["waits_key"]) if row["waits_flow"] else None
    if waits:
        cause = f"waits for {waits[1]} of {waits[0]}"
    else:
        cause = normalised(row["reason"], (row["value"], row["row"], row["source_id"]))
    amount = None if row["amount"] is None else Decimal(row["amount"])
    kept = {
        name: row[name] for name in Letter.__struct_fields__ if name not in ("cause", "waits_for", "amount")
    }
    return Letter(
        **{**kept, "closed_run": row["closed_run"] or ""}, cause=cause, waits_for=waits, amount=amount
    )
