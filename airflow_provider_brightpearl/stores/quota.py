"""The quota that all processes of a state database share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.ports.quota import Ask, DayUse, Granted, PoolUse
from airflow_provider_brightpearl.core.quota import (
    Asking,
    Counted,
    Decision,
    Limit,
    Share,
    calls_of_others,
    decide,
    settled,
)
from airflow_provider_brightpearl.stores.engine import reading, shared_time, writing
from airflow_provider_brightpearl.stores.tables import quota, quota_call, quota_hour, quota_waiter, upsert

_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)


class SqlQuota:
    """A quota in the state database, by the database's clock: on SQLite that of the machine.

    Each method is one short transaction; those about the same pool run one after the other.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, ask: Ask, limit: Limit) -> Granted:
        with writing(self._engine) as connection:
            now = _locked(connection, ask.pool)
            pool = _Pool(connection, ask.pool, limit, now)
            pool.settle(ask)
            if ask.remaining is not None:
                pool.correct(ask.remaining)
            since = now if ask.since is None else ask.since
            if not ask.calls:
                return Granted(0, 0.0, since)
            asking = Asking(ask.holder, ask.share, ask.calls, since)
            decision = pool.decide(asking)
            if decision.calls:
                pool.grant(asking, decision.calls)
            else:
                pool.queue(asking, decision.wait)
            return Granted(decision.calls, decision.wait, since)

    def report_day(self, pool: str, used: int, most: int) -> None:
        with writing(self._engine) as connection:
            now = _locked(connection, pool)
            change = quota.update().where(quota.c.pool == pool)
            connection.execute(change.values(used=used, most=most, reported_at=_instant(now)))

    def day_use(self, pool: str) -> DayUse | None:
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(quota).where(quota.c.pool == pool)).one_or_none()
        return _day_use(row) if row is not None else None

    def calls_today(self, pool: str) -> int:
        with reading(self._engine) as connection:
            since = _instant(_now(connection)) - _DAY - _HOUR
            calls = sa.select(sa.func.sum(quota_hour.c.calls))
            chosen = calls.where(quota_hour.c.pool == pool, quota_hour.c.hour > since)
            return int(connection.execute(chosen).scalar() or 0)

    def pools(self) -> list[PoolUse]:
        with reading(self._engine) as connection:
            now = _now(connection)
            counting = sa.select(quota_call).where(quota_call.c.until > _instant(now))
            calls = connection.execute(counting).all()
            waiting = connection.execute(sa.select(quota_waiter.c.pool)).scalars().all()
            hours = connection.execute(
                sa.select(quota_hour).where(quota_hour.c.hour > _instant(now) - _DAY)
            ).all()
            rows = connection.execute(sa.select(quota).order_by(quota.c.pool)).all()
        return [
            PoolUse(
                row.pool,
                {
                    share: sum(each.calls for each in calls if (each.pool, each.share) == (row.pool, share))
                    for share in (*Share, "")
                },
                sum(each == row.pool for each in waiting),
                sum(each.calls for each in hours if each.pool == row.pool),
                _day_use(row),
            )
            for row in rows
        ]


class _Pool:
    """One pool while its row is locked."""

    def __init__(self, connection: Connection, name: str, limit: Limit, now: float) -> None:
        self._connection, self._name, self._limit, self._now = connection, name, limit, now

    def settle(self, ask: Ask) -> None:
        """Counts the calls of the holder's last grant as they were made, gives back the rest, forgets what is over."""
        self._shorten()
        call, granted = quota_call.c, 0
        mine, over = call.holder == ask.holder, call.until <= _instant(self._now)
        if self._limit.per_day is not None:
            # the day has counted a grant already: its holder may report late, and would have it counted again
            over = sa.and_(over, sa.or_(call.holder == "", call.until <= _instant(self._now) - _DAY))
            held = sa.select(sa.func.sum(call.calls)).where(call.pool == self._name, mine)
            granted = int(self._connection.execute(held).scalar() or 0)
        self._connection.execute(quota_call.delete().where(call.pool == self._name, sa.or_(mine, over)))
        made = settled(self._limit, [self._now - age for age in ask.ages], ask.share)
        if made:
            self._connection.execute(quota_call.insert(), [self._row("", each) for each in made])
        if granted:
            self._count_hour(len(ask.ages) - granted)

    def _shorten(self) -> None:
        """Lets nothing count for longer than it can from now, as after a moment in which the clock was ahead."""
        latest = self._limit.counts_until(self._now + self._limit.horizon + self._limit.flight)
        # those who wait come back a little later, one after the other
        for table, longest in ((quota_call, latest), (quota_waiter, latest + self._limit.seconds)):
            until = _instant(longest)
            long = (table.c.pool == self._name, table.c.until > until)
            self._connection.execute(table.update().where(*long).values(until=until))
        if self._limit.per_day is not None:
            hour = quota_hour.c
            ahead = (hour.pool == self._name, hour.hour > _instant(self._now))
            calls = sa.select(sa.func.sum(hour.calls)).where(*ahead)
            counted = self._connection.execute(calls).scalar()
            if counted is not None:
                self._connection.execute(quota_hour.delete().where(*ahead))
                self._count_hour(int(counted))

    def correct(self, remaining: int) -> None:
        """Counts calls of which only the system knows; nobody knows when they were made, so they count from now."""
        counted, _ = self._counted()
        others = calls_of_others(self._limit, counted, remaining, self._now)
        if others:
            row = self._row("", Counted(others, self._limit.counts_until(self._now)))
            self._connection.execute(quota_call.insert(), [row])

    def decide(self, asking: Asking) -> Decision:
        wait = self._wait_of_day()
        if wait:
            return Decision(0, wait)
        counted, holders = self._counted()
        waiting = self._waiting()
        active = {asking.holder, *holders, *(each.holder for each in waiting)}
        asking = replace(asking, calls=self._limit.fair(asking.calls, len(active)))
        decision = decide(self._limit, counted, waiting, asking, self._now)
        if decision.calls and any(each.holder == asking.holder for each in waiting):
            self._connection.execute(
                quota_waiter.delete().where(
                    quota_waiter.c.pool == self._name, quota_waiter.c.holder == asking.holder
                )
            )
        return decision

    def grant(self, asking: Asking, calls: int) -> None:
        """Counts calls for as long as they may possibly be made."""
        latest = self._now + self._limit.horizon + self._limit.flight
        counted = Counted(calls, self._limit.counts_until(latest), asking.share)
        self._connection.execute(quota_call.insert(), [self._row(asking.holder, counted)])
        if self._limit.per_day is not None:
            self._count_hour(calls)

    def queue(self, asking: Asking, wait: float) -> None:
        """Keeps the place of a process until shortly after it asks again."""
        row = {
            "share": asking.share, "calls": asking.calls, "since": _instant(asking.since),
            "until": _instant(self._now + wait + self._limit.patience),
        }  # fmt: skip
        added = upsert(self._connection, quota_waiter).values(pool=self._name, holder=asking.holder, **row)
        self._connection.execute(
            added.on_conflict_do_update(index_elements=["pool", "holder"], set_={"until": row["until"]})
        )

    def _row(self, holder: str, counted: Counted) -> dict[str, object]:
        return {
            "pool": self._name, "holder": holder, "share": counted.share or "", "calls": counted.calls,
            "until": _instant(counted.until),
        }  # fmt: skip

    def _counted(self) -> tuple[list[Counted], set[str]]:
        """The calls that count, and the processes that hold a grant."""
        rows = self._connection.execute(sa.select(quota_call).where(quota_call.c.pool == self._name)).all()
        counted = [
            Counted(row.calls, row.until.timestamp(), Share(row.share) if row.share else None) for row in rows
        ]
        now = _instant(self._now)
        return counted, {row.holder for row in rows if row.until > now} - {""}

    def _waiting(self) -> list[Asking]:
        waiter, now = quota_waiter.c, _instant(self._now)
        rows = self._connection.execute(sa.select(quota_waiter).where(waiter.pool == self._name)).all()
        if any(row.until <= now for row in rows):
            self._connection.execute(
                quota_waiter.delete().where(waiter.pool == self._name, waiter.until <= now)
            )
        return [
            Asking(row.holder, Share(row.share), row.calls, row.since.timestamp())
            for row in rows
            if row.until > now
        ]

    def _count_hour(self, calls: int) -> None:
        hour = _instant(self._now).replace(minute=0, second=0, microsecond=0)
        added = upsert(self._connection, quota_hour).values(pool=self._name, hour=hour, calls=calls)
        counted = quota_hour.c.calls + added.excluded.calls
        self._connection.execute(
            added.on_conflict_do_update(index_elements=["pool", "hour"], set_={"calls": counted})
        )

    def _wait_of_day(self) -> float:
        """Seconds until calls of the last 24 hours cease to count, 0 where the day is not used up.

        The calls of an hour count until 24 hours after its end.
        """
        if self._limit.per_day is None:
            return 0.0
        now, hour = _instant(self._now), quota_hour.c
        over = (hour.pool == self._name, hour.hour <= now - _DAY - _HOUR)
        self._connection.execute(quota_hour.delete().where(*over))
        hours = self._connection.execute(
            sa.select(quota_hour).where(hour.pool == self._name).order_by(hour.hour)
        ).all()
        if sum(row.calls for row in hours) < self._limit.per_day:
            return 0.0
        return float((hours[0].hour + _HOUR + _DAY - now).total_seconds())


def _locked(connection: Connection, pool: str) -> float:
    """Locks a pool, and gives the time after that: what was granted before was granted earlier by the same clock."""
    # SQLite has locked the whole database already
    lock = sa.select(quota.c.pool).where(quota.c.pool == pool).with_for_update()
    if connection.execute(lock).scalar() is None:
        # only an existing row can be locked
        connection.execute(upsert(connection, quota).values(pool=pool).on_conflict_do_nothing())
        connection.execute(lock)
    return _now(connection)


def _now(connection: Connection) -> float:
    """Seconds since 1970 by the clock that all processes of this state database share."""
    return shared_time(connection).timestamp()


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _day_use(row: sa.engine.Row[tuple[object, ...]]) -> DayUse | None:
    return None if row.reported_at is None else DayUse(row.used, row.most, row.reported_at)
