"""What retention removes, and what it must never remove."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace as replace_struct
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.conflicts import MANUAL, FieldConflict
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.ports.stores import Binding, Intent
from airflow_provider_brightpearl.core.records import Calls, Counts, Rejection, Stage
from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState, RunSummary
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.conflicts import SqlConflicts
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.reconciliations import SqlReconciliations
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.retention import Cutoffs, clean_state

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)
FLOW = "orders_to_infor"
CUTOFFS = Cutoffs(
    payloads=NOW - timedelta(days=30), events=NOW - timedelta(days=90), history=NOW - timedelta(days=365)
)


def run_at(instant: datetime, name: str, **other: Any) -> RunSummary:
    summary = RunSummary(name, FLOW, "manual", "done", None, "v1", Counts(), Calls(), {}, instant)
    return replace(summary, **other)


def letters(engine: Engine, instant: datetime) -> SqlDeadLetters:
    return SqlDeadLetters(engine, lambda: instant)


def keep(engine: Engine, instant: datetime, source_id: str, payload: bytes = b'{"name":"Ann"}') -> None:
    rejection = Rejection(source_id, Stage.TRANSFORM, "no customer")
    letters(engine, instant).keep(FLOW, f"r{source_id}", "v1", [(rejection, payload)])


def discard(engine: Engine, source_id: str) -> None:
    with writing(engine) as connection:
        mine = tables.dead_letter.c.source_id == source_id
        connection.execute(tables.dead_letter.update().where(mine).values(state="discarded"))


def found(engine: Engine, *columns: sa.Column[Any]) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(*columns))]


def letter_rows(engine: Engine) -> list[tuple[Any, ...]]:
    table = tables.dead_letter.c
    return found(engine, table.source_id, table.state, table.payload)


def test_letters_that_wait_stay_whole(engine: Engine) -> None:
    keep(engine, LONG_AGO, "1")
    before = letter_rows(engine)
    assert {0} == set(clean_state(engine, CUTOFFS).values())
    assert before == letter_rows(engine)


def test_closed_letters_lose_their_payload_first_and_go_later(engine: Engine) -> None:
    for source_id, days in (("1", 400), ("2", 40), ("3", 20)):
        closed = NOW - timedelta(days=days)
        keep(engine, closed, source_id)
        letters(engine, closed).resolve(FLOW, "later", [source_id])

    removed = clean_state(engine, CUTOFFS)
    assert (2, 1) == (removed["payloads"], removed["dead_letters"])
    assert [("2", "resolved", ""), ("3", "resolved", '{"name":"Ann"}')] == letter_rows(engine)


def test_a_dry_run_counts_the_same_and_removes_nothing(engine: Engine) -> None:
    keep(engine, LONG_AGO, "1")
    letters(engine, LONG_AGO).resolve(FLOW, "later", ["1"])
    before = letter_rows(engine)

    counted = clean_state(engine, CUTOFFS, dry_run=True)
    assert before == letter_rows(engine)
    assert counted == clean_state(engine, CUTOFFS)
    assert {0} == set(clean_state(engine, CUTOFFS).values())


@pytest.mark.parametrize("payload", [b'{"name":"Ann"}', '{"name":"Zoë 店"}'.encode()])
def test_a_discarded_letter_stays_discarded_without_its_payload(engine: Engine, payload: bytes) -> None:
    keep(engine, LONG_AGO, "1", payload)
    discard(engine, "1")
    clean_state(engine, CUTOFFS)
    [(_, state, kept)] = letter_rows(engine)
    assert ("discarded", "sha256:") == (state, kept[:7])
    assert len(kept) == 71
    assert 0 == clean_state(engine, CUTOFFS)["payloads"]

    keep(engine, NOW, "1", payload)
    assert [("1", "discarded", kept)] == letter_rows(engine)
    keep(engine, NOW, "1", payload + b" ")
    assert [("1", "open", (payload + b" ").decode())] == letter_rows(engine)


def test_the_newest_run_and_reconciliation_of_each_pair_stay(engine: Engine) -> None:
    ledger = SqlLedger(engine)
    for pair in ("a>b", "a>c"):
        for number in range(3):
            instant = LONG_AGO + timedelta(days=number)
            ledger.record(run_at(instant, f"{pair} {number}", pair=pair), watermark=instant)
            report = ReconcileReport(
                FLOW, f"{pair} {number}", ReconcileState.CLEAN, Window(None, instant), {}, {}, {}, {}, "", instant
            )  # fmt: skip
            SqlReconciliations(engine, pair).record(report)

    removed = clean_state(engine, CUTOFFS)
    assert (4, 4) == (removed["runs"], removed["reconciliations"])
    assert [("a>b 2",), ("a>c 2",)] == found(engine, tables.run.c.run)
    assert [("a>b 2",), ("a>c 2",)] == found(engine, tables.reconciliation.c.run)
    assert LONG_AGO + timedelta(days=2) == ledger.watermark(FLOW, "a>b")


def test_runs_within_the_history_stay(engine: Engine) -> None:
    for days in (364, 1, 0):
        SqlLedger(engine).record(run_at(NOW - timedelta(days=days), str(days)))
    assert 0 == clean_state(engine, CUTOFFS)["runs"]


def test_only_intents_with_another_trace_go(engine: Engine) -> None:
    intents = SqlIntents(engine, lambda: LONG_AGO)

    def settled(key: str, state: str, place: str = "Order") -> None:
        [begun] = intents.begin([Intent(FLOW, place, key, "digest", "r1")])
        {
            "done": intents.confirm,
            "refused": intents.fail,
            "due": intents.plan,
            "in doubt": lambda _: None,
        }[state]([replace(begun, target_id=f"M3-{key}")])

    for key, state in (("1", "done"), ("2", "done"), ("3", "refused"), ("4", "due"), ("5", "in doubt")):
        settled(key, state)
    settled("1", "done", "Order.note")
    settled("1", "done", "Order.fields")
    bound = [
        Binding(FLOW, "Order", key, key, f"M3-{key}", "print", "r1", "r1") for key in ("1", "3", "4", "5")
    ]
    SqlCrosswalk(engine).bind([*bound, Binding(FLOW, "Order", "2", "2", "another", "print", "r1", "r1")])

    assert 2 == clean_state(engine, CUTOFFS)["intents"]
    left = found(engine, tables.intent.c.object, tables.intent.c.key)
    assert [*(("Order", key) for key in "2345"), ("Order.note", "1")] == left


def test_a_new_intent_stays_although_its_row_is_bound(engine: Engine) -> None:
    intents = SqlIntents(engine, lambda: NOW)
    intents.confirm(
        [replace(each, target_id="M3") for each in intents.begin([Intent(FLOW, "Order", "1", "d", "r")])]
    )
    SqlCrosswalk(engine).bind([Binding(FLOW, "Order", "1", "1", "M3", "print", "r1", "r1")])
    assert 0 == clean_state(engine, CUTOFFS)["intents"]


def test_values_of_closed_conflicts_go_first_and_open_ones_stay(engine: Engine) -> None:
    conflicts = SqlConflicts(engine)

    def keep_conflict(key: str, days: int, winner: str = "infor") -> None:
        at = NOW - timedelta(days=days)
        closed = None if winner == MANUAL else at
        values = FieldConflict(FLOW, "Order", key, "Name", f"M3-{key}", "a", "b", winner, FLOW, "r1", at)
        conflicts.record([replace_struct(values, closed_at=closed)])

    for key, days in (("1", 400), ("2", 40), ("3", 20)):
        keep_conflict(key, days)
    keep_conflict("4", 400, MANUAL)
    keep_conflict("5", 400, MANUAL)
    SqlCrosswalk(engine).bind([Binding(FLOW, "Order", "4", "4", "M3-4", "print", "r1", "r1")])
    removed = clean_state(engine, CUTOFFS)
    assert (2, 2) == (removed["payloads"], removed["conflicts"])
    assert [("4", "a", "b"), ("3", "a", "b"), ("2", None, None)] == [
        (each.key, each.source_value, each.target_value) for each in conflicts.listed()
    ]
    assert {0} == set(clean_state(engine, CUTOFFS).values())


def test_events_go_after_their_own_time(engine: Engine) -> None:
    events = SqlRecordEvents(engine)
    for days in (91, 89):
        at = NOW - timedelta(days=days)
        events.record(FLOW, [RecordEvent("1", f"run {days}", Stage.LOAD.value, EventOutcome.CREATED, at)])
    assert 1 == clean_state(engine, CUTOFFS)["events"]
    assert ["run 89"] == [each.run for each in events.of_record(FLOW, "1")]


def test_places_of_runs_that_never_came_back_go(engine: Engine) -> None:
    rows = [
        {"address": "a", "place": f"{days}", "flow": FLOW, "run": "r", "since": NOW - timedelta(days=days)}
        for days in (91, 89)
    ]
    with writing(engine) as connection:
        connection.execute(tables.breaker_queue.insert(), rows)
    assert 1 == clean_state(engine, CUTOFFS)["queued"]
    assert [("89",)] == found(engine, tables.breaker_queue.c.place)


def test_outages_that_nobody_looks_at_any_more_go(engine: Engine) -> None:
    rows = [
        {"address": f"{days}", "system": "infor", "connection": "c", "opened": 1, "since": LONG_AGO,
         "next_look": NOW - timedelta(days=days)}
        for days in (91, 0)
    ]  # fmt: skip
    with writing(engine) as connection:
        connection.execute(tables.breaker.insert(), rows)
    assert 1 == clean_state(engine, CUTOFFS)["outages"]
    assert [("0",)] == found(engine, tables.breaker.c.address)
