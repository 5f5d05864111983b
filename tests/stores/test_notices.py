"""What lasts is announced once, and again after a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.notices import REMINDER, Notices
from airflow_provider_brightpearl.stores.notices import SqlNotices
from tests.fakes import MemoryNotices

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "database"])
def notices(request: pytest.FixtureRequest, engine: Engine, clock: Clock) -> Notices:
    return MemoryNotices(clock) if request.param == "memory" else SqlNotices(engine, clock, "a:1>b:2")


def test_a_topic_is_news_once_a_day_and_for_the_run_that_announced_it(notices: Notices, clock: Clock) -> None:
    assert notices.is_news("orders", "gate", "run 1")
    assert notices.is_news("orders", "gate", "run 1")
    assert not notices.is_news("orders", "gate", "run 2")
    assert notices.is_news("customers", "gate", "run 1")
    clock.now = NOON + REMINDER - timedelta(seconds=1)
    assert not notices.is_news("orders", "gate", "run 3")
    clock.now = NOON + REMINDER
    assert notices.is_news("orders", "gate", "run 4")
    assert not notices.is_news("orders", "gate", "run 5")


def test_what_ended_is_news_when_it_begins_again(notices: Notices) -> None:
    assert notices.is_news("orders", "gate", "run 1")
    notices.forget("orders", "gate")
    notices.forget("orders", "none")
    assert notices.is_news("orders", "gate", "run 2")


def test_each_pair_of_instances_has_its_own(engine: Engine, clock: Clock) -> None:
    first, second = SqlNotices(engine, clock, "a:1>b:2"), SqlNotices(engine, clock, "a:1>b:3")
    assert first.is_news("orders", "gate", "run 1")
    assert second.is_news("orders", "gate", "run 2")
