"""The inbox on the state database: events as they were received, and the set of records that they named.

Records are locked in one order everywhere, that of their keys as Python sorts text, so that transactions wait for each
other and never deadlock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.inbox import (
    LONGEST_BODY,
    EventCursor,
    InboxCount,
    InboxEvent,
    InboxPolicy,
    InboxState,
    Take,
    TakenRecord,
    Topic,
)
from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.errors import LeaseLost
from airflow_provider_brightpearl.stores.engine import CHUNK, reading, shared_time, writing
from airflow_provider_brightpearl.stores.many_rows import insert_new, upsert_rows
from airflow_provider_brightpearl.stores.tables import event_cursor, inbox, inbox_event, replace

_TOPIC = ("source", "connection", "stream", "flow")
_KEY = (*_TOPIC, "record_id")
_EVENT = ("id", "source", "connection", "name", "key", "occurred_at", "received_at", "body")
_RECORD = (*_KEY, "state", "event", "received_at", "next_try", "changed_at")
_USUAL = InboxPolicy()
# of records that are not spread over their flows yet
_ANY_FLOW = ""
_NO_EVENT = ""
_DIED = "the run that took it ended without a word"


class SqlInbox:
    """The inbox of a state database; see ``core.ports.inbox.Inbox``.

    Args:
        engine: the state database.
        policy: when records that failed are tried again.
    """

    def __init__(self, engine: Engine, policy: InboxPolicy = _USUAL) -> None:
        self._engine = engine
        self.policy = policy

    def store(self, events: Sequence[InboxEvent], cursor: EventCursor | None = None) -> int:
        """Keeps events, all of them or none, and has the records that they name processed; moves the cursor."""
        if not events and cursor is None:
            return 0
        named = {uuid4().hex: event for event in events}
        with writing(self._engine) as connection:
            now = shared_time(connection)
            if cursor is not None:
                replace(connection, event_cursor, {**asdict(cursor), "moved_at": now})
            if not events:
                return 0
            # one after the other, as they came
            times = {name: now + timedelta(microseconds=place) for place, name in enumerate(named)}
            # repeats wait for each other at their keys, in one order
            order = sorted(named, key=lambda name: (named[name].key or "", times[name]))
            rows = [_event_row(name, named[name], times[name]) for name in order]
            insert_new(connection, inbox_event, _EVENT, rows)
            keyed = [name for name, event in named.items() if event.key]
            repeated = set(keyed) - _existing(connection, keyed)
            records: dict[tuple[str, ...], tuple[Any, ...]] = {}
            for name, event in named.items():
                if name in repeated:
                    continue
                at = times[name]
                for stream in event.streams:
                    for record_id in event.record_ids:
                        key = (event.source, event.connection, stream, _ANY_FLOW, record_id)
                        records.setdefault(key, (*key, InboxState.DUE.value, name, at, at, at))
            return upsert_rows(
                connection, inbox, _RECORD, [records[key] for key in sorted(records)], _arriving
            )

    def position(self, source: str, connection: str, topic: str) -> str | None:
        """Where the cursor of a topic stands, None where it was never moved."""
        of = event_cursor.c
        query = sa.select(of.position).where(
            of.source == source, of.connection == connection, of.topic == topic
        )
        with reading(self._engine) as database:
            found: str | None = database.execute(query).scalar()
        return found

    def due(self) -> list[Topic]:
        """The topics with records that can be taken, sorted."""
        with reading(self._engine) as connection:
            now = shared_time(connection)
            query = sa.select(*_topic_columns()).distinct().where(sa.or_(_ready(now), _expired(now)))
            return sorted(Topic(*row) for row in connection.execute(query))

    def spread(self, topic: Topic, flows: Collection[str]) -> int:
        """Has the due records of a stream processed by each of these flows, apart from each other."""
        with writing(self._engine) as connection:
            now = shared_time(connection)
            found = _lock(connection, *_of(topic), inbox.c.state == InboxState.DUE.value)
            rows = [
                (
                    *_place(topic),
                    flow,
                    row.record_id,
                    InboxState.DUE.value,
                    row.event,
                    row.received_at,
                    now,
                    now,
                )
                for flow in sorted(flows)
                for row in found
            ]
            upsert_rows(connection, inbox, _RECORD, rows, _arriving)
            closed = {**_state(InboxState.DONE), "changed_at": now}
            _update(connection, topic, [row.record_id for row in found], closed)
        return len(found)

    def want(self, topic: Topic, record_ids: Collection[str]) -> int:
        """Has records of a flow processed that no event named."""
        with writing(self._engine) as connection:
            now = shared_time(connection)
            place = (*_place(topic), topic.flow)
            rows = [
                (*place, record_id, InboxState.DUE.value, _NO_EVENT, now, now, now)
                for record_id in sorted(set(record_ids))
            ]
            return upsert_rows(connection, inbox, _RECORD, rows, _arriving)

    def take(self, topic: Topic, run: str, limit: int, failures: int = 0) -> Take | None:
        """Takes the due records of a topic that arrived first, of those that have failed as often."""
        token = uuid4().hex
        with writing(self._engine) as connection:
            now = shared_time(connection)
            self._free_expired(connection, topic, now)
            ready = (*_of(topic), _ready(now))
            fewest = sa.select(sa.func.min(inbox.c.attempts)).where(*ready, inbox.c.attempts >= failures)
            tried: int | None = connection.execute(fewest).scalar_one()
            if tried is None:
                return None
            columns = (inbox.c.record_id, inbox.c.event, inbox.c.received_at, inbox.c.attempts)
            query = sa.select(*columns).where(*ready, inbox.c.attempts == tried)
            query = query.order_by(inbox.c.received_at, inbox.c.record_id)
            query = query.limit(self.policy.together(limit, tried))
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            names = _names(connection, {row.event for row in rows})
            held = {"state": InboxState.TAKEN.value, "take": token, "run": run, "changed_at": now}
            held |= {"taken_until": now + self.policy.length, "attempts": inbox.c.attempts + 1}
            _update(connection, topic, [row.record_id for row in rows], held)
        records = [
            TakenRecord(row.record_id, names.get(row.event, ""), row.received_at, row.attempts + 1)
            for row in rows
        ]
        return Take(topic, run, token, tuple(records)) if records else None

    def take_over(self, flows: Collection[str], connections: Collection[str], run: str) -> int:
        """Has what other runs have taken for flows taken anew, as those have died."""
        with writing(self._engine) as connection:
            now = shared_time(connection)
            mine = (inbox.c.flow.in_(flows), inbox.c.connection.in_(connections))
            found = _lock(connection, *mine, inbox.c.state == InboxState.TAKEN.value, inbox.c.run != run)
            for topic, some in _by_topic(found):
                _update(connection, topic, [row.record_id for row in some], {"taken_until": now})
        return len(found)

    def renew(self, take: Take) -> None:
        """Keeps a take for the policy's length from now, or raises ``LeaseLost``."""
        with writing(self._engine) as connection:
            held = [row.record_id for row in _lock(connection, *_held(take))]
            until = shared_time(connection) + self.policy.length
            _update(connection, take.topic, held, {"taken_until": until})
        if not held:
            raise LeaseLost(
                f"run {take.run}: the records that it took from the inbox were given to another run, or are closed",
                system="state database",
            )

    def done(self, take: Take, record_ids: Collection[str] | None = None) -> int:
        """Closes records of a take; those with an event since are due again."""
        return self._close(take, record_ids, lambda _attempts, _now: _state(InboxState.DONE))

    def failed(self, take: Take, reason: str, record_ids: Collection[str] | None = None) -> int:
        """Has records of a take tried again later, or sets them aside."""
        return self._close(take, record_ids, lambda attempts, now: self._failure(attempts, reason, now))

    def put_back(self, take: Take, reason: str, wait: timedelta = timedelta(0)) -> int:
        """Gives a take back without counting the attempt."""

        def outcome(attempts: int, now: datetime) -> dict[str, Any]:
            return {**_state(InboxState.DUE, reason), "next_try": now + wait, "attempts": attempts - 1}

        return self._close(take, None, outcome, as_new=False)

    def ignore(self, topic: Topic, reason: str) -> int:
        """Closes the due records of a topic that no flow reads."""
        due = inbox.c.state == InboxState.DUE.value
        return self._set(_state(InboxState.IGNORED, reason), *_of(topic), due)

    def replay(self, start: datetime, end: datetime, topic: Topic | None = None) -> int:
        """Has all records processed again that an event named in a span of time."""
        # events that were absorbed arrived between the first one and the last change
        within = (inbox.c.received_at < end, inbox.c.changed_at >= start)
        closed = inbox.c.state.in_([InboxState.DONE.value, InboxState.ASIDE.value, InboxState.IGNORED.value])
        # what is spread anew is due for each flow; what no event had named was never spread
        anew = sa.or_(inbox.c.flow == _ANY_FLOW, inbox.c.state == InboxState.ASIDE.value)
        where = (*within, closed, *(_of(topic) if topic else (anew,)))
        return self._set({**_state(InboxState.DUE), "attempts": 0}, *where, due_now=True)

    def counts(self) -> list[InboxCount]:
        """How many records are in which state, by topic."""
        group = (*_topic_columns(), inbox.c.state)
        query = sa.select(*group, sa.func.count(), sa.func.min(inbox.c.received_at))
        with reading(self._engine) as connection:
            rows = connection.execute(query.group_by(*group).order_by(*group)).all()
        return [InboxCount(Topic(*row[:4]), InboxState(row[4]), row[5], row[6]) for row in rows]

    def _failure(self, attempts: int, reason: str, now: datetime) -> dict[str, Any]:
        if attempts >= self.policy.tries:
            return _state(InboxState.ASIDE, reason)
        return {**_state(InboxState.DUE, reason), "next_try": self.policy.next_try(attempts, now)}

    def _close(
        self,
        take: Take,
        record_ids: Collection[str] | None,
        outcome: Callable[[int, datetime], dict[str, Any]],
        *,
        as_new: bool = True,
    ) -> int:
        """Ends the take of records; those with an event since are due ``as_new``, or have the outcome too."""
        with writing(self._engine) as connection:
            chosen = None if record_ids is None else set(record_ids)
            held = [
                row for row in _lock(connection, *_held(take)) if chosen is None or row.record_id in chosen
            ]
            _end(connection, take.topic, held, outcome, shared_time(connection), as_new=as_new)
        return len(held)

    def _free_expired(self, connection: Connection, topic: Topic, now: datetime) -> None:
        """Ends the takes of a topic whose runs have died."""
        # those that are locked are not expired any more, or will be found by the next one that takes
        rows = _lock(connection, *_of(topic), _expired(now), skip_locked=True)

        def died(_attempts: int, now: datetime) -> dict[str, Any]:
            return {**_state(InboxState.DUE, _DIED), "next_try": now}

        _end(connection, topic, rows, died, now, as_new=True)

    def _set(self, values: dict[str, Any], *where: Any, due_now: bool = False) -> int:
        """Changes closed or due records of any topics."""
        with writing(self._engine) as connection:
            now = shared_time(connection)
            due = {"next_try": now} if due_now else {}
            rows = _lock(connection, *where)
            for topic, some in _by_topic(rows):
                _update(
                    connection, topic, [row.record_id for row in some], {**values, **due, "changed_at": now}
                )
        return len(rows)


def _event_row(name: str, event: InboxEvent, at: datetime) -> tuple[Any, ...]:
    body = storable(event.body[:LONGEST_BODY].decode("utf-8", "replace"))
    key = None if event.key is None else storable(event.key)
    return (name, event.source, event.connection, storable(event.name), key, event.occurred_at, at, body)


def _arriving(statement: Any) -> Any:
    """What an event does to a record that is known: a due one stays, a taken one is due again later."""
    new = statement.excluded
    taken = inbox.c.state == _literal(InboxState.TAKEN)
    first_since = sa.and_(taken, inbox.c.again_at.is_(None))
    return statement.on_conflict_do_update(
        index_elements=list(_KEY),
        set_={
            **{name: sa.case((taken, inbox.c[name]), else_=new[name]) for name in _RECORD[len(_KEY) :]},
            "again_event": sa.case((taken, new.event), else_=sa.null()),
            "again_at": sa.case((taken, new.received_at), else_=sa.null()),
            "attempts": sa.case((taken, inbox.c.attempts), else_=sa.literal_column("0")),
            "reason": sa.case((taken, inbox.c.reason), else_=sa.literal_column("''")),
        },
        where=sa.or_(
            first_since, inbox.c.state.not_in([_literal(InboxState.DUE), _literal(InboxState.TAKEN)])
        ),
    )


def _end(
    connection: Connection,
    topic: Topic,
    rows: Sequence[Any],
    outcome: Callable[[int, datetime], dict[str, Any]],
    now: datetime,
    *,
    as_new: bool,
) -> None:
    ended = {"taken_until": None, "again_event": None, "again_at": None, "changed_at": now}
    anew = [row.record_id for row in rows if as_new and row.again_at]
    first = {"event": inbox.c.again_event, "received_at": inbox.c.again_at, "next_try": now, "attempts": 0}
    _update(connection, topic, anew, {**_state(InboxState.DUE), **first, **ended})
    for attempts in sorted({row.attempts for row in rows}):
        some = [row.record_id for row in rows if row.attempts == attempts and not (as_new and row.again_at)]
        _update(connection, topic, some, {**outcome(attempts, now), **ended})


def _lock(connection: Connection, *where: Any, skip_locked: bool = False) -> Sequence[Any]:
    """The rows of records, locked in the order of their keys."""
    on_postgres = connection.dialect.name == "postgresql"
    # PostgreSQL sorts text by the rules of a language unless it is told not to
    order = [sa.collate(inbox.c[name], "C") if on_postgres else inbox.c[name] for name in _KEY]
    columns = [inbox.c[name] for name in (*_KEY, "attempts", "again_at", "event", "received_at")]
    query = sa.select(*columns).where(*where).order_by(*order)
    return connection.execute(query.with_for_update(skip_locked=skip_locked)).all()


def _by_topic(rows: Sequence[Any]) -> Iterator[tuple[Topic, Iterator[Any]]]:
    return groupby(rows, key=lambda row: Topic(*row[: len(_TOPIC)]))


def _update(connection: Connection, topic: Topic, record_ids: Sequence[str], values: dict[str, Any]) -> None:
    for ids in chunked(record_ids, CHUNK):
        connection.execute(inbox.update().where(*_of(topic), inbox.c.record_id.in_(ids)).values(values))


def _existing(connection: Connection, names: Sequence[str]) -> set[str]:
    """Those of the events that were kept, as no other with their key was."""
    found: set[str] = set()
    for some in chunked(names, CHUNK):
        query = sa.select(inbox_event.c.id).where(inbox_event.c.id.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def _names(connection: Connection, events: Collection[str]) -> dict[str, str]:
    """The vendor's names of events."""
    found: dict[str, str] = {}
    for some in chunked(events, CHUNK):
        query = sa.select(inbox_event.c.id, inbox_event.c.name).where(inbox_event.c.id.in_(some))
        found.update((row.id, row.name) for row in connection.execute(query))
    return found


def _state(state: InboxState, reason: str = "") -> dict[str, Any]:
    return {"state": state.value, "reason": storable(reason), "take": ""}


def _literal(state: InboxState) -> Any:
    return sa.literal_column(f"'{state.value}'")


def _of(topic: Topic) -> tuple[Any, ...]:
    return tuple(inbox.c[name] == getattr(topic, name) for name in _TOPIC)


def _topic_columns() -> list[Any]:
    return [inbox.c[name] for name in _TOPIC]


def _place(topic: Topic) -> tuple[str, str, str]:
    return topic.source, topic.connection, topic.stream


def _held(take: Take) -> tuple[Any, ...]:
    return (*_of(take.topic), inbox.c.state == InboxState.TAKEN.value, inbox.c.take == take.token)


def _ready(now: datetime) -> Any:
    return sa.and_(inbox.c.state == InboxState.DUE.value, inbox.c.next_try <= now)


def _expired(now: datetime) -> Any:
    return sa.and_(inbox.c.state == InboxState.TAKEN.value, inbox.c.taken_until <= now)
