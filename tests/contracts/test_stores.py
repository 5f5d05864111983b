"""What ``core.ports.stores`` promises, of the stores on the state database and of those in memory alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.conflicts import MANUAL, FieldConflict
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.letters import judged_digest
from airflow_provider_brightpearl.core.ports.stores import (
    Binding,
    Conflicts,
    Crosswalk,
    DeadLetters,
    Intent,
    Intents,
    IntentState,
    Ledger,
    RecordEvents,
)
from airflow_provider_brightpearl.core.records import Calls, Counts, Rejection, Stage
from airflow_provider_brightpearl.core.reports import RunSummary, WriteBackReport
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.stores.conflicts import SqlConflicts
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from tests.fakes import (
    MemoryConflicts,
    MemoryCrosswalk,
    MemoryIntents,
    MemoryLedger,
    MemoryLetters,
    MemoryRecordEvents,
)
from tests.postgres import state_url


@dataclass(frozen=True)
class Stores:
    """The stores of one state database, or of one process; ``back`` is the crosswalk of the other direction."""

    crosswalk: Crosswalk
    back: Crosswalk
    letters: DeadLetters
    intents: Intents
    ledger: Ledger
    events: RecordEvents
    conflicts: Conflicts


class Clock:
    """A minute later each time it is looked at."""

    def __init__(self) -> None:
        self.now = datetime(2024, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


def in_memory() -> Stores:
    crosswalk = MemoryCrosswalk()
    return Stores(
        crosswalk,
        crosswalk,
        MemoryLetters(crosswalk, now=Clock()),
        MemoryIntents(),
        MemoryLedger(),
        MemoryRecordEvents(),
        MemoryConflicts(),
    )


def on_database(engine: Engine) -> Stores:
    clock = Clock()
    return Stores(
        SqlCrosswalk(engine, "a:1>b:2"),
        SqlCrosswalk(engine, "b:2>a:1"),
        SqlDeadLetters(engine, clock, "a:1>b:2"),
        SqlIntents(engine, clock),
        SqlLedger(engine),
        SqlRecordEvents(engine),
        SqlConflicts(engine),
    )


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a state database, empty for the stores in memory."""
    return "" if request.param == "memory" else state_url(request.param, request, tmp_path)


@pytest.fixture
def stores(request: pytest.FixtureRequest, database_url: str) -> Stores:
    return on_database(request.getfixturevalue("engine")) if database_url else in_memory()


@pytest.fixture
def crosswalk(stores: Stores) -> Crosswalk:
    return stores.crosswalk


@pytest.fixture
def letters(stores: Stores) -> DeadLetters:
    return stores.letters


@pytest.fixture
def events(stores: Stores) -> RecordEvents:
    return stores.events


@pytest.fixture
def conflicts(stores: Stores) -> Conflicts:
    return stores.conflicts


@pytest.fixture
def intents(stores: Stores) -> Intents:
    return stores.intents


@pytest.fixture
def ledger(stores: Stores) -> Ledger:
    return stores.ledger


NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)

# crosswalk


def bound(
    key: str, *, source_id: str = "1", target_id: str = "", run: str = "r1", name: str = "Order"
) -> Binding:
    return Binding("orders", name, key, source_id, target_id or f"T{key}", f"print {run}", run, run)


def written(row: Binding) -> Binding:
    """A new row as it reads once it is bound."""
    return msgspec.structs.replace(row, revision=1)


def test_what_is_bound_is_found_by_record_and_by_key(crosswalk: Crosswalk) -> None:
    rows = [bound("1"), bound("1-2", name="OrderItem"), bound("9", source_id="9")]
    crosswalk.bind(rows[::-1])

    assert [written(each) for each in rows[:2]] == crosswalk.of_records("orders", ["1", "7"])
    assert [] == crosswalk.of_records("other", ["1"])
    assert {"1": "T1", "9": "T9"} == crosswalk.resolve("orders", "Order", iter(["1", "9", "none"]))
    assert {} == crosswalk.resolve("other", "Order", ["1"])


def there(crosswalk: Crosswalk, key: str = "1", source_id: str = "1") -> Binding:
    """A row as it stands now."""
    [row] = [each for each in crosswalk.of_records("orders", [source_id]) if each.key == key]
    return row


def test_a_row_that_is_as_it_was_read_is_replaced(crosswalk: Crosswalk) -> None:
    assert [] == crosswalk.bind([bound("1"), bound("2")])
    read = there(crosswalk)
    again = msgspec.structs.replace(read, fingerprint="new", written_run="r2", read_at=NOON)
    assert [] == crosswalk.bind([again, bound("3")])
    assert msgspec.structs.replace(again, revision=read.revision + 1) == there(crosswalk)
    assert written(bound("2")) == there(crosswalk, "2")


def test_a_key_moves_to_another_record(crosswalk: Crosswalk) -> None:
    crosswalk.bind([bound("1", source_id="1")])
    crosswalk.bind([msgspec.structs.replace(there(crosswalk), source_id="2")])
    assert [] == crosswalk.of_records("orders", ["1"])
    assert "2" == there(crosswalk, source_id="2").source_id


def test_the_last_of_several_with_one_key_counts(crosswalk: Crosswalk) -> None:
    crosswalk.bind([bound("1", target_id="first"), bound("1", target_id="last")])
    assert {"1": "last"} == crosswalk.resolve("orders", "Order", ["1"])


def test_unbound_keys_are_gone_and_unknown_ones_are_left_alone(crosswalk: Crosswalk) -> None:
    crosswalk.bind([bound("1"), bound("2"), bound("1", name="Other")])
    crosswalk.unbind(
        [written(bound("1")), bound("unknown"), msgspec.structs.replace(bound("2"), flow="other")]
    )

    assert {"2": "T2"} == crosswalk.resolve("orders", "Order", ["1", "2"])
    assert {"1": "T1"} == crosswalk.resolve("orders", "Other", ["1"])


def test_a_row_that_was_unbound_is_created_by_whoever_binds_it_again(crosswalk: Crosswalk) -> None:
    crosswalk.bind([bound("1", run="r1")])
    crosswalk.unbind([there(crosswalk)])
    crosswalk.bind([bound("1", run="r2")])
    assert [written(bound("1", run="r2"))] == crosswalk.of_records("orders", ["1"])


@pytest.mark.parametrize("first", ["older", "newer"])
@pytest.mark.parametrize("known", [False, True])
def test_of_two_runs_that_write_a_row_at_once_the_newer_reading_stays_without_fingerprint(
    crosswalk: Crosswalk, first: str, known: bool
) -> None:
    if known:
        crosswalk.bind([bound("1")])
    read = there(crosswalk) if known else bound("1")
    of = {
        "older": msgspec.structs.replace(read, written_run="a", fingerprint="a", source_version="1"),
        "newer": msgspec.structs.replace(read, written_run="b", fingerprint="b", source_version="2"),
    }
    second = "newer" if first == "older" else "older"
    assert [] == crosswalk.bind([of[first]])
    [contested] = crosswalk.bind([bound("0"), of[second], bound("2")])

    assert there(crosswalk) == contested
    assert ("2", "b", "") == (contested.source_version, contested.written_run, contested.fingerprint)
    assert contested.revision > read.revision + 1
    assert {"0", "2"} <= set(crosswalk.resolve("orders", "Order", ["0", "2"]))
    # whoever of them goes on has read what is not there any more
    go_on = msgspec.structs.replace(of[first], revision=read.revision + 1)
    assert [""] == [each.fingerprint for each in crosswalk.bind([go_on])]


def test_a_row_that_another_run_removed_is_bound_without_fingerprint(crosswalk: Crosswalk) -> None:
    crosswalk.bind([bound("1")])
    read = there(crosswalk)
    crosswalk.unbind([read])
    assert [""] == [each.fingerprint for each in crosswalk.bind([read])]
    assert "" == there(crosswalk).fingerprint


def test_a_row_that_was_made_again_is_not_the_one_that_was_read(crosswalk: Crosswalk) -> None:
    crosswalk.bind([bound("1", run="r1")])
    read = there(crosswalk)
    crosswalk.unbind([read])
    crosswalk.bind([bound("1", run="r2")])
    assert ["r2"] == [each.written_run for each in crosswalk.bind([read])]


def test_a_row_that_another_record_has_taken_stays_its(crosswalk: Crosswalk) -> None:
    crosswalk.bind([bound("1", source_id="1")])
    [contested] = crosswalk.bind([msgspec.structs.replace(bound("1", source_id="2"), source_version="9")])
    assert ("1", "") == (contested.source_id, contested.fingerprint)


def test_a_row_that_was_written_since_is_not_removed(crosswalk: Crosswalk) -> None:
    crosswalk.bind([bound("1"), bound("2")])
    read, other = there(crosswalk), there(crosswalk, "2")
    crosswalk.bind([msgspec.structs.replace(read, fingerprint="new", written_run="r2")])
    [contested] = crosswalk.unbind([read, other])
    assert there(crosswalk) == contested
    assert ("r2", "") == (contested.written_run, contested.fingerprint)
    assert {} == crosswalk.resolve("orders", "Order", ["2"])


def test_rows_are_found_from_the_side_of_the_target(crosswalk: Crosswalk) -> None:
    other = msgspec.structs.replace(bound("7", target_id="T1"), flow="back")
    crosswalk.bind([bound("1"), bound("2"), bound("1", name="OrderItem"), other])
    assert [written(other), written(bound("1"))] == crosswalk.of_targets("Order", iter(["T1", "T9"]))
    assert [] == crosswalk.of_targets("Order", [])


def test_the_keys_of_a_target_are_those_of_the_other_direction(stores: Stores) -> None:
    rows = [bound("2"), bound("1"), bound("3", target_id="T1"), bound("4", name="OrderItem", target_id="T1")]
    stores.back.bind([*rows, msgspec.structs.replace(rows[0], flow="returns", target_id="T1")])
    found = stores.crosswalk.keys_of("orders", "Order", iter(["T1", "T2", "T9", "T\x00"]))
    assert {"T1": ["1", "3"], "T2": ["2"]} == found
    assert {} == stores.crosswalk.keys_of("orders", "Order", [])


def test_nothing_is_fine(crosswalk: Crosswalk) -> None:
    crosswalk.bind([])
    crosswalk.unbind([])

    assert [] == crosswalk.of_records("orders", [])
    assert {} == crosswalk.resolve("orders", "Order", [])
    assert [] == list(crosswalk.roots("orders", "Order"))


def test_roots_are_all_rows_of_one_object_in_the_order_of_their_keys(crosswalk: Crosswalk) -> None:
    rows = [bound(f"{number:02}", source_id=str(number % 7)) for number in range(40)]
    crosswalk.bind(
        [*rows[::-1], bound("1", name="OrderItem"), msgspec.structs.replace(rows[0], flow="products")]
    )
    assert [written(each) for each in rows] == list(crosswalk.roots("orders", "Order"))
    assert [] == list(crosswalk.roots("orders", "Account"))


# dead letters


def refused(source_id: str, reason: str = "no country") -> Rejection:
    return Rejection(source_id, Stage.TRANSFORM, reason)


def parked(source_id: str, key: str = "5") -> Rejection:
    return Rejection(source_id, Stage.TRANSFORM, "not there yet", waits_for=("customers", "Account", key))


def keep(letters: DeadLetters, *said: Rejection, run: str = "run 1", version: str = "v1") -> None:
    letters.keep("orders", run, version, [(each, b"{}") for each in said])


def parent(key: str, flow: str = "customers", name: str = "Account") -> Binding:
    return Binding(flow, name, key, key, f"A{key}", "", "r", "r")


def test_rejected_and_parked_records_wait_and_those_that_went_through_do_not(letters: DeadLetters) -> None:
    keep(letters, refused("1"), parked("2"), refused("3"), parked("4"))
    assert 2 == letters.resolve("orders", "run 2", ["3", "4", "never seen"])
    assert 0 == letters.resolve("orders", "run 2", ["3", "4"])
    assert 0 == letters.resolve("products", "run 2", ["1"])

    assert {"1", "2"} == letters.waiting("orders", ["1", "2", "3", "4", "5"])
    assert {"2"} == letters.waiting("orders", ["2"])
    assert set() == letters.waiting("products", ["1", "2"])


def test_a_letter_outlasts_what_was_read_before_it_unless_it_is_of_the_same_run(stores: Stores) -> None:
    letters = stores.letters
    keep(letters, refused("1"), refused("2"), run="run 1")
    before, after = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
    assert 0 == letters.resolve("orders", "run 2@2024-01-01T00:00:00+00:00", ["1"], before)
    assert 1 == letters.resolve("orders", "run 1@2024-01-01T00:00:00+00:00", ["2"], before)
    assert 1 == letters.resolve("orders", "run 2@2024-01-02T00:00:00+00:00", ["1"], after)


DAY = datetime(2024, 1, 1, tzinfo=UTC)


def bind_as_read(stores: Stores, run: str, at: datetime) -> None:
    stores.crosswalk.bind([msgspec.structs.replace(parent("1", flow="orders"), written_run=run, read_at=at)])


@pytest.mark.parametrize("rejection", [refused("1"), parked("1")], ids=["refused", "parked"])
@pytest.mark.parametrize("other", ["bound", "closed", "kept"])
def test_a_rejected_record_that_another_run_has_read_since_is_tried_again(
    stores: Stores, rejection: Rejection, other: str
) -> None:
    if other == "bound":
        bind_as_read(stores, "newer@2024-01-01T00:00:30+00:00", DAY + timedelta(seconds=30))
    else:
        keep(stores.letters, refused("1"), run="newer")
    if other == "closed":
        stores.letters.resolve("orders", "newer@2024-01-01T00:00:30+00:00", ["1"])
    stores.letters.keep("orders", "late", "v1", [(rejection, b"{}")], DAY)
    assert ["1"] == stores.letters.due("orders", "v1", 10)
    # what is read after that decides
    stores.letters.keep("orders", "next", "v1", [(rejection, b"{}")], DAY + timedelta(hours=1))
    assert [] == stores.letters.due("orders", "v1", 10)


def test_what_a_run_has_bound_of_a_record_that_it_rejects_is_no_other_reading(stores: Stores) -> None:
    bind_as_read(stores, "run 1@2024-01-01T00:00:00+00:00", DAY + timedelta(seconds=30))
    keep(stores.letters, refused("1"), run="run 1")
    stores.letters.keep("orders", "run 1", "v1", [(refused("1"), b"{}")], DAY)
    assert [] == stores.letters.due("orders", "v1", 10)


def test_a_letter_of_an_older_reading_that_was_kept_meanwhile_is_tried_again(stores: Stores) -> None:
    keep(stores.letters, refused("1"), parked("2"), run="older")
    assert 0 == stores.letters.resolve("orders", "newer@2024-01-01T00:00:00+00:00", ["1", "2"], DAY)
    assert {"1", "2"} == set(stores.letters.due("orders", "v1", 10))


def test_a_record_rejected_again_has_one_letter(letters: DeadLetters) -> None:
    keep(letters, refused("1"))
    keep(letters, refused("1"), run="run 2")
    assert 1 == letters.resolve("orders", "run 3", ["1"])
    keep(letters, refused("1"), run="run 4")
    assert {"1"} == letters.waiting("orders", ["1"])


def test_parked_records_are_due_once_their_parent_is_bound(stores: Stores) -> None:
    keep(stores.letters, parked("9", "5"), parked("2", "6"))
    assert [] == stores.letters.due("orders", "v1", 10)

    stores.crosswalk.bind([parent("5", flow="suppliers"), parent("5", name="Contact"), parent("7")])
    assert [] == stores.letters.due("orders", "v1", 10)

    stores.crosswalk.bind([parent("5")])
    assert ["9"] == stores.letters.due("orders", "v1", 10)
    assert [] == stores.letters.due("products", "v1", 10)


def test_a_record_that_waits_for_its_way_back_is_due_once_its_target_is_bound(stores: Stores) -> None:
    keep(stores.letters, parked("9", "A5"), parked("8", "A6"))
    stores.back.bind([parent("5", flow="suppliers"), parent("5", name="Contact"), parent("7")])
    assert [] == stores.letters.due("orders", "v1", 10)
    stores.back.bind([parent("5")])
    assert ["9"] == stores.letters.due("orders", "v1", 10)


def test_a_parked_record_waits_for_its_parent_unless_the_mapping_has_changed(letters: DeadLetters) -> None:
    keep(letters, parked("1"))
    assert ([], ["1"]) == (letters.due("orders", "v1", 10), letters.due("orders", "v2", 10))
    # once, as it may wait for the same parent under the new one
    keep(letters, parked("1"), run="run 2", version="v2")
    assert [] == letters.due("orders", "v2", 10)


def test_rejected_records_are_due_under_another_mapping(letters: DeadLetters) -> None:
    keep(letters, refused("3"))
    keep(letters, refused("1"), run="run 2", version="v2")
    assert (["1"], ["3"]) == (letters.due("orders", "v1", 10), letters.due("orders", "v2", 10))

    keep(letters, refused("3"), run="run 3", version="v2")
    assert [] == letters.due("orders", "v2", 10)
    letters.resolve("orders", "run 4", ["1", "3"])
    assert [] == letters.due("orders", "v3", 10)


def test_the_least_recently_tried_are_due_first_and_no_more_than_wanted(stores: Stores) -> None:
    keep(stores.letters, refused("9"))
    keep(stores.letters, refused("7"), refused("6"))
    keep(stores.letters, refused("9"), run="run 2")
    assert ["6", "7", "9"] == stores.letters.due("orders", "v2", 10)
    assert ["6", "7"] == stores.letters.due("orders", "v2", 2)


def test_kinds_of_letters_take_turns(stores: Stores) -> None:
    keep(stores.letters, *(parked(f"1{n}", "5") for n in range(5)))
    keep(stores.letters, *(refused(f"2{n}") for n in range(5)))
    keep(stores.letters, parked("30", "6"))
    keep(stores.letters, Rejection("40", Stage.EXTRACT, "not given", missing=True))
    stores.crosswalk.bind([parent("5"), parent("6")])
    assert ["10", "20", "30", "40", "11", "21"] == stores.letters.due("orders", "v2", 6)


def test_of_several_rejections_of_a_record_a_refusal_counts_before_a_wait(stores: Stores) -> None:
    keep(stores.letters, parked("1"), refused("1"), parked("1"))
    stores.crosswalk.bind([parent("5")])
    assert ([], ["1"]) == (stores.letters.due("orders", "v1", 9), stores.letters.due("orders", "v2", 9))


# intents


def intent(key: str, run: str = "run1", name: str = "Order", step: str = "") -> Intent:
    return Intent("orders", name, key, f"digest {key}", run, step=step)


def known(intents: Intents, *keys: str) -> dict[str, tuple[IntentState, str, str]]:
    found = intents.of("orders", "Order", keys)
    return {key: (each.state, each.target_id, each.reason) for key, each in found.items()}


def names(some: Sequence[Intent]) -> list[tuple[str, str]]:
    return [(each.key, each.run) for each in some]


def test_an_intent_is_in_doubt_until_its_answer_is_recorded(intents: Intents) -> None:
    begun = intents.begin([intent(key) for key in ("1", "2", "3", "4")])
    intents.confirm([replace(begun[0], target_id="0010000456")])
    intents.fail([replace(begun[1], reason="no such item")])
    intents.plan([replace(begun[2], reason="busy")])
    assert {
        "1": (IntentState.DONE, "0010000456", ""),
        "2": (IntentState.REFUSED, "", "no such item"),
        "3": (IntentState.DUE, "", "busy"),
        "4": (IntentState.IN_DOUBT, "", ""),
    } == known(intents, "1", "2", "3", "4", "5")
    assert {} == intents.of("orders", "Line", ["1"]) == intents.of("products", "Order", ["1"])


def test_what_is_begun_is_given_as_it_stands(intents: Intents) -> None:
    begun = intents.begin([intent("2"), intent("1")])
    assert {each.key: each for each in begun} == intents.of("orders", "Order", ["1", "2"])
    assert ["2", "1"] == [each.key for each in begun]
    assert {(IntentState.IN_DOUBT, 1)} == {(each.state, each.attempt) for each in begun}


def test_the_state_of_each_flow_begins_once(intents: Intents) -> None:
    assert None is intents.began("orders")
    intents.start("orders")
    began = intents.began("orders")
    assert began is not None
    intents.start("orders")
    assert (began, None) == (intents.began("orders"), intents.began("products"))
    [begun] = intents.begin([intent("1")])
    assert began <= (begun.changed_at or began)


def test_each_step_is_recorded_with_what_was_begun(intents: Intents) -> None:
    [head] = intents.begin([intent("1", step="head")])
    intents.begin([replace(head, step="confirm", reference="0000012345")])
    [found] = intents.of("orders", "Order", ["1"]).values()
    assert ("confirm", "0000012345", 2) == (found.step, found.reference, found.attempt)
    assert found.changed_at is not None
    assert found.changed_at.tzinfo is not None
    assert (head.changed_at or found.changed_at) <= found.changed_at


def test_a_worker_that_read_an_older_state_backs_off_and_records_nothing(intents: Intents) -> None:
    intents.begin([intent("1")])
    with pytest.raises(Unavailable, match="another worker"):
        intents.begin([intent("0", "run2"), intent("1", "run2")])
    assert [("1", "run1")] == names(intents.unsettled("orders", ["Order"]))


def test_a_late_answer_does_not_overwrite_what_came_after(intents: Intents) -> None:
    [first] = intents.begin([intent("1")])
    [again] = intents.begin([first])
    for late in (intents.confirm, intents.fail, intents.plan):
        late([replace(first, target_id="late", reason="late")])
        assert {"1": (IntentState.IN_DOUBT, "", "")} == known(intents, "1")
    intents.confirm([replace(again, target_id="right")])
    assert {"1": (IntentState.DONE, "right", "")} == known(intents, "1")


def test_a_late_answer_does_not_hold_up_those_beside_it(intents: Intents) -> None:
    [first, other] = intents.begin([intent("1"), intent("2")])
    intents.begin([first])
    intents.confirm([replace(first, target_id="late"), replace(other, target_id="right")])
    assert (IntentState.IN_DOUBT, IntentState.DONE) == tuple(
        state for state, _, _ in known(intents, "1", "2").values()
    )


def test_what_is_due_is_begun_once(intents: Intents) -> None:
    intents.plan([intent("1")])
    [due] = intents.unsettled("orders", ["Order"])
    assert (IntentState.DUE, 1) == (due.state, due.attempt)
    [begun] = intents.begin([due])
    assert (IntentState.IN_DOUBT, 2) == (begun.state, begun.attempt)
    with pytest.raises(Unavailable, match="another worker"):
        intents.begin([due])


def test_unsettled_are_those_due_or_in_doubt_of_these_objects_by_key(intents: Intents) -> None:
    begun = intents.begin([intent(key) for key in ("3", "4", "5")])
    intents.confirm(begun[1:2])
    intents.fail(begun[2:])
    intents.plan([intent("1"), intent("2", name="Order.note"), intent("1", name="Order.note")])
    intents.plan([intent("0", name="Line"), replace(intent("0"), flow="products")])
    found = intents.unsettled("orders", iter(["Order", "Order.note"]))
    assert [("1", "Order"), ("1", "Order.note"), ("2", "Order.note"), ("3", "Order")] == [
        (each.key, each.object) for each in found
    ]
    assert [] == intents.unsettled("orders", [])
    assert (3, 0) == (intents.waiting("orders", ["Order", "Order.note"]), intents.waiting("orders", []))


def test_made_are_the_ids_that_writes_of_a_flow_have_got(intents: Intents) -> None:
    begun = intents.begin([intent("1"), intent("2"), replace(intent("3"), flow="products"), intent("4")])
    intents.confirm([replace(each, target_id=f"t{each.key}") for each in begun[:3]])
    assert {"t1"} == intents.made("orders", "Order", iter(["t1", "t3", "t4"]))
    assert set() == intents.made("orders", "Line", ["t1"]) == intents.made("orders", "Order", [])


def test_of_the_unsettled_those_that_have_waited_longest_come_first(intents: Intents) -> None:
    """All of a key come together; one that was recorded again waits anew."""
    for key in ("3", "1", "2"):
        intents.plan([intent(key), intent(key, name="Order.note")])
    places = ["Order", "Order.note"]

    def oldest(records: int) -> list[str]:
        return [each.key for each in intents.unsettled("orders", places, records)]

    assert (["3", "3"], ["1", "1", "3", "3"]) == (oldest(1), oldest(2))
    intents.plan([each for each in intents.unsettled("orders", places) if each.key == "3"])
    assert (["1", "1"], ["1", "1", "2", "2"]) == (oldest(1), oldest(2))


# events


def event(source_id: str, outcome: EventOutcome = EventOutcome.CREATED, at: datetime = NOON) -> RecordEvent:
    return RecordEvent(source_id, "run1@", "load", outcome, at, "Order", f"T{source_id}", "why")


def test_events_of_a_record_come_back_oldest_first(events: RecordEvents) -> None:
    later = event("1", EventOutcome.UPDATED, NOON + timedelta(hours=1))
    events.record("orders", [later, event("2"), event("1")])
    events.record("products", [event("1", EventOutcome.PARKED)])
    events.record("orders", [])
    assert [event("1"), later] == events.of_record("orders", "1")
    assert [] == events.of_record("orders", "3")


def test_a_repeat_of_a_stage_records_nothing_twice(events: RecordEvents) -> None:
    events.record("orders", [event("1")])
    events.record("orders", [event("1", at=NOON + timedelta(minutes=1)), event("2"), event("2")])
    assert [event("1")] == events.of_record("orders", "1")
    assert [event("2")] == events.of_record("orders", "2")


def test_what_an_attempt_has_written_is_counted(events: RecordEvents) -> None:
    other = msgspec.structs.replace(event("4"), run="run2@")
    gone = event("5", EventOutcome.SUPERSEDED)
    events.record("orders", [event("1"), event("2"), event("3", EventOutcome.UPDATED), other, gone])
    events.record("products", [event("6")])
    assert Counts(created=2, updated=1) == events.written("orders", "run1@")
    assert Counts() == events.written("orders", "run3@")


def test_an_odd_id_has_a_history_too(events: RecordEvents) -> None:
    events.record(
        "orders", [msgspec.structs.replace(event("1"), source_id="a\x00b", target_id="T\x00", note="\ud800")]
    )


# conflicts


def conflict(
    key: str, run: str = "run1@", *, winner: str = MANUAL, at: datetime = NOON, ours: str = "1"
) -> FieldConflict:
    return FieldConflict(
        "people", "Account", key, "Phone", f"T{key}", ours, None, winner, "back", run, at,
        NOON - timedelta(hours=1), None, "Ann", "", None if winner == MANUAL else at,
    )  # fmt: skip


def test_a_repeat_of_a_stage_records_no_conflict_twice(conflicts: Conflicts) -> None:
    decided, waiting = conflict("1", winner="salesforce"), conflict("2")
    for _ in range(2):
        conflicts.record([decided, waiting])
    conflicts.record([])
    assert [waiting, decided] == conflicts.listed()
    assert [waiting] == conflicts.listed("people", open_only=True)
    assert [] == conflicts.listed("others")


def test_an_open_conflict_stays_one_with_what_both_sides_hold_now(conflicts: Conflicts) -> None:
    conflicts.record([conflict("1")])
    conflicts.record([conflict("1", "run2@", at=NOON + timedelta(hours=1), ours="3"), conflict("2", "run2@")])
    assert {("1", "run1@", NOON, "3"), ("2", "run2@", NOON, "1")} == {
        (each.key, each.run, each.at, each.source_value) for each in conflicts.listed(open_only=True)
    }


def test_a_conflict_is_closed_once_both_sides_agree(conflicts: Conflicts) -> None:
    later = NOON + timedelta(hours=1)
    conflicts.record([conflict("1"), conflict("2")])
    assert 1 == conflicts.close("people", {("Account", "1", "Phone"), ("Account", "2", "Name")}, later)
    assert 0 == conflicts.close("people", {("Account", "1", "Phone")}, later)
    assert 0 == conflicts.close("others", {("Account", "2", "Phone")}, later)
    assert [("2", None), ("1", later)] == [(each.key, each.closed_at) for each in conflicts.listed()]
    # and may come up again
    conflicts.record([conflict("1", "run2@", at=later)])
    assert [("1", None), ("2", None), ("1", later)] == [
        (each.key, each.closed_at) for each in conflicts.listed()
    ]


# ledger

RUN = RunSummary(
    run="scheduled__2024-06-01T12:00:00+00:00",
    flow="orders",
    kind="scheduled",
    state="success",
    window=Window(None, NOON),
    mapping_version="abc",
    counts=Counts(extracted=3, created=1, updated=1, rejected=1),
    calls=Calls({"brightpearl": 4}, {"brightpearl": 3}, {"brightpearl": 5}, {"Order": 2}),
    money={"extracted": {"EUR": Decimal("12345678901234.5600")}, "written": {}},
    started_at=NOON,
    ended_at=NOON + timedelta(seconds=90),
    reasons=(("no country", 1),),
    note="n",
)


def test_a_run_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    ledger.record(RUN)
    [found] = ledger.runs("orders")
    assert RUN == found
    assert "12345678901234.5600" == str(found.money["extracted"]["EUR"])
    assert ledger.watermark("orders") is None


def test_warnings_and_write_backs_are_in_the_note_and_the_calls_alone(ledger: Ledger) -> None:
    ledger.record(replace(RUN, warnings=("n",), write_back=WriteBackReport(delivered=1)))
    assert [RUN] == ledger.runs("orders")


def test_a_run_recorded_again_is_one_row_and_the_newest_come_first(ledger: Ledger) -> None:
    later = replace(RUN, run="later", started_at=NOON + timedelta(hours=1), window=None, ended_at=None)
    ledger.record(replace(RUN, state="failed", counts=Counts()))
    ledger.record(later)
    ledger.record(RUN)
    ledger.record(replace(RUN, flow="other"))

    assert [later, RUN] == ledger.runs("orders")
    assert [later] == ledger.runs("orders", limit=1)
    assert [] == ledger.runs("none")


def test_each_flow_has_its_own_watermark(ledger: Ledger) -> None:
    ledger.record(RUN, NOON)
    assert (NOON, None) == (ledger.watermark("orders"), ledger.watermark("other"))


def test_a_run_without_a_watermark_leaves_it_where_it_is(ledger: Ledger) -> None:
    ledger.record(RUN, NOON, NOON)
    ledger.record(replace(RUN, run="backfill"), None, NOON + timedelta(hours=1))
    assert (NOON, NOON) == (ledger.watermark("orders"), ledger.swept_to("orders"))


def test_sweeps_are_done_up_to_an_instant_of_their_own_that_only_moves_forward(ledger: Ledger) -> None:
    ledger.record(RUN, NOON)
    assert ledger.swept_to("orders") is None
    for hours in (1, 3, 2):
        ledger.record(RUN, NOON, NOON + timedelta(hours=hours))
    assert (NOON, NOON + timedelta(hours=3)) == (ledger.watermark("orders"), ledger.swept_to("orders"))


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1980, 1, 1), datetime(2080, 1, 1), timezones=ZONES)  # noqa: DTZ001


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(INSTANTS, min_size=1, max_size=8))
def test_the_watermark_only_moves_forward(ledger: Ledger, instants: list[datetime]) -> None:
    flow = f"flow {instants!r}"
    seen = []
    for instant in instants:
        ledger.record(replace(RUN, flow=flow), instant)
        seen.append(ledger.watermark(flow))
    assert [max(instants[: number + 1]) for number in range(len(instants))] == seen


def test_a_check_leaves_nothing_behind(ledger: Ledger) -> None:
    ledger.record(RUN, NOON)
    ledger.check()
    assert ([RUN], NOON) == (ledger.runs("orders"), ledger.watermark("orders"))
    assert [] == ledger.runs("")


def test_a_letter_says_with_which_record_and_mapping_a_settled_run_kept_it(stores: Stores) -> None:
    letters, now = stores.letters, {"1": judged_digest("v1", b"{}"), "2": judged_digest("v1", b"{}")}
    letters.keep("orders", "r1", "v1", [(refused("1"), b"{}"), (refused("2"), b"{}")])
    assert set() == letters.judged("orders", now)
    letters.keep("orders", "r2", "v1", [(refused("1"), b"{}")], judged=True)
    assert {"1"} == letters.judged("orders", now)
    assert set() == letters.judged("orders", {"1": judged_digest("v2", b"{}")}) | letters.judged("other", now)
    # a run that stops changes nothing of it
    letters.keep("orders", "r3", "v1", [(refused("1"), b"{}")])
    assert {"1"} == letters.judged("orders", now)
    letters.resolve("orders", "r4", ["1"])
    letters.keep("orders", "r5", "v1", [(refused("1"), b"{}")])
    assert set() == letters.judged("orders", now)
