"""The inbox: nothing that was stored is lost, however runs take, fail and die, and a record is taken once at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.inbox import (
    LONGEST_BODY,
    EventCursor,
    InboxEvent,
    InboxPolicy,
    Take,
    Topic,
)
from airflow_provider_brightpearl.errors import LeaseLost
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.inbox import SqlInbox
from airflow_provider_brightpearl.stores.retention import Cutoffs, clean_state

ORDERS = Topic("brightpearl", "shop", "sales_orders")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR = timedelta(days=3650)
# a failed record can be tried again at once
EAGER = InboxPolicy(tries=3, first=timedelta(0))


@pytest.fixture
def inbox(engine: Engine) -> SqlInbox:
    return SqlInbox(engine, EAGER)


def event(*ids: str, **other: object) -> InboxEvent:
    plain = InboxEvent("brightpearl", "shop", "order.modified", ("sales_orders",), ids, b'{"id":"1"}')
    return replace(plain, **other)  # type: ignore[arg-type]


def taken(
    inbox: SqlInbox, limit: int = 10_000, run: str = "run", topic: Topic = ORDERS, failures: int = 0
) -> Take:
    take = inbox.take(topic, run, limit, failures)
    assert take is not None
    return take


def states(inbox: SqlInbox) -> dict[str, int]:
    return {each.state.value: each.records for each in inbox.counts()}


def expire(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(tables.inbox.update().values(taken_until=LONG_AGO))


def test_records_are_taken_in_the_order_of_their_arrival(inbox: SqlInbox) -> None:
    inbox.store([event("9", "10"), event("2")])
    inbox.store([event("1")])
    first, second = taken(inbox, 3), taken(inbox)
    assert (("10", "9", "2"), ("1",)) == ((*sorted(first.ids[:2]), first.ids[2]), second.ids)
    assert "order.modified" == first.records[0].event
    assert inbox.take(ORDERS, "run", 100) is None


def test_what_is_due_is_listed_by_topic(inbox: SqlInbox, engine: Engine) -> None:
    inbox.store([event("1", streams=("sales_orders", "sales_credits")), event("1", connection="other")])
    credits, other = (
        Topic("brightpearl", "shop", "sales_credits"),
        Topic("brightpearl", "other", "sales_orders"),
    )
    assert [other, credits, ORDERS] == inbox.due()
    take = taken(inbox)
    assert [other, credits] == inbox.due()
    expire(engine)
    assert [other, credits, ORDERS] == inbox.due()
    inbox.done(taken(inbox, topic=credits))
    inbox.done(take)
    assert [other] == inbox.due()


def test_a_repeat_of_what_is_due_is_absorbed_in_its_place(inbox: SqlInbox) -> None:
    assert 2 == inbox.store([event("1"), event("2"), event("1")])
    assert 0 == inbox.store([event("2"), event("1")])
    assert ("1", "2") == taken(inbox).ids


def test_a_record_that_changes_while_it_is_taken_is_due_once_after_it(inbox: SqlInbox) -> None:
    inbox.store([event("1")])
    take = taken(inbox)
    assert [1, 0] == [inbox.store([event("1")]), inbox.store([event("1")])]
    assert inbox.take(ORDERS, "another", 1) is None
    assert 1 == inbox.done(take)
    again = taken(inbox)
    assert ("1", 1) == (again.records[0].record_id, again.records[0].attempts)
    assert again.records[0].received_at > take.records[0].received_at
    inbox.done(again)
    assert {"done": 1} == states(inbox)
    inbox.store([event("1")])
    assert ("1",) == taken(inbox).ids


def test_an_event_with_a_key_is_kept_once(inbox: SqlInbox, engine: Engine) -> None:
    inbox.store([event("1", key="k"), event("2", key="k"), event("3", key="l")])
    assert {"1", "3"} == set(taken(inbox).ids)
    assert 0 == inbox.store([event("4", key="k")])
    assert 1 == inbox.store([event("4", key="k", connection="other")])
    with reading(engine) as connection:
        found = connection.execute(sa.select(tables.inbox_event.c.key)).scalars()
        assert ["k", "k", "l"] == sorted(map(str, found))


def test_a_failure_is_tried_again_and_set_aside_with_its_reason(inbox: SqlInbox, engine: Engine) -> None:
    inbox.store([event("1"), event("2")])
    for number in (1, 2, 3):
        take = taken(inbox)
        assert [number, number] == [each.attempts for each in take.records]
        inbox.failed(take, "no\x00answer", ["1"])
        inbox.put_back(take, "busy")
        # what was put back has not been tried
        with writing(engine) as connection:
            second = tables.inbox.c.record_id == "2"
            assert number - 1 == connection.execute(sa.select(tables.inbox.c.attempts).where(second)).scalar()
            connection.execute(tables.inbox.update().where(second).values(attempts=number))
    with reading(engine) as connection:
        columns = (tables.inbox.c.record_id, tables.inbox.c.state, tables.inbox.c.reason)
        rows = list(map(tuple, connection.execute(sa.select(*columns).order_by(*columns))))
    assert [("1", "aside", "no�answer"), ("2", "due", "busy")] == rows
    # an event brings it back
    inbox.store([event("1")])
    assert [("1",), ("2",)] == [taken(inbox).ids, taken(inbox).ids]


def test_a_failure_waits_and_one_that_has_changed_does_not(engine: Engine) -> None:
    inbox = SqlInbox(engine, InboxPolicy(first=timedelta(hours=1)))
    inbox.store([event("1"), event("2"), event("3")])
    take = taken(inbox)
    inbox.store([event("2")])
    inbox.failed(take, "no answer", ["1", "2"])
    assert [("2", 1)] == [(each.record_id, each.attempts) for each in taken(inbox).records]
    inbox.store([event("3")])
    inbox.put_back(take, "busy", timedelta(hours=1))
    assert inbox.take(ORDERS, "run", 9) is None
    assert {"due": 2, "taken": 1} == states(inbox)


def test_the_distance_between_tries_doubles_up_to_a_limit() -> None:
    policy = InboxPolicy(first=timedelta(seconds=30), longest=timedelta(minutes=1))
    seconds = [(policy.next_try(attempt, LONG_AGO) - LONG_AGO).total_seconds() for attempt in (1, 2, 3)]
    assert [30, 60, 60] == seconds


def test_what_a_dead_run_has_taken_is_taken_again_and_the_dead_closes_nothing(
    inbox: SqlInbox, engine: Engine
) -> None:
    inbox.store([event("1"), event("2")])
    dead = taken(inbox, run="dead")
    inbox.renew(dead)
    inbox.store([event("2")])
    expire(engine)
    anew, alive = taken(inbox, run="alive"), taken(inbox, run="alive")
    assert [("2", 1), ("1", 2)] == [
        (each.record_id, each.attempts) for each in (*anew.records, *alive.records)
    ]
    assert [0, 0, 0] == [inbox.done(dead), inbox.failed(dead, "late"), inbox.put_back(dead, "late")]
    with pytest.raises(LeaseLost, match="run dead: the records .* were given to another run"):
        inbox.renew(dead)
    inbox.renew(alive)
    assert [1, 1] == [inbox.done(anew), inbox.done(alive)]
    assert {"done": 2} == states(inbox)


def test_records_that_have_failed_are_taken_in_smaller_groups_and_apart_from_others(inbox: SqlInbox) -> None:
    ids = [str(number) for number in range(20)]
    inbox.store([event(*ids)])
    inbox.failed(taken(inbox, 20), "no answer")
    inbox.store([event("new")])

    assert [("new",), 2] == [taken(inbox, 20).ids, len(taken(inbox, 20).ids)]
    inbox.store([event("newer")])
    assert 2 == len(taken(inbox, 20, failures=1).ids), "a stream of new ones does not hold them up"


def test_who_has_a_group_takes_over_what_the_one_before_had_taken(inbox: SqlInbox) -> None:
    inbox.store([event("1")])
    inbox.spread(ORDERS, ["mine", "theirs"])
    mine, theirs = (replace(ORDERS, flow=flow) for flow in ("mine", "theirs"))
    dead = taken(inbox, run="dead", topic=mine)
    taken(inbox, run="other", topic=theirs)

    assert [0, 0] == [
        inbox.take_over(["mine"], ["shop"], "dead"),
        inbox.take_over(["mine"], ["another"], "me"),
    ]
    assert 1 == inbox.take_over(["mine"], ["shop"], "me")

    again = taken(inbox, topic=mine)
    assert (("1",), 1, 0) == (again.ids, again.failures, inbox.done(dead))
    assert inbox.take(theirs, "me", 1) is None


def test_of_two_that_spread_the_same_records_the_later_finds_none(inbox: SqlInbox) -> None:
    inbox.store([event("1")])
    assert [1, 0] == [inbox.spread(ORDERS, ["a", "b"]) for _ in range(2)]
    found = [(each.topic.flow, each.state.value, each.records) for each in inbox.counts()]
    assert [("", "done", 1), ("a", "due", 1), ("b", "due", 1)] == found


def test_what_no_event_had_named_is_replayed_too_once_it_is_set_aside(engine: Engine) -> None:
    inbox = SqlInbox(engine, InboxPolicy(tries=1))
    topic = replace(ORDERS, stream="contacts", flow="customers")
    inbox.want(topic, ["1"])
    take = taken(inbox, topic=topic)
    inbox.failed(take, "no answer")
    assert inbox.take(topic, "run", 1) is None
    at = take.records[0].received_at
    assert 1 == inbox.replay(at, at + FAR)
    assert ("1",) == taken(inbox, topic=topic).ids


def test_a_stream_that_no_flow_reads_is_ignored_until_it_has_an_event(inbox: SqlInbox) -> None:
    inbox.store([event("1"), event("2", streams=("products",)), event("3", streams=())])
    assert 1 == inbox.ignore(ORDERS, "no flow reads sales_orders")
    assert {"due": 1, "ignored": 1} == states(inbox)
    inbox.store([event("1")])
    assert ("1",) == taken(inbox).ids


def test_a_span_of_time_is_replayed(inbox: SqlInbox, engine: Engine) -> None:
    inbox.store([event("1"), event("2", streams=("products",))])
    take = taken(inbox)
    middle = take.records[0].received_at
    assert 0 == inbox.replay(middle - FAR, middle + FAR)
    inbox.done(take)
    assert 0 == inbox.replay(middle - FAR, middle)
    with reading(engine) as connection:
        [closed] = connection.execute(
            sa.select(tables.inbox.c.changed_at).where(tables.inbox.c.state == "done")
        )
    assert 0 == inbox.replay(closed[0] + timedelta(microseconds=1), middle + FAR)
    assert 0 == inbox.replay(middle, middle + FAR, Topic("brightpearl", "shop", "products"))
    assert 1 == inbox.replay(middle, middle + FAR)
    assert [("1", 1)] == [(each.record_id, each.attempts) for each in taken(inbox).records]


def test_nothing_is_kept_of_events_when_one_cannot_be(inbox: SqlInbox, engine: Engine) -> None:
    naive = event("2", occurred_at=datetime(2026, 1, 1))  # noqa: DTZ001 - what must be refused
    with pytest.raises(Exception, match="with a time zone"):
        inbox.store([event("1"), naive])
    assert [] == inbox.counts()
    with reading(engine) as connection:
        assert 0 == connection.execute(sa.select(sa.func.count()).select_from(tables.inbox_event)).scalar()


def test_a_body_is_kept_once_and_up_to_a_limit(inbox: SqlInbox, engine: Engine) -> None:
    inbox.store([event("1", "2", "3", body=b"\x00\xff" + b"x" * LONGEST_BODY)])
    with reading(engine) as connection:
        [body] = connection.execute(sa.select(tables.inbox_event.c.body)).scalars()
    assert ("��x", LONGEST_BODY) == (body[:3], len(body))


def test_several_that_take_at_once_never_get_the_same_record(inbox: SqlInbox) -> None:
    ids = [str(number) for number in range(60)]
    inbox.store([event(*ids)])
    together = threading.Barrier(4)

    def drain(number: int) -> list[str]:
        together.wait()
        found: list[str] = []
        while take := inbox.take(ORDERS, f"run {number}", 7):
            found += take.ids
            assert len(take.ids) == inbox.done(take)
        return found

    with ThreadPoolExecutor(4) as pool:
        found = [each for some in pool.map(drain, range(4)) for each in some]
    assert sorted(ids) == sorted(found)


def test_writers_and_takers_in_any_order_do_not_deadlock(inbox: SqlInbox) -> None:
    ids = ["b", "A", "a", "B", "é", "Z"]

    def work(number: int) -> None:
        turned = ids[number:] + ids[:number]
        for round_ in range(15):
            inbox.store(
                [event(each) for each in turned] + [event("1", key=f"{round_} {each}") for each in turned]
            )
            if take := inbox.take(ORDERS, f"run {number}", 3):
                inbox.failed(take, "no", take.ids[:1])
                inbox.done(take)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert {7} == {sum(states(inbox).values())}


def test_retention_removes_what_is_processed_and_keeps_what_waits(inbox: SqlInbox, engine: Engine) -> None:
    inbox.store([event("done"), event("due"), event("aside"), event("unheard", streams=())])
    take = taken(inbox)
    inbox.done(take, ["done"])
    inbox.put_back(take, "")
    later = datetime.now(UTC) + timedelta(days=1)
    never = Cutoffs(LONG_AGO, LONG_AGO, LONG_AGO)

    def removed(cutoffs: Cutoffs) -> list[int]:
        counts = clean_state(engine, cutoffs)
        return [counts[name] for name in ("payloads", "inbox", "inbox_events")]

    assert [0, 0, 0] == removed(never)
    assert [2, 0, 0] == removed(replace(never, payloads=later))
    assert [0, 1, 2] == removed(replace(never, events=later))
    inbox.done(taken(inbox))
    assert [2, 2, 2] == removed(Cutoffs(later, later, later))


def test_a_cursor_moves_with_the_events_that_it_has_passed(inbox: SqlInbox) -> None:
    def cursor(position: str, topic: str = "/data/ChangeEvents") -> EventCursor:
        return EventCursor("salesforce", "org", topic, position)

    assert inbox.position("salesforce", "org", "/data/ChangeEvents") is None
    assert 1 == inbox.store([event("1", key="a")], cursor("01"))
    assert 0 == inbox.store([event("1", key="a")], cursor("02"))
    inbox.store([], cursor("03"))
    inbox.store([], cursor("77", "/data/AccountChangeEvent"))
    assert "03" == inbox.position("salesforce", "org", "/data/ChangeEvents")
    broken = event("2", connection=None)
    with pytest.raises(sa.exc.SQLAlchemyError):
        inbox.store([broken], cursor("04"))
    assert "03" == inbox.position("salesforce", "org", "/data/ChangeEvents")
    assert {"due": 1} == states(inbox)
