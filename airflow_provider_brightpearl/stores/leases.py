"""Leases with fencing tokens: one run of a flow, between one pair of instances, writes at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.progress import duration
from airflow_provider_brightpearl.core.reports import begun_at, run_of
from airflow_provider_brightpearl.errors import FlowBusy, LeaseLost
from airflow_provider_brightpearl.stores.engine import reading, shared_time, writing
from airflow_provider_brightpearl.stores.tables import lease, upsert

_WHOLE = ""
_NOBODY = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """What one process holds: the flow, and in it one work of its run.

    ``token`` is that of the run, ``turn`` that of this try of the work; who holds older ones has been taken over from.
    """

    flow: str
    holder: str
    work: str
    token: int
    turn: int


class SqlLeases:
    """The leases of the flows between a pair of instances.

    A holder is an attempt of a run; the works of one attempt share its lease. What has expired by the clock of the
    database may be taken over, and so may the lease of an earlier attempt of the same run, and the work of an earlier
    try: those are dead, or soon notice.

    Args:
        engine: the state database.
        pair: the pair of instances.
        length: how long a lease lasts unless it is renewed.
    """

    def __init__(self, engine: Engine, pair: str, length: timedelta) -> None:
        self.engine = engine
        self.pair = pair
        self.length = length

    def take(self, flow: str, holder: str, work: str) -> Lease:
        """Takes the lease of a flow, or renews it, for one work of an attempt of a run.

        Raises:
            FlowBusy: another run holds it.
            LeaseLost: the run was begun anew, and this is an earlier attempt of it.
        """
        # without a lock: who waits for the flow must not hold up the run that writes
        with reading(self.engine) as connection:
            found = self._found(connection, flow)
        if found is not None and found.expires_at > found.now + self.length:
            found = self._shortened(flow)
        self._check_free(found, flow, holder)
        with writing(self.engine) as connection:
            now = shared_time(connection)
            found = self._found(connection, flow, lock=True)
            if found is None:
                first = {"token": 0, "holder": _NOBODY, "taken_at": now, "expires_at": now}
                row = upsert(connection, lease).values(pair=self.pair, flow=flow, work=_WHOLE, **first)
                connection.execute(row.on_conflict_do_nothing())
                found = self._found(connection, flow, lock=True)
            self._check_free(found, flow, holder)
            token = int(found.token) + (found.holder != holder)
            taken = {"taken_at": now} if found.holder != holder else {}
            held = {"token": token, "holder": holder, "expires_at": now + self.length, **taken}
            connection.execute(lease.update().where(*self._is(flow, _WHOLE)).values(held))
            if found.holder != holder:
                connection.execute(lease.delete().where(*self._works(flow)))
            return Lease(flow, holder, work, token, self._turn(connection, flow, holder, work, now))

    def held(self, flow: str) -> bool:
        """Whether somebody holds the lease of a flow now."""
        with reading(self.engine) as connection:
            found = self._found(connection, flow)
        return found is not None and found.holder != _NOBODY and found.expires_at > found.now

    def check(self, connection: Connection, held: Lease) -> None:
        """Raises ``LeaseLost`` where another run, or a later try, has taken over; nobody does before the commit."""
        works = lease.c.work.in_([_WHOLE, held.work])
        query = sa.select(lease.c.work, lease.c.token, lease.c.holder, lease.c.taken_at)
        query = query.where(lease.c.pair == self.pair, lease.c.flow == held.flow, works)
        found = {row.work: row for row in connection.execute(query.with_for_update(read=True))}
        whole, mine = found.get(_WHOLE), found.get(held.work)
        if whole is None or whole.token != held.token or whole.holder != held.holder:
            raise _lost(held, whole)
        if mine is None or mine.token != held.turn:
            raise LeaseLost(
                f"{held.flow}: a later try of {held.work} has taken over, and this one writes no more",
                system="state database",
            )

    def renew(self, held: Lease) -> None:
        """Has a lease last for its whole length again.

        Raises:
            LeaseLost: another run, or a later try, has taken over.
        """
        with writing(self.engine) as connection:
            self.check(connection, held)
            until = {"expires_at": shared_time(connection) + self.length}
            connection.execute(lease.update().where(*self._is(held.flow, _WHOLE)).values(until))

    def release(self, held: Lease) -> None:
        """Gives the lease of the flow back: another run may take it at once, and nothing of this one writes any more.

        Raises:
            LeaseLost: another run, or a later try, has taken over.
        """
        with writing(self.engine) as connection:
            self.check(connection, held)
            self._free(connection, held.flow, held.holder)

    def abandon(self, flow: str, holder: str) -> None:
        """Gives the lease of a flow back where this attempt of a run holds it, whatever works of it are going on."""
        with writing(self.engine) as connection:
            self._free(connection, flow, holder)

    def _shortened(self, flow: str) -> Any:
        """The row of a flow after its lease was cut to its length from now: the clock was ahead when it was taken."""
        with writing(self.engine) as connection:
            latest = shared_time(connection) + self.length
            long = (*self._is(flow, _WHOLE), lease.c.expires_at > latest)
            connection.execute(lease.update().where(*long).values(expires_at=latest))
            return self._found(connection, flow)

    def _free(self, connection: Connection, flow: str, holder: str) -> None:
        mine = (*self._is(flow, _WHOLE), lease.c.holder == holder)
        # it stays named, for those that wake up after it
        free = {"token": lease.c.token + 1, "expires_at": shared_time(connection)}
        if connection.execute(lease.update().where(*mine).values(free)).rowcount:
            connection.execute(lease.delete().where(*self._works(flow)))

    def _turn(self, connection: Connection, flow: str, holder: str, work: str, now: datetime) -> int:
        """The number of this try of a work; the one before it writes no more."""
        row = {"token": 1, "holder": holder, "taken_at": now, "expires_at": now}
        first = upsert(connection, lease).values(pair=self.pair, flow=flow, work=work, **row)
        another = {"token": lease.c.token + 1, "taken_at": now}
        connection.execute(first.on_conflict_do_update(index_elements=["pair", "flow", "work"], set_=another))
        query = sa.select(lease.c.token).where(*self._is(flow, work))
        return int(connection.execute(query).scalar_one())

    def _check_free(self, found: Any, flow: str, holder: str) -> None:
        if found is None or found.holder in (_NOBODY, holder):
            return
        if run_of(found.holder) == run_of(holder):
            mine, theirs = begun_at(holder), begun_at(found.holder)
            if mine and theirs and theirs > mine:
                raise _lost(Lease(flow, holder, "", 0, 0), found)
            return
        left = (found.expires_at - found.now).total_seconds()
        if left > 0:
            raise FlowBusy(
                f"{flow}: run {run_of(found.holder)} is writing, since {found.taken_at:%Y-%m-%d %H:%M:%S} UTC; one "
                f"run of a flow writes at a time (it has to show within {duration(left)} that it goes on)",
                wait_seconds=left,
                system="state database",
            )

    def _found(self, connection: Connection, flow: str, *, lock: bool = False) -> Any:
        """The row of a flow with the time by the database's clock, None where it was never taken."""
        columns = (lease.c.token, lease.c.holder, lease.c.taken_at, lease.c.expires_at)
        query = sa.select(*columns).where(*self._is(flow, _WHOLE))
        row = connection.execute(query.with_for_update() if lock else query).first()
        return None if row is None else _Row(*row, shared_time(connection))

    def _is(self, flow: str, work: str) -> tuple[Any, ...]:
        return lease.c.pair == self.pair, lease.c.flow == flow, lease.c.work == work

    def _works(self, flow: str) -> tuple[Any, ...]:
        return lease.c.pair == self.pair, lease.c.flow == flow, lease.c.work != _WHOLE


@dataclass(frozen=True, slots=True)
class _Row:
    token: int
    holder: str
    taken_at: datetime
    expires_at: datetime
    now: datetime


def _lost(held: Lease, found: Any) -> LeaseLost:
    if found is None or found.holder == held.holder:
        what = "has ended meanwhile, and this task of it is one that had been given up"
    elif run_of(found.holder) == run_of(held.holder):
        what = f"was begun anew at {found.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    else:
        what = (
            f"was silent for longer than its lease, and run {run_of(found.holder)} has taken over at "
            f"{found.taken_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    return LeaseLost(
        f"{held.flow}: run {run_of(held.holder)} {what}; it writes no more", system="state database"
    )
