"""Outages that all processes share: one looks, each event is told once, and what waits gets its turn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.breaker import Waiter
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.errors import Outage
from airflow_provider_brightpearl.stores.breakers import Event, PartWait, SqlBreakers
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
LOOK = NOW + timedelta(seconds=15)
ADDRESS = "brightpearl:brightpearl_default:1"
OUTAGE = Outage("brightpearl", "brightpearl_default", ADDRESS, NOW, LOOK)
HOUR = timedelta(hours=1)


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self, _: object = None) -> datetime:
        return self.at

    def pass_(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(engine: Engine, clock: Clock) -> SqlBreakers:
    return SqlBreakers(engine, clock)


def waiter(flow: str, *after: str) -> Waiter:
    return Waiter(f"{flow}.extract/1", flow, "run 1", after, NOW)


def test_of_many_processes_one_looks(breakers: SqlBreakers, engine: Engine) -> None:
    together = Barrier(6)

    def suspects(_: int) -> bool:
        together.wait()
        return SqlBreakers(engine, lambda _: NOW).suspect(OUTAGE, 60)

    with ThreadPoolExecutor(6) as pool:
        assert [False] * 5 + [True] == sorted(pool.map(suspects, range(6)))
    suspected = breakers.find(ADDRESS)
    assert suspected is not None
    assert not suspected.opened
    assert [] == breakers.open_ones()


def test_the_look_of_a_process_that_has_died_is_done_by_another(breakers: SqlBreakers, clock: Clock) -> None:
    assert breakers.suspect(OUTAGE, 60)
    clock.pass_(seconds=59)
    assert not breakers.suspect(OUTAGE, 60)
    clock.pass_(seconds=2)
    assert breakers.suspect(OUTAGE, 60)


def test_an_open_outage_is_looked_at_when_it_is_due_and_by_one(breakers: SqlBreakers, clock: Clock) -> None:
    breakers.suspect(OUTAGE, 60)
    breakers.down(ADDRESS, LOOK, "no connection")
    assert [OUTAGE] == breakers.open_ones()
    assert not breakers.claim(ADDRESS, 60)
    clock.pass_(seconds=15)
    assert [True, False] == [breakers.claim(ADDRESS, 60) for _ in range(2)]
    breakers.down(ADDRESS, LOOK + timedelta(seconds=15), "no connection")
    assert not breakers.claim(ADDRESS, 60)
    clock.pass_(seconds=15)
    assert breakers.claim(ADDRESS, 60)


def test_what_waits_gets_its_turn_in_order_once_the_system_answers(
    breakers: SqlBreakers, clock: Clock
) -> None:
    breakers.suspect(OUTAGE, 60)
    breakers.down(ADDRESS, LOOK, "no connection")
    for each in (waiter("orders", "customers"), waiter("customers")):
        breakers.wait(ADDRESS, each)
        breakers.wait(ADDRESS, each)
    assert [None] == [each.go_at for each in breakers.queued("orders.extract/1")]
    clock.pass_(minutes=10)
    breakers.answers(ADDRESS, 2)
    assert breakers.find(ADDRESS) is None
    turns = [breakers.queued(f"{flow}.extract/1")[0].go_at for flow in ("customers", "orders")]
    assert [clock.at, clock.at + timedelta(seconds=2)] == turns
    assert ["customers", "orders"] == [each.flow for each in breakers.waiters(ADDRESS)]
    breakers.leave("customers.extract/1")
    assert ["orders"] == [each.flow for each in breakers.waiters(ADDRESS)]


def test_a_suspicion_that_was_unfounded_leaves_nothing(breakers: SqlBreakers) -> None:
    breakers.suspect(OUTAGE, 60)
    breakers.wait(ADDRESS, waiter("orders"))
    breakers.answers(ADDRESS, 2)
    assert breakers.find(ADDRESS) is None
    assert [] == breakers.waiters(ADDRESS)
    assert [] == breakers.news(ADDRESS, HOUR)


def test_people_hear_of_each_event_once(breakers: SqlBreakers, clock: Clock) -> None:
    def news() -> list[Event]:
        return [event for _ in range(2) for event, _ in breakers.news(ADDRESS, HOUR)]

    breakers.suspect(OUTAGE, 60)
    assert [] == news()
    breakers.down(ADDRESS, LOOK, "no connection")
    assert [Event.BEGAN] == news()
    clock.pass_(minutes=59)
    assert [] == news()
    clock.pass_(minutes=1)
    assert [Event.LASTS] == news()
    breakers.answers(ADDRESS, 2)
    assert [Event.ENDED] == news()
    # the next outage is another one, and what was cleared in the last one does not wait in it
    breakers.wait(ADDRESS, waiter("cleared"))
    assert breakers.suspect(Outage("brightpearl", "brightpearl_default", ADDRESS, clock.at, clock.at), 60)
    breakers.down(ADDRESS, clock.at, "no connection")
    assert [Event.BEGAN] == news()
    assert [] == breakers.waiters(ADDRESS)


def test_nobody_hears_of_the_end_of_what_nobody_has_heard_of(breakers: SqlBreakers) -> None:
    breakers.suspect(OUTAGE, 60)
    breakers.down(ADDRESS, LOOK, "no connection")
    breakers.answers(ADDRESS, 2)
    assert [] == breakers.news(ADDRESS, HOUR)


def test_what_waits_for_a_part_of_a_system_keeps_its_time_and_waits_for_no_outage(
    breakers: SqlBreakers, clock: Clock
) -> None:
    task = waiter("orders")
    assert breakers.part_wait(task.place) is None
    for minute in (1, 2):
        breakers.wait_for_part(task, NOW + timedelta(minutes=minute))
    assert PartWait(NOW, NOW + timedelta(minutes=2)) == breakers.part_wait(task.place)
    assert [] == breakers.queued(task.place)
    clock.pass_(days=2)
    assert breakers.part_wait(task.place) is None, "it was cleared or deleted meanwhile"
    breakers.wait_for_part(task, clock.at)
    breakers.leave(task.place)
    assert breakers.part_wait(task.place) is None


def test_whether_a_flow_has_written_since(engine: Engine) -> None:
    events = SqlRecordEvents(engine, "a>b")
    for outcome, minutes in ((EventOutcome.CREATED, 1), (EventOutcome.REJECTED, 5)):
        at = NOW + timedelta(minutes=minutes)
        events.record("orders", [RecordEvent("1", "run 1", "load", outcome, at)])
    assert events.wrote_since("orders", NOW)
    assert not events.wrote_since("orders", NOW + timedelta(minutes=1))
    assert not events.wrote_since("customers", NOW)
