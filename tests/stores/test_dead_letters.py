"""Dead letters on a state database; what all of them promise is in ``tests/contracts``."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.letters import LetterPolicy
from airflow_provider_brightpearl.core.ports.overrides import Override
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.overrides import SqlOverrides
from airflow_provider_brightpearl.stores.tables import dead_letter

FLOW = "orders"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2024, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def letters(engine: Engine) -> SqlDeadLetters:
    return SqlDeadLetters(engine, Clock())


def refused(source_id: str, reason: str = "Quantity is not a number, got x", value: str = "x") -> Rejection:
    return Rejection(
        source_id, Stage.TRANSFORM, reason, "OrderItem", "7", "Quantity", value, None, Decimal("9.90"), "EUR"
    )


def parked(source_id: str, key: str = "5") -> Rejection:
    reason = f"customer {key} is not there yet"
    return Rejection(source_id, Stage.TRANSFORM, reason, waits_for=("customers", "Account", key))


def rows(engine: Engine) -> dict[str, Any]:
    with reading(engine) as connection:
        return {row.source_id: row for row in connection.execute(sa.select(dead_letter))}


def test_a_letter_keeps_what_a_person_needs(engine: Engine, letters: SqlDeadLetters) -> None:
    letters.keep(FLOW, "run 1", "v1", [(refused("1"), b'{"id": 1, "n": "\xc3\xa9"}')])
    row = rows(engine)["1"]

    assert (row.state, row.stage, row.object, row.row, row.field, row.value) == (
        "open", "transform", "OrderItem", "7", "Quantity", "x",
    )  # fmt: skip
    assert (row.payload, row.amount, row.currency) == ('{"id": 1, "n": "é"}', "9.90", "EUR")
    assert (row.mapping_version, row.run, row.attempts) == ("v1", "run 1", 1)
    assert row.first_seen == row.last_seen == datetime(2024, 1, 1, 0, 1, tzinfo=UTC)


def test_a_record_refused_again_refreshes_its_letter(engine: Engine, letters: SqlDeadLetters) -> None:
    letters.keep(FLOW, "run 1", "v1", [(refused("1"), b"{}")])
    letters.keep(FLOW, "run 2", "v2", [(parked("1"), b"[]")])
    row = rows(engine)["1"]

    assert (row.state, row.payload, row.mapping_version, row.run, row.attempts) == (
        "parked",
        "[]",
        "v2",
        "run 2",
        1,
    )
    assert row.last_seen - row.first_seen == timedelta(minutes=1)
    assert letters.count_open(FLOW) == 1


def test_a_task_tried_twice_is_one_attempt(engine: Engine, letters: SqlDeadLetters) -> None:
    letters.keep(FLOW, "run 1", "v1", [(refused("1"), b"{}")])
    letters.keep(FLOW, "run 1", "v1", [(refused("1"), b"{}")])

    assert rows(engine)["1"].attempts == 1


def test_of_several_rejections_a_refusal_counts_before_a_wait(
    engine: Engine, letters: SqlDeadLetters
) -> None:
    said = [parked("1"), refused("1", "first"), refused("1", "second")]
    letters.keep(FLOW, "run 1", "v1", [(rejection, b"{}") for rejection in said])

    assert (rows(engine)["1"].state, rows(engine)["1"].reason) == ("open", "first")


def test_what_went_through_is_closed_once(engine: Engine, letters: SqlDeadLetters) -> None:
    letters.keep(FLOW, "run 1", "v1", [(refused("1"), b"{}"), (parked("2"), b"{}"), (refused("3"), b"{}")])

    letters.resolve(FLOW, "run 2", ["1", "2"])
    letters.resolve(FLOW, "run 3", ["1"])
    assert letters.count_open(FLOW) == 1
    assert (rows(engine)["1"].state, rows(engine)["1"].closed_run) == ("resolved", "run 2")

    letters.keep(FLOW, "run 3", "v1", [(refused("1"), b"{}")])
    row = rows(engine)["1"]

    assert (row.state, row.attempts, row.closed_run, row.closed_at) == ("open", 1, None, None)
    assert row.first_seen == row.last_seen


def test_a_discarded_letter_stays_so_until_its_payload_changes(
    engine: Engine, letters: SqlDeadLetters
) -> None:
    letters.keep(FLOW, "run 1", "v1", [(refused("1"), b"{}")])
    with writing(engine) as connection:
        connection.execute(dead_letter.update().values(state="discarded"))

    letters.keep(FLOW, "run 2", "v1", [(refused("1"), b"{}")])
    assert rows(engine)["1"].state == "discarded"

    letters.keep(FLOW, "run 3", "v1", [(refused("1"), b'{"fixed": 0}')])
    assert rows(engine)["1"].state == "open"


def test_reasons_add_up_without_their_values(letters: SqlDeadLetters) -> None:
    said = [refused(str(n), f"Quantity must be above 0, got {n}", str(n)) for n in range(3)]
    waiting = [parked(str(n), str(n)) for n in range(10, 12)]
    letters.keep(FLOW, "run 1", "v1", [(rejection, b"{}") for rejection in said + waiting])
    letters.keep(FLOW, "run 2", "v1", [(refused("99", "no country", ""), b"{}")])

    assert letters.top_reasons(FLOW) == [
        ("Quantity must be above 0", 3), ("waits for Account of customers", 2), ("no country", 1),
    ]  # fmt: skip
    assert letters.top_reasons(FLOW, run="run 2") == [("no country", 1)]
    assert letters.top_reasons(FLOW, limit=1) == [("Quantity must be above 0", 3)]


def test_letters_are_taken_one_by_one_and_a_late_refusal_still_outweighs_a_wait(
    engine: Engine, letters: SqlDeadLetters
) -> None:
    waiting, late = [parked(str(n)) for n in range(1_200)], [refused("3"), parked("7")]
    letters.keep(FLOW, "run 1", "v1", ((each, str(n).encode()) for n, each in enumerate([*waiting, *late])))
    kept = rows(engine)

    assert (1_200, {1}) == (len(kept), {row.attempts for row in kept.values()})
    assert ("open", "1200") == (kept["3"].state, kept["3"].payload)
    assert ("parked", "7") == (kept["7"].state, kept["7"].payload)


def test_texts_that_databases_refuse_are_kept_readable(engine: Engine, letters: SqlDeadLetters) -> None:
    odd = replace(refused("1"), value="a\x00b\ud800", reason="nul \x00")
    letters.keep(FLOW, "run 1", "v1", [(odd, b"\xff{}")])
    row = rows(engine)["1"]

    assert (row.value, row.reason, row.payload) == ("a�b?", "nul �", "�{}")


def test_two_workers_keep_the_same_records(engine: Engine) -> None:
    failures: list[BaseException] = []

    def work(run: str, order: int) -> None:
        said = [(refused(str(n)), b"{}") for n in range(700)][::order]
        try:
            SqlDeadLetters(engine).keep(FLOW, run, "v1", said)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(f"run {order}", order)) for order in (1, -1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert failures == []
    assert {row.attempts for row in rows(engine).values()} == {2}
    assert len(rows(engine)) == 700


def test_attempts_are_counted_for_as_long_as_the_state_is_the_same(
    engine: Engine, letters: SqlDeadLetters
) -> None:
    letters.keep(FLOW, "run 1", "v1", [(refused("1"), b"{}")])
    letters.keep(FLOW, "run 2", "v1", [(refused("1"), b"{}")])
    assert (2, None) == (rows(engine)["1"].attempts, rows(engine)["1"].next_try_at)

    locked = replace(refused("1"), passing=True)
    letters.keep(FLOW, "run 3", "v1", [(locked, b"{}")])
    row = rows(engine)["1"]
    # the next run tries it, however old the letter is
    assert (1, row.last_seen, row.last_seen) == (row.attempts, row.state_since, row.next_try_at)


def test_the_distance_of_two_tries_is_a_day_at_most(engine: Engine) -> None:
    clock = Clock()
    letters = SqlDeadLetters(engine, lambda: clock.now)
    locked = replace(refused("1"), passing=True)
    for run, days in enumerate((0, 1, 20)):
        clock.now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days)
        letters.keep(FLOW, f"run {run}", "v1", [(locked, b"{}")])
    assert timedelta(days=1) == rows(engine)["1"].next_try_at - clock.now


def test_a_missing_record_is_looked_for_at_growing_distance(engine: Engine) -> None:
    clock = Clock()
    letters = SqlDeadLetters(engine, lambda: clock.now)
    missing = Rejection("7", Stage.EXTRACT, "not given", missing=True)
    asked_after = []
    for minutes in range(64):
        clock.now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        if not minutes or letters.due(FLOW, "v1", 10):
            asked_after.append(minutes)
            letters.keep(FLOW, f"run {minutes}", "v1", [(missing, b"")])
    assert [0, 1, 2, 4, 8, 16, 32] == asked_after
    assert ("missing", 7) == (rows(engine)["7"].state, rows(engine)["7"].attempts)
    assert {"7"} == letters.waiting(FLOW, ["7"])
    assert 1 == letters.resolve(FLOW, "run", ["7"])


def test_a_missing_record_takes_its_turn_by_age(letters: SqlDeadLetters) -> None:
    missing = Rejection("2", Stage.EXTRACT, "not given", missing=True)
    for run, each in enumerate((refused("1"), missing, refused("3"))):
        letters.keep(FLOW, f"run {run}", "v1", [(each, b"{}")])
    assert ["1", "2", "3"] == letters.due(FLOW, "v2", 10)
    assert ["1", "2"] == letters.due(FLOW, "v2", 2)
    assert ["2"] == letters.due(FLOW, "v1", 10)


MISSING = Rejection("7", Stage.EXTRACT, "the account has no record 7", missing=True, gone=True)


def looks(letters: SqlDeadLetters, clock: Clock, rejection: Rejection, *days: float) -> list[list[str]]:
    """Looks for a record so many days after the first; what is closed by each look."""
    closed = []
    for day in days:
        clock.now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
        closed.append(letters.keep(FLOW, f"day {day}", "v1", [(rejection, b"")]))
    return closed


def test_a_record_that_is_deleted_for_good_is_gone_in_the_end(engine: Engine) -> None:
    clock = Clock()
    letters = SqlDeadLetters(engine, lambda: clock.now, policy=LetterPolicy(looks=3, days=2))
    assert [[], [], [], ["7"]] == looks(letters, clock, MISSING, 0, 0.5, 1, 2)
    row = rows(engine)["7"]
    assert ("gone", 4, None, "day 2", clock.now) == (
        row.state, row.attempts, row.next_try_at, row.closed_run, row.closed_at,
    )  # fmt: skip
    assert (set(), 0) == (letters.waiting(FLOW, ["7"]), letters.count_open(FLOW))
    clock.now += timedelta(days=99)
    assert [] == letters.due(FLOW, "v2", 10)


def test_days_alone_do_not_make_a_record_gone(engine: Engine) -> None:
    clock = Clock()
    letters = SqlDeadLetters(engine, lambda: clock.now, policy=LetterPolicy(looks=3, days=2))
    assert [[], [], ["7"]] == looks(letters, clock, MISSING, 0, 30, 31)


def test_a_task_tried_twice_leaves_a_letter_closed(engine: Engine) -> None:
    clock = Clock()
    letters = SqlDeadLetters(engine, lambda: clock.now, policy=LetterPolicy(looks=2, days=1))
    assert [[], ["7"], ["7"]] == looks(letters, clock, MISSING, 0, 2, 2)
    assert ("gone", 2) == (rows(engine)["7"].state, rows(engine)["7"].attempts)


@pytest.mark.parametrize(
    "other", [replace(MISSING, gone=False), replace(MISSING, missing=False, gone=False, passing=True)]
)
def test_a_record_that_cannot_be_read_is_not_gone(engine: Engine, other: Rejection) -> None:
    clock = Clock()
    letters = SqlDeadLetters(engine, lambda: clock.now, policy=LetterPolicy(looks=2, days=1))
    assert [[]] * 4 == looks(letters, clock, other, 0, 2, 4, 90)


def test_a_record_that_comes_again_opens_or_closes_its_letter(engine: Engine) -> None:
    clock = Clock()
    letters = SqlDeadLetters(engine, lambda: clock.now, policy=LetterPolicy(looks=2, days=1))
    looks(letters, clock, MISSING, 0, 2)
    letters.keep(FLOW, "back", "v1", [(refused("7"), b"{}")])
    row = rows(engine)["7"]
    assert ("open", 1, None, None) == (row.state, row.attempts, row.closed_at, row.closed_run)

    looks(letters, clock, MISSING, 3, 5)
    assert "gone" == rows(engine)["7"].state
    assert 1 == letters.resolve(FLOW, "back again", ["7"])
    assert ("resolved", "back again") == (rows(engine)["7"].state, rows(engine)["7"].closed_run)


STATES = st.sampled_from(["open", "parked", "missing", "retry"])


class Kept(NamedTuple):
    """A letter: its state, what it waits for, and whether its record would go through."""

    state: str
    waits_for: int
    passes: bool

    def rejection(self, source_id: str) -> Rejection:
        waits = ("customers", "Account", str(self.waits_for)) if self.state == "parked" else None
        missing, passing = self.state == "missing", self.state == "retry"
        return Rejection(source_id, Stage.LOAD, "no", waits_for=waits, missing=missing, passing=passing)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.builds(Kept, STATES, st.integers(0, 2), st.booleans()), min_size=1, max_size=30),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_every_letter_gets_its_turn(engine: Engine, kept: list[Kept], limit: int, arriving: int) -> None:
    """However many others are due, fail again, or arrive: what can go through is read in a bounded number of runs."""
    with writing(engine) as connection:
        connection.execute(dead_letter.delete())
    SqlCrosswalk(engine).bind(
        [Binding("customers", "Account", str(n), str(n), f"A{n}", "", "", "") for n in range(3)]
    )
    clock = Clock()
    letters = SqlDeadLetters(engine, clock)
    known = {f"{n:03}": each for n, each in enumerate(kept)}
    letters.keep(FLOW, "run 0", "v0", [(each.rejection(name), b"{}") for name, each in known.items()])
    left = {name for name, each in known.items() if each.passes}
    for run in range(1, 100):
        clock.now += timedelta(days=2)
        due = letters.due(FLOW, f"v{run}", limit)
        assert len(due) <= limit
        letters.resolve(FLOW, f"run {run}", [name for name in due if name in left])
        failed = [name for name in due if name not in left]
        new = {f"9{run:03}{n}": Kept("retry", 0, False) for n in range(arriving)}
        known |= new
        letters.keep(
            FLOW, f"run {run}", f"v{run}", [(known[name].rejection(name), b"") for name in (*failed, *new)]
        )
        left.difference_update(due)
        if not left:
            break
    assert not left


def override_while_a_run_reads(engine: Engine) -> tuple[SqlDeadLetters, datetime]:
    """Letters with one whose record a person overrides after a run has read it, and when the run began."""
    clock = Clock()
    letters = SqlDeadLetters(engine, clock)
    letters.keep(FLOW, "run 1", "v1", [(refused("1"), b"{}")])
    begun = clock()
    SqlOverrides(engine).keep(FLOW, Override("1", {"Quantity": 2}, "{}", "Jo", "typing error", clock()))
    return letters, begun


def test_what_a_person_decides_while_a_run_goes_on_is_for_the_next_one(engine: Engine) -> None:
    letters, begun = override_while_a_run_reads(engine)
    # its task may settle twice
    for _ in range(2):
        letters.keep(FLOW, "run 2", "v1", [(refused("1"), b"{}")], begun)
        assert ["1"] == letters.due(FLOW, "v1", 10)
        assert "retry" == rows(engine)["1"].state
    letters.keep(FLOW, "run 3", "v1", [(refused("1"), b"{}")], begun + timedelta(hours=1))
    assert [] == letters.due(FLOW, "v1", 10)
    assert "open" == rows(engine)["1"].state


def test_a_run_that_read_before_a_person_decided_closes_no_letter(engine: Engine) -> None:
    letters, begun = override_while_a_run_reads(engine)
    assert 0 == letters.resolve(FLOW, "run 2@2024-01-01T00:02:00+00:00", ["1"], begun)
    assert ["1"] == letters.due(FLOW, "v1", 10)
    assert 1 == letters.resolve(FLOW, "run 3@2024-01-01T01:00:00+00:00", ["1"], begun + timedelta(hours=1))
