from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.changes import RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.source import Message, Reply, WriteBack
from airflow_provider_brightpearl.core.ports.stores import Intent, IntentState
from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.core.reports import WriteBackReport
from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    Misconfigured,
    SyncError,
    TimedOut,
    Unavailable,
)
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.write_back import QUIET, Outbox
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.restored import accept_restored
from tests.fakes import FakeWriteBack, LostAnswer, MemoryRecordEvents

TEXT = """
flow: orders
source: brightpearl.sales_orders
target: infor
objects: {Order: {key: {CUOR: id}, fields: {}}, Line: {rows: orderRows, key: {id: row_id}, fields: {}}}
write_back: {Order: {fields: {PCF_NO: "{target_id}"}, note: "order {target_id}, status {ORSL}"}}
"""


def flow(text: str = TEXT) -> FlowSpec:
    return parse_flow(text, "orders.yaml")


def later() -> datetime:
    return datetime.now(UTC) + QUIET


def deliver(
    outbox: Outbox, connect: Callable[[], WriteBack], now: datetime, limit: int = 1000
) -> WriteBackReport:
    return outbox.deliver(connect, now, limit)[0]


def result(number: int, target_id: str = "", status: str = "22") -> RowResult:
    return RowResult(
        str(number), "Order", f"K{number}", RowOutcome.CREATED, target_id or f"T{number}",
        returned_fields=(("ORSL", status),),
    )  # fmt: skip


def new_record(_: str) -> datetime:
    """When a record was created that no earlier state can have written."""
    return datetime.now(UTC) + timedelta(hours=1)


def events_of(outbox: Outbox, source_id: str) -> set[tuple[str, str, str]]:
    """Outcome, place and row of the events of a record."""
    found = outbox.events.of_record("orders", source_id)
    return {(each.outcome.value, each.object, each.target_id) for each in found}


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    """That of a flow whose state has begun."""
    intents = SqlIntents(engine)
    intents.start("orders")
    return Outbox(flow(), "run1", intents, MemoryRecordEvents())


def test_what_is_kept_is_delivered_once(outbox: Outbox) -> None:
    source = FakeWriteBack()
    outbox.keep([result(1), result(2)], new_record)
    report = deliver(outbox, lambda: source, later())
    assert [
        Message("1", {"PCF_NO": "T1"}), Message("1", note="order T1, status 22"),
        Message("2", {"PCF_NO": "T2"}), Message("2", note="order T2, status 22"),
    ] == source.sent  # fmt: skip
    assert WriteBackReport(delivered=2, calls=Calls.of("brightpearl", 2, 2)) == report
    assert {("written back", "Order.fields", "T1"), ("written back", "Order.note", "T1")} == events_of(
        outbox, "1"
    )
    outbox.keep([result(1), result(2)], new_record)
    assert 0 == deliver(outbox, lambda: source, later()).delivered
    assert 2 == source.calls


@pytest.mark.parametrize(
    "row",
    [
        RowResult("1", "Order", "K1", RowOutcome.REFUSED, "T1", reason="no"),
        RowResult("1", "Order", "K1", RowOutcome.REMOVED, "T1"),
        RowResult("1", "Order", "K1", RowOutcome.CREATED, "T1", unfinished=True),
        RowResult("1", "Order", "K1", RowOutcome.CREATED, ""),
    ],
)
def test_rows_that_are_not_there_for_good_are_not_written_back(outbox: Outbox, row: RowResult) -> None:
    outbox.keep([row, RowResult("1", "Line", "9", RowOutcome.CREATED, "T9")])
    assert [] == outbox.intents.unsettled("orders", outbox.places)


def test_another_status_of_the_same_row_makes_no_second_note_and_another_row_does(outbox: Outbox) -> None:
    source = FakeWriteBack()
    outbox.keep([result(1)], new_record)
    deliver(outbox, lambda: source, later())
    outbox.keep([result(1, status="33")])
    assert 0 == deliver(outbox, lambda: source, later()).delivered
    outbox.keep([result(1, "T8")])
    deliver(outbox, lambda: source, later())
    assert [("1", "order T1, status 22"), ("1", "order T8, status 22")] == source.notes()


@pytest.mark.parametrize("arrived", [True, False])
def test_a_note_in_doubt_is_looked_for_and_sent_only_where_it_is_not(outbox: Outbox, arrived: bool) -> None:
    source = FakeWriteBack([LostAnswer("no answer") if arrived else TimedOut("no answer")])
    outbox.keep([result(1), result(2)], new_record)
    report = deliver(outbox, lambda: source, later())
    assert (0, 2) == (report.delivered, report.waiting)
    assert ("2 write-backs to brightpearl wait for the next run: no answer",) == report.warnings
    # a moment later it may still come in
    assert 1 == deliver(outbox, lambda: source, datetime.now(UTC) - timedelta(seconds=1)).waiting
    assert 0 == deliver(outbox, lambda: source, later()).waiting
    assert [("1", "order T1, status 22"), ("2", "order T2, status 22")] == sorted(source.notes())


def test_a_note_is_looked_for_by_the_text_it_was_sent_with(outbox: Outbox) -> None:
    source = FakeWriteBack([LostAnswer("no answer")])
    outbox.keep([result(1)], new_record)
    deliver(outbox, lambda: source, later())
    changed = Outbox(
        flow(TEXT.replace("order {target_id}, status", "M3")), "run2", outbox.intents, outbox.events
    )
    assert 0 == deliver(changed, lambda: source, later()).waiting
    assert [("1", "order T1, status 22")] == source.notes()


def test_a_field_that_is_corrected_in_the_flow_file_is_delivered_as_it_is_now(outbox: Outbox) -> None:
    reply = Reply(IntentState.DUE, "custom field PCF_NO does not exist", stops=True)
    source = FakeWriteBack([reply])
    outbox.keep([result(1), result(2)], new_record)
    report = deliver(outbox, lambda: source, later())
    assert (1, 2) == (source.calls, report.waiting)
    assert "custom field PCF_NO does not exist" in report.warnings[0]
    source.sent.clear()
    deliver(
        Outbox(flow(TEXT.replace("PCF_NO", "PCF_YES")), "run2", outbox.intents, outbox.events),
        lambda: source,
        later(),
    )
    assert [{"PCF_YES": "T1"}, {"PCF_YES": "T2"}] == [each.fields for each in source.sent if each.fields]


@pytest.mark.parametrize(
    "error", [Unavailable("away"), CredentialsRefused("token"), Misconfigured("no host")]
)
def test_an_error_of_the_source_leaves_everything_due(outbox: Outbox, error: SyncError) -> None:
    source = FakeWriteBack([error])
    outbox.keep([result(1)], new_record)
    report = deliver(outbox, lambda: source, later())
    assert (0, 1, [str(error)]) == (
        report.delivered,
        report.waiting,
        [report.warnings[0].split(": ", 1)[1]],
    )
    assert {IntentState.DUE} == {each.state for each in outbox.intents.unsettled("orders", outbox.places)}
    assert 1 == deliver(outbox, lambda: source, later()).delivered
    assert 1 == len(source.notes())


def test_a_source_that_cannot_be_opened_is_a_warning(outbox: Outbox) -> None:
    def connect() -> WriteBack:
        raise CredentialsRefused("the token has expired")

    outbox.keep([result(1)], new_record)
    assert "the token has expired" in deliver(outbox, connect, later()).warnings[0]
    assert 1 == deliver(outbox, FakeWriteBack, later()).delivered


def test_a_record_that_is_gone_is_given_up_and_named(outbox: Outbox) -> None:
    source = FakeWriteBack([Reply(IntentState.REFUSED, "No Order Found")])
    outbox.keep([result(1)], new_record)
    report = deliver(outbox, lambda: source, later())
    assert (1, 0) == (report.given_up, report.waiting)
    assert report.warnings[0].startswith("1 write-backs to brightpearl were given up: 1 (No Order Found)")
    assert () == deliver(outbox, lambda: source, later()).warnings


def test_of_two_workers_one_steps_back_and_no_note_is_sent_twice(outbox: Outbox, engine: Engine) -> None:
    source = FakeWriteBack()
    outbox.keep([result(1)], new_record)
    read = outbox.intents.unsettled("orders", outbox.places)
    deliver(outbox, lambda: source, later())

    class Late(SqlIntents):
        def unsettled(self, flow: str, objects: Iterable[str], records: int | None = None) -> list[Intent]:
            return read

    late = Outbox(outbox.flow, "run2", Late(engine), outbox.events)
    assert "another worker" in deliver(late, lambda: source, later()).warnings[0]
    assert 1 == len(source.notes())


def test_a_run_sends_so_much_and_the_next_one_goes_on_where_it_stopped(outbox: Outbox) -> None:
    source = FakeWriteBack()
    outbox.keep([result(number) for number in range(1, 6)])
    first = deliver(outbox, lambda: source, later(), limit=5)
    assert (2, 3, ()) == (first.delivered, first.waiting, first.warnings)
    assert "3 write-backs to brightpearl wait for later runs: one sends at most 5 messages" == first.note
    assert 4 == len(source.sent)
    second = deliver(outbox, lambda: source, later(), limit=5)
    third = deliver(outbox, lambda: source, later(), limit=5)
    assert [(2, 1), (1, 0)] == [(each.delivered, each.waiting) for each in (second, third)]
    assert "" == third.note
    assert [str(number) for number in range(1, 6)] == sorted(
        each.source_id for each in source.sent if each.note
    )


def test_what_the_source_does_not_take_keeps_nothing_else_from_its_turn(outbox: Outbox) -> None:
    """The first record is due for ever; each run has a place for one."""
    outbox.keep([result(number) for number in range(1, 4)])
    source = FakeWriteBack([Reply(IntentState.DUE, "locked")])
    assert "locked" in deliver(outbox, lambda: source, later(), limit=2).warnings[0]
    for _ in range(2):
        assert 1 == deliver(outbox, lambda: source, later(), limit=2).delivered
    assert {"2", "3"} == {each.source_id for each in source.sent[2:]}


def test_a_note_of_a_record_older_than_the_state_is_looked_for_whenever_it_is_sent(engine: Engine) -> None:
    fresh = Outbox(flow(), "run1", SqlIntents(engine), MemoryRecordEvents())
    fresh.intents.start("orders")
    fresh.keep([result(1)], lambda _: datetime.now(UTC) - timedelta(hours=1))
    source = FakeWriteBack(sent=[Message("1", note="order T1, status 22")])
    assert 1 == deliver(fresh, lambda: source, later()).delivered
    assert [("1", "order T1, status 22")] == source.notes()
    fresh.keep([result(2)], new_record)
    # fields and note in one call, and nothing is looked for
    assert {"brightpearl": 1} == deliver(fresh, lambda: source, later()).calls.made


def test_a_note_that_was_due_when_a_backup_was_taken_is_looked_for_before_it_is_sent(engine: Engine) -> None:
    """It may have been delivered by the state that was lost, before or after it was kept here."""
    before = SqlIntents(engine)
    before.start("orders")
    Outbox(flow(), "run1", before, MemoryRecordEvents()).keep([result(1)], new_record)
    accept_restored(engine)
    source = FakeWriteBack(sent=[Message("1", note="order T1, status 22")])
    assert (
        1 == deliver(Outbox(flow(), "run2", before, MemoryRecordEvents()), lambda: source, later()).delivered
    )
    assert [("1", "order T1, status 22")] == source.notes()


def test_a_flow_without_write_back_connects_to_nothing(engine: Engine) -> None:
    outbox = Outbox(flow(TEXT.partition("write_back")[0]), "run1", SqlIntents(engine), MemoryRecordEvents())
    outbox.keep([result(1)], new_record)
    assert 0 == deliver(outbox, lambda: pytest.fail("connected"), later()).waiting
