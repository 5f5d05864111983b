"""Systems that do not answer, and the work that waits for them, shared by all processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.breaker import Waiter, drain_order
from airflow_provider_brightpearl.errors import Outage
from airflow_provider_brightpearl.stores.engine import reading, shared_time, writing
from airflow_provider_brightpearl.stores.tables import breaker, breaker_queue, upsert

# those of tasks that were cleared or deleted while they waited
_STALE = timedelta(days=1)
# in place of an address: of tasks that wait for a part of a system, which has no breaker
_PART = "part"
_REASON_LENGTH = 300


class Event(StrEnum):
    """What people hear of an outage, each once."""

    BEGAN = "began"
    LASTS = "lasts"
    ENDED = "ended"


_NOTED = {Event.BEGAN: "announced_at", Event.LASTS: "reminded_at", Event.ENDED: "ended_at"}


@dataclass(frozen=True, slots=True)
class OutageRow:
    """An outage as it is kept: ``opened`` is False while it is only suspected."""

    outage: Outage
    opened: bool
    reason: str
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Queued:
    """That a task waits for a system; ``go_at`` is its turn, None while the system is down."""

    address: str
    system: str
    connection: str
    go_at: datetime | None


@dataclass(frozen=True, slots=True)
class PartWait:
    """That a task waits as a part of a system fails: since when, and when it tries again."""

    since: datetime
    go_at: datetime


class SqlBreakers:
    """The circuit breakers of all connections, by address.

    All go by one clock, that of the database, as the clocks of workers differ.

    Args:
        engine: the state database.
        clock: the time (aware) that all who use the database share.
    """

    def __init__(self, engine: Engine, clock: Callable[[Connection], datetime] = shared_time) -> None:
        self._engine = engine
        self._clock = clock

    def now(self) -> datetime:
        """The time by the clock that all share."""
        with reading(self._engine) as connection:
            return self._clock(connection)

    # one outage

    def find(self, address: str) -> OutageRow | None:
        """The outage that is suspected or open; None where there is none."""
        found = self._row(address)
        return found if found and found.closed_at is None else None

    def open_ones(self) -> list[Outage]:
        """All outages that are open, the oldest first."""
        return self._open()

    def open_at(self, system: str, connection: str) -> list[Outage]:
        """The open outages of a connection, also of where it led before it was changed."""
        return self._open(breaker.c.system == system, breaker.c.connection == connection)

    def _open(self, *which: Any) -> list[Outage]:
        wanted = sa.select(breaker).where(breaker.c.opened == 1, breaker.c.closed_at.is_(None), *which)
        with reading(self._engine) as connection:
            return [_outage(row) for row in connection.execute(wanted.order_by(breaker.c.since))]

    def suspect(self, outage: Outage, seconds: float) -> bool:
        """Whether the caller is the one to look at a system, for so many seconds; one that is over begins anew."""
        fresh: dict[str, Any] = {
            "system": outage.system, "connection": outage.connection, "reason": "", "opened": 0,
            "since": outage.since, "next_look": outage.next_look, "looking_until": None, "closed_at": None,
            **dict.fromkeys(_NOTED.values()),
        }  # fmt: skip
        with writing(self._engine) as connection:
            added = connection.execute(
                upsert(connection, breaker)
                .values(address=outage.address, **fresh)
                .on_conflict_do_nothing(index_elements=["address"])
            )
            over = sa.and_(breaker.c.address == outage.address, breaker.c.closed_at.is_not(None))
            renewed = connection.execute(breaker.update().where(over).values(**fresh))
            if added.rowcount > 0 or renewed.rowcount:
                # of tasks that were cleared or deleted in an earlier outage
                self._forget(connection, outage.address)
            now = self._clock(connection)
            return self._claimed(connection, outage.address, seconds, breaker.c.opened == 0, now)

    def claim(self, address: str, seconds: float) -> bool:
        """Whether a look at an open outage is due, and the caller the one to do it, for so many seconds."""
        with writing(self._engine) as connection:
            now = self._clock(connection)
            due = sa.and_(breaker.c.opened == 1, breaker.c.next_look <= now)
            return self._claimed(connection, address, seconds, due, now)

    def down(self, address: str, next_look: datetime, reason: str) -> None:
        """Records that a look was in vain: the outage is open, and the next look follows."""
        with writing(self._engine) as connection:
            connection.execute(
                breaker.update()
                .where(breaker.c.address == address, breaker.c.closed_at.is_(None))
                .values(opened=1, next_look=next_look, looking_until=None, reason=reason[:_REASON_LENGTH])
            )
            connection.execute(breaker_queue.delete().where(_stale(address, self._clock(connection))))

    def answers(self, address: str, spacing: float) -> None:
        """Records that the system answers: a suspicion is dropped, an outage is over, and who waits gets a turn."""
        mine = breaker.c.address == address
        with writing(self._engine) as connection:
            now = self._clock(connection)
            if connection.execute(breaker.delete().where(mine, breaker.c.opened == 0)).rowcount:
                self._forget(connection, address)
            ended = breaker.update().where(mine, breaker.c.closed_at.is_(None))
            connection.execute(ended.values(closed_at=now, looking_until=None))
            waiting = sa.select(breaker_queue).where(
                breaker_queue.c.address == address, breaker_queue.c.go_at.is_(None)
            )
            for number, each in enumerate(drain_order(map(_waiter, connection.execute(waiting)))):
                turn = now + timedelta(seconds=number * spacing)
                connection.execute(breaker_queue.update().where(*_of(address, each.place)).values(go_at=turn))

    # what waits

    def wait(self, address: str, waiter: Waiter) -> None:
        """Adds a task to those that wait; one that waits already keeps its place."""
        with writing(self._engine) as connection:
            _enqueue(connection, address, waiter, {"go_at": None})

    def queued(self, place: str) -> list[Queued]:
        """What a task waits for."""
        wanted = (
            sa.select(breaker_queue, breaker.c.system, breaker.c.connection)
            .join(breaker, breaker.c.address == breaker_queue.c.address)
            .where(breaker_queue.c.place == place)
        )
        with reading(self._engine) as connection:
            return [
                Queued(row.address, row.system, row.connection, row.go_at)
                for row in connection.execute(wanted)
            ]

    def leave(self, place: str) -> None:
        """Removes a task from those that wait."""
        with writing(self._engine) as connection:
            connection.execute(breaker_queue.delete().where(breaker_queue.c.place == place))

    def waiters(self, address: str) -> list[Waiter]:
        """What waits for a system, in the order in which it starts."""
        wanted = sa.select(breaker_queue).where(breaker_queue.c.address == address)
        with reading(self._engine) as connection:
            return drain_order(map(_waiter, connection.execute(wanted)))

    # what waits for a part of a system

    def wait_for_part(self, waiter: Waiter, go_at: datetime) -> None:
        """Records that a task waits since ``waiter.since``, and tries again at an instant."""
        with writing(self._engine) as connection:
            connection.execute(breaker_queue.delete().where(_stale(_PART, self._clock(connection))))
            _enqueue(connection, _PART, waiter, {"since": waiter.since, "go_at": go_at})

    def part_wait(self, place: str) -> PartWait | None:
        """What is known of a task that waits for a part of a system; None where it does not, or long ago."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(breaker_queue).where(*_of(_PART, place))).first()
            now = self._clock(connection)
        return PartWait(row.since, row.go_at) if row and row.go_at >= now - _STALE else None

    # what people hear

    def news(self, address: str, alert_after: timedelta) -> list[tuple[Event, OutageRow]]:
        """What people have to hear of an outage now; each event is given to one caller of all processes."""
        row = self._row(address)
        if row is None or not row.opened:
            return []
        now = self.now()
        due = [] if row.closed_at else [Event.BEGAN]
        if row.closed_at is None and row.outage.since + alert_after <= now:
            due.append(Event.LASTS)
        if row.closed_at is not None:
            due.append(Event.ENDED)
        return [(event, row) for event in due if self._noted(address, event, now)]

    def _noted(self, address: str, event: Event, now: datetime) -> bool:
        column = breaker.c[_NOTED[event]]
        # nobody waits for the end of what nobody has heard of
        heard = breaker.c.announced_at.is_not(None) if event is Event.ENDED else sa.true()
        with writing(self._engine) as connection:
            change = breaker.update().where(breaker.c.address == address, column.is_(None), heard)
            return bool(connection.execute(change.values({column.name: now})).rowcount)

    def _row(self, address: str) -> OutageRow | None:
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(breaker).where(breaker.c.address == address)).first()
        return OutageRow(_outage(row), bool(row.opened), row.reason, row.closed_at) if row else None

    def _forget(self, connection: Connection, address: str) -> None:
        mine = breaker_queue.c.address == address
        connection.execute(breaker_queue.delete().where(mine, breaker_queue.c.go_at.is_(None)))

    def _claimed(self, connection: Connection, address: str, seconds: float, due: Any, now: datetime) -> bool:
        free = sa.or_(breaker.c.looking_until.is_(None), breaker.c.looking_until < now)
        claim = breaker.update().where(breaker.c.address == address, breaker.c.closed_at.is_(None), due, free)
        until = now + timedelta(seconds=seconds)
        return bool(connection.execute(claim.values(looking_until=until)).rowcount)


def _outage(row: Any) -> Outage:
    return Outage(row.system, row.connection, row.address, row.since, row.next_look)


def _waiter(row: Any) -> Waiter:
    return Waiter(row.place, row.flow, row.run, tuple(filter(None, row.after.split(","))), row.since)


def _enqueue(connection: Connection, address: str, waiter: Waiter, changed: dict[str, Any]) -> None:
    """Adds a task to a queue; of one that is there already, only ``changed`` is set."""
    row = {
        "address": address, "place": waiter.place, "flow": waiter.flow, "run": waiter.run,
        "after": ",".join(waiter.after), "since": waiter.since, **changed,
    }  # fmt: skip
    added = upsert(connection, breaker_queue).values(**row)
    connection.execute(added.on_conflict_do_update(index_elements=["address", "place"], set_=changed))


def _of(address: str, place: str) -> Sequence[Any]:
    return (breaker_queue.c.address == address, breaker_queue.c.place == place)


def _stale(address: str, now: datetime) -> Any:
    return sa.and_(breaker_queue.c.address == address, breaker_queue.c.go_at < now - _STALE)
