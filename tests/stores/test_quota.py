"""The quota in the state database: what one process is granted, others do not get."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.quota import Ask, DayUse, Granted
from airflow_provider_brightpearl.core.quota import Limit, Share
from airflow_provider_brightpearl.stores import quota
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.quota import SqlQuota
from airflow_provider_brightpearl.stores.tables import quota_call, quota_waiter

POOL = "brightpearl:acme"
LIMIT = Limit(20, 60.0)
BEGIN = datetime(2026, 3, 31, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = BEGIN.timestamp()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that all share, as the test sets it: waiting for a real minute would take one."""
    clock = Clock()
    monkeypatch.setattr(quota, "_now", lambda _: clock.now)
    return clock


def ask(
    engine: Engine, holder: str, calls: int, limit: Limit = LIMIT, pool: str = POOL, **given: Any
) -> Granted:
    share = given.pop("share", Share.SCHEDULE)
    return SqlQuota(engine).ask(Ask(pool, holder, share, calls, **given), limit)


def counting(engine: Engine) -> Sequence[Any]:
    with reading(engine) as connection:
        rows = connection.execute(sa.select(quota_call.c.share, quota_call.c.calls)).all()
    return sorted((row.share, row.calls) for row in rows)


def test_the_clock_is_that_of_the_database(engine: Engine) -> None:
    with writing(engine) as connection:
        first, second = quota._now(connection), quota._now(connection)
    assert first <= second
    assert abs(second - datetime.now(UTC).timestamp()) < 60


def test_what_is_granted_counts_for_others(engine: Engine, clock: Clock) -> None:
    assert 5 == ask(engine, "one", 5).calls
    # 20 for two processes: 5 at a time each
    assert [5, 5, 5] == [ask(engine, "two", 9, ages=[0.0] * 5 * bool(done)).calls for done in range(3)]
    refused = ask(engine, "three", 5)
    assert (0, 60.5) == (refused.calls, refused.wait)
    clock.now += 60.6
    assert ask(engine, "three", 3, since=refused.since).calls


def test_pools_are_apart(engine: Engine, clock: Clock) -> None:
    assert [5, 5] == [ask(engine, "one", 5, pool=pool).calls for pool in (POOL, "brightpearl:other")]


def test_calls_that_were_not_made_are_given_back(engine: Engine, clock: Clock) -> None:
    ask(engine, "one", 10)
    clock.now += 1
    ask(engine, "one", 0, ages=[0.8, 0.2, 0.1])
    assert [("schedule", 1), ("schedule", 2)] == counting(engine)


def test_a_dead_process_holds_its_calls_no_longer_than_they_could_be_made(
    engine: Engine, clock: Clock
) -> None:
    assert 10 == ask(engine, "dead", 10).calls
    limit = Limit(10, 60.0)
    refused = ask(engine, "next", 1, limit)
    assert (0, 72.5) == (refused.calls, refused.wait)
    clock.now += 72.6
    assert 1 == ask(engine, "next", 1, limit, since=refused.since).calls
    assert [("schedule", 1)] == counting(engine)


def test_those_who_wait_are_served_in_their_order(engine: Engine, clock: Clock) -> None:
    limit = Limit(2, 60.0)
    ask(engine, "busy", 1, limit)
    clock.now += 10
    ask(engine, "busy", 1, limit, ages=[10.0])
    waiting = {}
    for share in (Share.BACKFILL, Share.SCHEDULE, Share.EVENT):
        clock.now += 1
        waiting[share] = ask(engine, share.value, 1, limit, share=share)
    assert {0} == {each.calls for each in waiting.values()}
    # one call is free again; the last that came is the first to be served
    clock.now = BEGIN.timestamp() + 60.6
    served = {
        share: ask(engine, share.value, 1, limit, share=share, since=each.since).calls
        for share, each in waiting.items()
    }
    assert {Share.EVENT: 1, Share.SCHEDULE: 0, Share.BACKFILL: 0} == served


def test_a_place_is_kept_until_shortly_after_its_turn(engine: Engine, clock: Clock) -> None:
    limit = Limit(2, 60.0)
    ask(engine, "one", 1, limit)
    ask(engine, "one", 1, limit, ages=[0.0])
    gone = ask(engine, "gone", 1, limit)
    clock.now += 1
    later = ask(engine, "later", 1, limit)
    assert later.wait > gone.wait - 1
    clock.now = BEGIN.timestamp() + gone.wait + limit.patience + 0.1
    assert 1 == ask(engine, "later", 1, limit, since=later.since).calls
    with reading(engine) as connection:
        assert [] == connection.execute(sa.select(quota_waiter)).all()


def test_calls_of_others_are_believed(engine: Engine, clock: Clock) -> None:
    ask(engine, "one", 2)
    clock.now += 1
    granted = ask(engine, "one", 5, ages=[0.1, 0.2], remaining=3)
    assert 3 == granted.calls
    assert [("", 15), ("schedule", 2), ("schedule", 3)] == counting(engine)
    # once they count no longer, all is as before
    clock.now += 75
    assert 10 == ask(engine, "one", 10, remaining=20).calls
    assert [("schedule", 10)] == counting(engine)


def test_a_day_is_used_up(engine: Engine, clock: Clock) -> None:
    limit = Limit(100, 60.0, per_day=12)
    assert 10 == ask(engine, "one", 10, limit).calls
    # two were not made
    assert 5 == ask(engine, "one", 5, limit, ages=[0.0] * 8).calls
    refused = ask(engine, "one", 5, limit, ages=[0.0] * 5)
    assert (0, 25 * 3600) == (refused.calls, refused.wait)
    assert 13 == SqlQuota(engine).pools()[0].last_day
    assert 13 == SqlQuota(engine).calls_today(POOL)
    clock.now += 25 * 3600
    assert 5 == ask(engine, "one", 5, limit).calls


def test_a_grant_is_counted_once_a_day_whoever_forgets_it_first(engine: Engine, clock: Clock) -> None:
    limit = Limit(100, 60.0, per_day=50)
    for turn in range(4):
        assert 2 == ask(engine, "slow", 2, limit, ages=[1.0] * (2 if turn else 0)).calls
        clock.now += 90
        ask(engine, "other", 0, limit)
    ask(engine, "slow", 0, limit, ages=[1.0])
    assert 7 == SqlQuota(engine).calls_today(POOL)


def test_a_clock_that_was_ahead_for_a_moment_blocks_nobody_longer_than_the_period(
    engine: Engine, clock: Clock
) -> None:
    limit = Limit(20, 60.0, per_day=10)
    clock.now += 3 * 3600
    ask(engine, "ahead", 10, limit)
    ask(engine, "waits", 10, limit, ages=[0.0] * 10)
    clock.now = BEGIN.timestamp()
    assert (0, 25 * 3600) == (ask(engine, "next", 5, limit).calls, ask(engine, "next", 5, limit).wait)

    clock.now += 3 * 3600
    ask(engine, "ahead", 10, pool="another")
    ask(engine, "ahead", 10, pool="another", ages=[0.0] * 10)
    ask(engine, "waits", 9, pool="another", share=Share.EVENT)
    clock.now = BEGIN.timestamp()
    refused = ask(engine, "next", 5, pool="another")
    assert 0 == refused.calls
    assert refused.wait < 75
    clock.now += 180
    assert 5 == ask(engine, "next", 5, pool="another", since=refused.since).calls


def test_the_day_as_a_system_reports_it(engine: Engine, clock: Clock) -> None:
    store = SqlQuota(engine)
    assert store.day_use("salesforce:acme") is None
    for used in (90, 95):
        store.report_day("salesforce:acme", used, 100)
    assert DayUse(95, 100, BEGIN) == store.day_use("salesforce:acme")


def test_all_pools_as_they_stand(engine: Engine, clock: Clock) -> None:
    store = SqlQuota(engine)
    assert [] == store.pools()
    ask(engine, "one", 2)
    ask(engine, "two", 1, Limit(2, 60.0), share=Share.BACKFILL)
    store.report_day("salesforce:acme", 1, 10)
    first, second = store.pools()
    assert ({"event": 0, "schedule": 2, "backfill": 0, "": 0}, 1) == (first.calls, first.waiting)
    assert (DayUse(1, 10, BEGIN), 0) == (second.day, second.last_day)
    clock.now += timedelta(minutes=2).total_seconds()
    assert 0 == sum(store.pools()[0].calls.values())
