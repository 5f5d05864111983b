"""A breaker opens where a look fails too, keeps all but one from calling, and closes where the system answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.breaker import Waiter
from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.errors import CredentialsRefused, Outage, RateLimited, TimedOut, Unavailable
from airflow_provider_brightpearl.runtime.breaker import SystemBreaker
from airflow_provider_brightpearl.stores import breakers as stored
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.breakers import Event, SqlBreakers
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.systems.http.transport import with_retries

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
ADDRESS = "infor:infor_default:1"


class Vendor:
    """A system whose every look ends in ``error``, or is answered where that is None."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.looks = 0
        self.now = NOW

    def look(self) -> None:
        self.looks += 1
        if self.error:
            raise self.error


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def breaker(engine: Engine, vendor: Vendor) -> SystemBreaker:
    return SystemBreaker(
        SqlBreakers(engine, lambda _: vendor.now), "infor", "infor_default", ADDRESS, vendor.look
    )


def given_up(
    breaker: SystemBreaker, error: Unavailable | TimedOut | RateLimited | None = None
) -> Unavailable:
    error = error or Unavailable("no connection", system="infor")

    def call() -> None:
        raise error

    with pytest.raises(type(error)):
        with_retries(
            call, repeatable=True, backoff=Backoff(tries=3), sleep=lambda _: None, chance=lambda: 0.0, breaker=breaker
        )  # fmt: skip
    return error  # type: ignore[return-value]


def test_a_call_that_fails_while_the_system_answers_opens_nothing(
    breaker: SystemBreaker, vendor: Vendor
) -> None:
    assert given_up(breaker).outage is None
    assert 1 == vendor.looks
    breaker.enter()
    assert 1 == vendor.looks


@pytest.mark.parametrize("answer", [RateLimited("quota", wait_seconds=9), CredentialsRefused("401")])
def test_a_refusal_is_an_answer(breaker: SystemBreaker, vendor: Vendor, answer: Exception) -> None:
    vendor.error = answer
    assert given_up(breaker).outage is None
    breaker.enter()


def test_a_rate_limit_and_other_peoples_outages_are_none(breaker: SystemBreaker, vendor: Vendor) -> None:
    vendor.error = Unavailable("down")
    given_up(breaker, RateLimited("quota", system="infor"))
    given_up(breaker, Unavailable("down", system="state database"))
    assert 0 == vendor.looks


def test_an_outage_keeps_all_out_until_a_look_is_answered(breaker: SystemBreaker, vendor: Vendor) -> None:
    vendor.error = Unavailable("down")
    outage = given_up(breaker).outage
    assert outage is not None
    assert (NOW, NOW + timedelta(seconds=15)) == (outage.since, outage.next_look)
    # another process gives up a write of which it knows nothing, which stays what it is
    other = replace(breaker)
    lost = given_up(other, TimedOut("no answer", system="infor"))
    assert outage == lost.outage
    with pytest.raises(
        Unavailable,
        match=r"^Infor is down since 2026-04-01 12:00:00 UTC \(connection infor_default\); next look at 2026-04-01 "
        r"12:00:15 UTC \(system infor\)$",
    ) as kept_out:
        other.enter()
    assert outage == kept_out.value.outage
    assert 1 == vendor.looks
    # half open: the first one to come looks, in vain, and the next look is another one's
    vendor.now += timedelta(minutes=5)
    for process in (breaker, other):
        with pytest.raises(Unavailable, match="next look at 2026-04-01 12:05:30"):
            process.enter()
    assert 2 == vendor.looks
    vendor.now += timedelta(minutes=1)
    vendor.error = None
    breaker.enter()
    other.enter()
    assert 3 == vendor.looks


def test_workers_whose_clocks_differ_agree_when_an_outage_is_looked_at(
    engine: Engine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("a SQLite file is for the workers of one machine")
    breaker = SystemBreaker(SqlBreakers(engine), "infor", "infor_default", ADDRESS, vendor.look)

    def worker(hours: int) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + timedelta(hours=hours)

        monkeypatch.setattr(stored, "datetime", Clock)

    vendor.error = Unavailable("down")
    began = given_up(breaker).outage
    assert began is not None
    worker(hours=1)
    with pytest.raises(Unavailable) as kept_out:
        breaker.enter()
    assert (began, 1) == (kept_out.value.outage, vendor.looks), "the look is not due yet"
    assert [] == [event for event, _ in breaker.breakers.news(ADDRESS, timedelta(minutes=30))][1:]
    # one that is behind looks when it is due
    worker(hours=-1)
    with writing(engine) as connection:
        connection.execute(tables.breaker.update().values(next_look=breaker.breakers.now()))
    vendor.error = None
    breaker.enter()
    assert ([], 2) == (breaker.breakers.open_ones(), vendor.looks)


def test_those_who_come_during_a_look_wait_for_what_comes_of_it(
    breaker: SystemBreaker, vendor: Vendor
) -> None:
    vendor.error = Unavailable("down")
    given_up(breaker)
    vendor.now += timedelta(minutes=1)
    other, seen = replace(breaker), []

    def look() -> None:
        with pytest.raises(Unavailable) as raised:
            other.enter()
        assert raised.value.outage
        seen.append(raised.value.outage.next_look)

    replace(breaker, look=look).enter()
    assert [vendor.now + timedelta(seconds=15)] == seen


@pytest.mark.parametrize("lasts", [True, False])
def test_who_gives_up_during_a_look_waits_for_what_comes_of_it(
    breaker: SystemBreaker, vendor: Vendor, lasts: bool
) -> None:
    breakers = breaker.breakers

    def first_look_ends(_: float) -> None:
        if lasts:
            breakers.down(ADDRESS, NOW + timedelta(seconds=15), "down")
        else:
            breakers.answers(ADDRESS, 2)

    assert breakers.suspect(Outage("infor", "infor_default", ADDRESS, NOW, NOW), 60)
    outage = given_up(replace(breaker, sleep=first_look_ends)).outage
    assert 0 == vendor.looks
    assert breakers.open_ones() == ([outage] if lasts else [])


def test_who_gives_up_during_a_look_that_does_not_end_fails_as_without_it(
    breaker: SystemBreaker, vendor: Vendor
) -> None:
    assert breaker.breakers.suspect(Outage("infor", "infor_default", ADDRESS, NOW, NOW), 60)
    assert given_up(replace(breaker, sleep=lambda _: None)).outage is None
    assert 0 == vendor.looks


def test_a_corrected_connection_ends_the_outage_of_where_it_led_before(
    breaker: SystemBreaker, vendor: Vendor
) -> None:
    breakers = breaker.breakers
    vendor.error = Unavailable("no such host")
    given_up(breaker)
    breakers.wait(ADDRESS, Waiter("dag.load/1", "orders", "1", (), NOW))
    assert [Event.BEGAN] == [event for event, _ in breakers.news(ADDRESS, timedelta(hours=1))]
    corrected = replace(breaker, address="infor:infor_default:2")
    vendor.now += timedelta(minutes=1)
    # it does not answer there either: the outage goes on
    corrected.enter()
    assert [ADDRESS] == [each.address for each in breakers.open_ones()]
    vendor.now += timedelta(minutes=1)
    vendor.error = None
    replace(corrected, connection="infor_test").enter()
    assert [ADDRESS] == [each.address for each in breakers.open_ones()], "another connection proves nothing"
    for _ in range(2):
        corrected.enter()
    assert 3 == vendor.looks
    assert [] == breakers.open_ones()
    assert [vendor.now] == [each.go_at for each in breakers.queued("dag.load/1")]
    news = [event for _ in range(2) for event, _ in breakers.news(ADDRESS, timedelta(minutes=1))]
    assert [Event.ENDED] == news


def test_without_a_state_database_calls_fail_as_they_do(vendor: Vendor) -> None:
    class Gone:
        def __getattr__(self, name: str) -> object:
            raise Unavailable("no answer", system="state database")

    breaker = SystemBreaker(Gone(), "infor", "infor_default", ADDRESS, vendor.look)  # type: ignore[arg-type]
    breaker.enter()
    assert given_up(breaker).outage is None
    assert 0 == vendor.looks
