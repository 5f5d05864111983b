"""When a system that is down is looked at again, and the order in which what waited starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.breaker import BreakerPolicy, Waiter, drain_order, part_pause, wake_at

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(0, 15), (2, 15), (10, 60), (45, 270), (60, 300), (1440, 300)]
)
def test_the_older_an_outage_the_rarer_the_looks(minutes: int, seconds: int) -> None:
    since = NOW - timedelta(minutes=minutes)
    assert NOW + timedelta(seconds=seconds) == BreakerPolicy().next_look(since, NOW)


@pytest.mark.parametrize(("age", "pause"), [(-5, 1), (0, 1), (1, 1), (3, 3), (7, 7), (15, 15), (1440, 15)])
def test_the_longer_a_part_fails_the_rarer_the_tries(age: int, pause: int) -> None:
    since = NOW - timedelta(minutes=age)
    assert timedelta(minutes=pause) == part_pause(since, NOW, 0)
    assert timedelta(minutes=pause) * 1.1 == part_pause(since, NOW, 0.5)


def test_a_day_takes_few_looks() -> None:
    now, looks = NOW, 0
    while now < NOW + timedelta(days=1):
        now, looks = BreakerPolicy().next_look(NOW, now), looks + 1
    assert looks <= 320


@given(st.floats(0, 0.999), st.integers(-60, 600))
def test_what_waits_wakes_after_the_look(chance: float, seconds: int) -> None:
    look = NOW + timedelta(seconds=seconds)
    woken = wake_at(look, NOW, chance)
    assert max(look, NOW + timedelta(seconds=1)) <= woken
    assert woken <= NOW + timedelta(seconds=max(seconds, 1) * 1.2)


def waiter(flow: str, *after: str, minute: int = 0) -> Waiter:
    return Waiter(f"{flow}.extract/1", flow, "1", after, NOW + timedelta(minutes=minute))


def test_flows_start_after_those_that_they_follow_and_then_by_age() -> None:
    waiting = [
        waiter("shipments", "orders"),
        waiter("orders", "customers", "products"),
        waiter("products", minute=2),
        waiter("customers", minute=1),
        # what it follows does not wait
        waiter("payments", "invoices", minute=3),
    ]
    flows = [each.flow for each in drain_order(waiting)]
    assert ["customers", "products", "payments", "orders", "shipments"] == flows


def test_flows_that_follow_each_other_in_a_circle_start_too() -> None:
    waiting = [waiter("a", "b"), waiter("b", "a"), waiter("c", "c", minute=-1)]
    assert {"a", "b", "c"} == {each.flow for each in drain_order(waiting)}
