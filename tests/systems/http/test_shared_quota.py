"""A budget that is shared: few transactions, none without a call, and headers where the database does not answer."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.ports.quota import Ask, DayUse, Granted, PoolUse
from airflow_provider_brightpearl.core.quota import Limit, Share, drawing_on
from airflow_provider_brightpearl.errors import RateLimited, Unavailable
from airflow_provider_brightpearl.systems.http.quota import wait_for_turn
from airflow_provider_brightpearl.systems.http.shared_quota import SharedBudget

LIMIT = Limit(200, reserve=2)


class Store:
    """Grants what is asked, up to what the test allows, and keeps what it was asked."""

    def __init__(self, calls: int = 1_000) -> None:
        self.calls = calls
        self.asked: list[Ask] = []
        self.broken = False

    def ask(self, ask: Ask, limit: Limit) -> Granted:
        if self.broken:
            raise Unavailable("the state database does not answer")
        self.asked.append(ask)
        calls = min(ask.calls, self.calls)
        self.calls -= calls
        return Granted(calls, 0.0 if calls or not ask.calls else 7.0, 3.0)

    def report_day(self, pool: str, used: int, most: int) -> None: ...

    def day_use(self, pool: str) -> DayUse | None: ...

    def calls_today(self, pool: str) -> int:
        return 40

    def pools(self) -> list[PoolUse]:
        return []


def make_calls(budget: SharedBudget, count: int, now: float = 0.0, took: float = 0.1) -> float:
    for _ in range(count):
        assert 0.0 == budget.wait_seconds(now)
        now += took
        budget.answered(now)
    return now


def test_grants_grow_so_that_most_calls_cost_no_transaction() -> None:
    store = Store()
    make_calls(SharedBudget(lambda: store, "p", LIMIT), 100, took=0.01)
    assert [2, 4, 8, *[9] * 10] == [ask.calls for ask in store.asked]


def test_nothing_happens_without_a_call() -> None:
    def never() -> Store:
        raise AssertionError("no call was made")

    SharedBudget(never, "p", LIMIT)


def test_calls_are_reported_as_they_were_made() -> None:
    store = Store()
    budget = SharedBudget(lambda: store, "p", LIMIT)
    with drawing_on(Share.BACKFILL):
        now = make_calls(budget, 3)
        budget.wait_seconds(now + 2.0)
        budget.learn(150, 1.0, now + 2.2)
        budget.answered(now + 2.2)
        make_calls(budget, 3, now + 2.3)
    first, second, third = store.asked
    assert (Share.BACKFILL, (), None) == (first.share, tuple(first.ages), first.remaining)
    assert [0.1, 0.0] == [round(age, 3) for age in second.ages]
    assert (4, 150) == (third.ages and len(third.ages), third.remaining)


def test_a_grant_is_not_used_after_its_time() -> None:
    store = Store()
    budget = SharedBudget(lambda: store, "p", LIMIT)
    make_calls(budget, 1)
    make_calls(budget, 1, LIMIT.horizon)
    # one of two was used, so two are enough again
    assert [2, 2] == [ask.calls for ask in store.asked]


def test_a_process_that_waits_keeps_its_place() -> None:
    store = Store(calls=0)
    budget = SharedBudget(lambda: store, "p", LIMIT)
    assert [7.0, 7.0] == [budget.wait_seconds(now) for now in (0.0, 7.0)]
    store.calls = 2
    assert 0.0 == budget.wait_seconds(14.0)
    assert [None, 3.0, 3.0] == [ask.since for ask in store.asked]


def test_fewer_than_were_granted_remain_so_that_others_have_to_know() -> None:
    store = Store()
    budget = SharedBudget(lambda: store, "p", LIMIT)
    now = make_calls(budget, 8)
    budget.learn(3, 20.0, now)
    assert (0, 3) == (store.asked[-1].calls, store.asked[-1].remaining)
    asked = len(store.asked)
    budget.wait_seconds(now)
    assert asked + 1 == len(store.asked)


def test_a_figure_that_is_old_is_not_compared_with_what_counts_now() -> None:
    store = Store()
    budget = SharedBudget(lambda: store, "p", LIMIT)
    now = make_calls(budget, 2)
    budget.learn(100, 20.0, now)
    budget.wait_seconds(now + 10.0)
    assert store.asked[-1].remaining is None


def test_without_the_database_the_headers_count(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    budget = SharedBudget(lambda: store, "p", LIMIT, chance=lambda: 0.5)
    now = make_calls(budget, 2)
    store.broken = True
    with caplog.at_level(logging.WARNING):
        now = make_calls(budget, 5, now)
    assert [
        "calls are not counted with those of other processes for 30 s: the state database does not answer"
    ] == [record.message for record in caplog.records]
    budget.learn(1, 20.0, now)
    # a tenth longer than announced, as all processes would come at once
    assert 22.06 == round(budget.wait_seconds(now), 2)
    assert 0.0 == budget.wait_seconds(now + 22.1)
    store.broken = False
    budget.wait_seconds(now + 31.0)
    assert len(store.asked[-1].ages) == 7


def test_a_state_file_that_cannot_be_made_is_no_reason_to_fail(tmp_path: Path) -> None:
    def refuse() -> Store:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    assert 0.0 == SharedBudget(refuse, "p", LIMIT).wait_seconds(0.0)


def test_a_quota_that_opens_late_is_an_error_that_says_when() -> None:
    budget = SharedBudget(lambda: Store(calls=0), "p", LIMIT)
    with pytest.raises(RateLimited, match="free in 7 s; `brightpearl quota` shows") as caught:
        wait_for_turn(budget, "brightpearl", 5.0, lambda _: None, lambda: 0.0)
    assert 7.0 == caught.value.wait_seconds


def test_what_is_left_of_a_day() -> None:
    assert SharedBudget(Store, "p", LIMIT).left_today() is None
    assert [60, 0] == [SharedBudget(Store, "p", Limit(9, per_day=most)).left_today() for most in (100, 30)]
