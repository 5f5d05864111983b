"""The last calls of a day are left to others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_brightpearl.core.ports.quota import Ask, DayUse, Granted, PoolUse
from airflow_provider_brightpearl.core.quota import Limit
from airflow_provider_brightpearl.errors import RateLimited, Unavailable
from airflow_provider_brightpearl.systems.http.daily_quota import DailyQuota

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


class Store:
    def __init__(self, known: DayUse | None = None, *, broken: bool = False) -> None:
        self.known = known
        self.broken = broken
        self.reported: list[tuple[int, int]] = []

    def ask(self, ask: Ask, limit: Limit) -> Granted:
        raise NotImplementedError

    def report_day(self, pool: str, used: int, most: int) -> None:
        if self.broken:
            raise Unavailable("the state database does not answer")
        self.reported.append((used, most))

    def day_use(self, pool: str) -> DayUse | None:
        if self.broken:
            raise Unavailable("the state database does not answer")
        return self.known

    def calls_today(self, pool: str) -> int:
        return 40

    def pools(self) -> list[PoolUse]:
        return []


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def quota(store: Store, clock: Clock | None = None) -> DailyQuota:
    return DailyQuota(lambda: store, "salesforce:acme", 5, lambda: NOW, clock or Clock())


def test_calls_go_out_until_the_reserve() -> None:
    daily = quota(Store())
    daily.check("salesforce")
    assert daily.left() is None
    daily.learn(94_999, 100_000)
    daily.check("salesforce")
    assert 1 == daily.left()
    daily.learn(95_000, 100_000)
    with pytest.raises(
        RateLimited, match=r"95,000 of 100,000 calls of 24 hours are used, and the last 5 %"
    ) as caught:
        daily.check("salesforce")
    assert 3600 == caught.value.wait_seconds


def test_after_the_pause_one_call_looks_again() -> None:
    clock = Clock()
    daily = quota(Store(), clock)
    daily.learn(96, 100)
    clock.seconds = 3599
    with pytest.raises(RateLimited):
        daily.check("salesforce")
    clock.seconds = 3600
    daily.check("salesforce")
    daily.learn(90, 100)
    daily.check("salesforce")


@pytest.mark.parametrize(("minutes", "stops"), [(20, True), (61, False)])
def test_another_process_does_not_ask_again_what_is_known(minutes: int, stops: bool) -> None:
    daily = quota(Store(DayUse(99, 100, NOW - timedelta(minutes=minutes))))
    if not stops:
        return daily.check("salesforce")
    with pytest.raises(RateLimited) as caught:
        daily.check("salesforce")
    assert 40 * 60 == caught.value.wait_seconds
    return None


def test_others_are_told_now_and_then() -> None:
    store, clock = Store(), Clock()
    daily = quota(store, clock)
    for used in range(100, 151):
        daily.learn(used, 10_000)
    assert [(100, 10_000)] == store.reported
    clock.seconds = 60
    daily.learn(151, 10_000)
    daily.learn(260, 10_000)
    assert [100, 151, 260] == [used for used, _ in store.reported]


def test_a_state_database_that_is_down_stops_nothing() -> None:
    daily = quota(Store(broken=True))
    daily.check("salesforce")
    daily.learn(1, 10)
    daily.check("salesforce")
    assert 8 == daily.left()
