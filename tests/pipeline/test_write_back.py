from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.ports import IntentState
from airflow_provider_brightpearl.core.write_back import Message, Reply
from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, TimedOut, Unavailable
from airflow_provider_brightpearl.mapping.spec import FlowSpec, parse_flow
from airflow_provider_brightpearl.pipeline.write_back import QUIET, Outbox
from airflow_provider_brightpearl.stores.intents import Intents

TEXT = """
flow: orders
source: brightpearl.sales_orders
target: infor
objects: {Order: {key: {CUOR: id}, fields: {}}, Line: {rows: orderRows, key: {id: row_id}, fields: {}}}
write_back: {Order: {fields: {PCF_NO: "{target_id}"}, note: "order {target_id}, status {ORSL}"}}
"""


def flow(text: str = TEXT) -> FlowSpec:
    return parse_flow(text, "orders.yaml")


@dataclass
class FakeTarget:
    """Records that can be told, two messages a call; ``answers`` are raised or given instead, call by call."""

    answers: list[Any] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)
    calls: int = 0

    def groups(self, messages: Sequence[Message]) -> Iterator[Sequence[int]]:
        for start in range(0, len(messages), 2):
            yield range(start, min(start + 2, len(messages)))

    def send(self, messages: Sequence[Message]) -> list[Reply]:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else None
        if not isinstance(answer, Reply | None) and not getattr(answer, "arrived", False):
            raise answer
        self.told += messages
        if isinstance(answer, Exception):
            raise answer
        return [answer or Reply(IntentState.DONE) for _ in messages]

    def noted(self, messages: Sequence[Message]) -> list[bool]:
        self.calls += 1
        there = {(each.source_id, each.note) for each in self.told}
        return [(each.source_id, each.note) in there for each in messages]

    def fewest_calls(self, messages: int) -> int:
        return -(-messages // 2)

    def notes(self) -> list[tuple[str, str]]:
        return [(each.source_id, each.note) for each in self.told if each.note]


def lost(*, arrived: bool) -> TimedOut:
    error = TimedOut("no answer")
    error.arrived = arrived  # type: ignore[attr-defined]
    return error


def later() -> datetime:
    return datetime.now(UTC) + QUIET


def result(number: int, target_id: str = "", **more: Any) -> RowResult:
    told = more.pop("told", (("ORSL", "22"),))
    return RowResult(str(number), "Order", f"K{number}", target_id or f"T{number}", told=told, **more)


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(flow(), "run1", Intents(engine))


def test_what_is_kept_is_told_once(outbox: Outbox) -> None:
    target = FakeTarget()
    outbox.keep([result(1), result(2)])
    report = outbox.tell(lambda: target, later())
    assert [
        Message("1", {"PCF_NO": "T1"}), Message("1", note="order T1, status 22"),
        Message("2", {"PCF_NO": "T2"}), Message("2", note="order T2, status 22"),
    ] == target.told  # fmt: skip
    assert {
        "told": 2, "waiting": 0, "given_up": 0, "calls": {"made": 2, "fewest": 2}, "warnings": [],
    } == report  # fmt: skip
    outbox.keep([result(1), result(2)])
    assert 0 == outbox.tell(lambda: target, later())["told"]
    assert 2 == target.calls


@pytest.mark.parametrize(
    "more", [{"error": "no"}, {"removed": True}, {"unfinished": True}, {"target_id": ""}]
)
def test_rows_that_are_not_there_for_good_are_not_told(outbox: Outbox, more: dict[str, Any]) -> None:
    outbox.keep(
        [RowResult("1", "Order", "K1", **{"target_id": "T1", **more}), RowResult("1", "Line", "9", "T9")]
    )
    assert [] == outbox.intents.unsettled("orders", outbox.places)


def test_another_status_of_the_same_row_makes_no_second_note_and_another_row_does(outbox: Outbox) -> None:
    target = FakeTarget()
    outbox.keep([result(1)])
    outbox.tell(lambda: target, later())
    outbox.keep([result(1, told=(("ORSL", "33"),))])
    assert 0 == outbox.tell(lambda: target, later())["told"]
    outbox.keep([result(1, "T8")])
    outbox.tell(lambda: target, later())
    assert [("1", "order T1, status 22"), ("1", "order T8, status 22")] == target.notes()


@pytest.mark.parametrize("arrived", [True, False])
def test_a_note_in_doubt_is_looked_for_and_sent_only_where_it_is_not(outbox: Outbox, arrived: bool) -> None:
    target = FakeTarget([lost(arrived=arrived)])
    outbox.keep([result(1), result(2)])
    report = outbox.tell(lambda: target, later())
    assert (0, 2) == (report["told"], report["waiting"])
    assert ["2 write-backs to brightpearl wait for the next run: no answer"] == report["warnings"]
    # a moment later it may still come in
    assert 1 == outbox.tell(lambda: target, datetime.now(UTC) - timedelta(seconds=1))["waiting"]
    assert 0 == outbox.tell(lambda: target, later())["waiting"]
    assert [("1", "order T1, status 22"), ("2", "order T2, status 22")] == sorted(target.notes())


def test_a_note_is_looked_for_by_the_text_it_was_sent_with(outbox: Outbox) -> None:
    target = FakeTarget([lost(arrived=True)])
    outbox.keep([result(1)])
    outbox.tell(lambda: target, later())
    changed = Outbox(flow(TEXT.replace("order {target_id}, status", "M3")), "run2", outbox.intents)
    assert 0 == changed.tell(lambda: target, later())["waiting"]
    assert [("1", "order T1, status 22")] == target.notes()


def test_a_field_that_is_corrected_in_the_flow_file_is_told_as_it_is_now(outbox: Outbox) -> None:
    reply = Reply(IntentState.DUE, "there is no custom field PCF_NO", stops=True)
    target = FakeTarget([reply])
    outbox.keep([result(1), result(2)])
    report = outbox.tell(lambda: target, later())
    assert (1, 2) == (target.calls, report["waiting"])
    assert "there is no custom field PCF_NO" in report["warnings"][0]
    target.told.clear()
    Outbox(flow(TEXT.replace("PCF_NO", "PCF_YES")), "run2", outbox.intents).tell(lambda: target, later())
    assert [{"PCF_YES": "T1"}, {"PCF_YES": "T2"}] == [each.fields for each in target.told if each.fields]


@pytest.mark.parametrize(
    "error", [Unavailable("away"), CredentialsRefused("token"), Misconfigured("no host")]
)
def test_an_error_of_the_source_leaves_everything_due(outbox: Outbox, error: Exception) -> None:
    target = FakeTarget([error])
    outbox.keep([result(1)])
    report = outbox.tell(lambda: target, later())
    assert (0, 1, [str(error)]) == (
        report["told"],
        report["waiting"],
        [report["warnings"][0].split(": ", 1)[1]],
    )
    assert {IntentState.DUE} == {each.state for each in outbox.intents.unsettled("orders", outbox.places)}
    assert 1 == outbox.tell(lambda: target, later())["told"]
    assert 1 == len(target.notes())


def test_a_source_that_cannot_be_opened_is_a_warning(outbox: Outbox) -> None:
    def connect() -> Any:
        raise CredentialsRefused("the token has expired")

    outbox.keep([result(1)])
    assert "the token has expired" in outbox.tell(connect, later())["warnings"][0]
    assert 1 == outbox.tell(FakeTarget, later())["told"]


def test_a_record_that_is_gone_is_given_up_and_named(outbox: Outbox) -> None:
    target = FakeTarget([Reply(IntentState.REFUSED, "No Order Found")])
    outbox.keep([result(1)])
    report = outbox.tell(lambda: target, later())
    assert (1, 0) == (report["given_up"], report["waiting"])
    assert report["warnings"][0].startswith("1 write-backs to brightpearl were given up: 1 (No Order Found)")
    assert [] == outbox.tell(lambda: target, later())["warnings"]


def test_of_two_workers_one_steps_back_and_no_note_is_sent_twice(outbox: Outbox) -> None:
    target = FakeTarget()
    outbox.keep([result(1)])
    read = outbox.intents.unsettled("orders", outbox.places)
    outbox.tell(lambda: target, later())

    class Late(Intents):
        def unsettled(self, *_: Any) -> Any:
            return read

    late = Outbox(outbox.flow, "run2", Late(outbox.intents._engine))  # type: ignore[attr-defined]
    assert "another worker" in late.tell(lambda: target, later())["warnings"][0]
    assert 1 == len(target.notes())


def test_a_flow_without_write_back_connects_to_nothing(engine: Engine) -> None:
    outbox = Outbox(flow(TEXT.partition("write_back")[0]), "run1", Intents(engine))
    outbox.keep([result(1)])
    assert 0 == outbox.tell(lambda: pytest.fail("connected"), later())["waiting"]
