"""Leases on a state database, and what stores refuse a run that has lost its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.conflicts import FieldConflict
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.ports.stores import Binding, Intent
from airflow_provider_brightpearl.core.records import Calls, Counts, Rejection, Stage
from airflow_provider_brightpearl.core.reports import RunSummary, attempt_of
from airflow_provider_brightpearl.errors import FlowBusy, LeaseLost
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.bases import SqlBases
from airflow_provider_brightpearl.stores.conflicts import SqlConflicts
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import fencing, writing
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.leases import Lease, SqlLeases
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents

FLOW = "orders"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(name: str, minutes: int = 0) -> str:
    return attempt_of(name, NOON + timedelta(minutes=minutes))


FIRST, SECOND = at("first"), at("second")


@pytest.fixture
def leases(engine: Engine) -> SqlLeases:
    return SqlLeases(engine, "a>b", timedelta(minutes=5))


def expire(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(tables.lease.update().values(expires_at=NOON))


def test_one_run_at_a_time_holds_the_flow(leases: SqlLeases) -> None:
    leases.take(FLOW, FIRST, "extract")
    with pytest.raises(FlowBusy, match="run first is writing") as caught:
        leases.take(FLOW, SECOND, "extract")
    assert 0 < caught.value.wait_seconds <= 300


def test_a_clock_that_was_ahead_for_a_moment_makes_no_lease_longer(leases: SqlLeases, engine: Engine) -> None:
    leases.take(FLOW, FIRST, "extract")
    with writing(engine) as connection:
        ahead = datetime.now(UTC) + timedelta(hours=3)
        connection.execute(tables.lease.update().values(expires_at=ahead))
    with pytest.raises(FlowBusy) as caught:
        leases.take(FLOW, SECOND, "extract")
    assert 0 < caught.value.wait_seconds <= 300
    # it is kept so: the next that asks does not begin to count anew
    with pytest.raises(FlowBusy) as later:
        leases.take(FLOW, SECOND, "extract")
    assert later.value.wait_seconds <= caught.value.wait_seconds


def test_the_parts_of_a_run_share_its_lease(leases: SqlLeases) -> None:
    tokens = {leases.take(FLOW, FIRST, f"load, part {number}").token for number in range(3)}
    assert {1} == tokens


def test_flows_and_pairs_do_not_wait_for_each_other(engine: Engine, leases: SqlLeases) -> None:
    leases.take(FLOW, FIRST, "load")
    leases.take("customers", SECOND, "load")
    SqlLeases(engine, "a>c", timedelta(minutes=5)).take(FLOW, SECOND, "load")


def test_what_is_given_back_or_has_expired_is_taken(engine: Engine, leases: SqlLeases) -> None:
    first = leases.take(FLOW, FIRST, "settle")
    leases.release(first)
    second = leases.take(FLOW, SECOND, "extract")
    expire(engine)
    tokens = [first.token, second.token, leases.take(FLOW, at("third"), "extract").token]
    assert tokens == sorted(set(tokens))


def test_a_renewed_lease_lasts(engine: Engine, leases: SqlLeases) -> None:
    held = leases.take(FLOW, FIRST, "load")
    expire(engine)
    leases.renew(held)
    with pytest.raises(FlowBusy):
        leases.take(FLOW, SECOND, "extract")


def test_a_run_that_is_begun_anew_takes_over_from_itself_and_not_the_other_way(leases: SqlLeases) -> None:
    old = leases.take(FLOW, at("run"), "load")
    leases.take(FLOW, at("run", 9), "extract")
    for late in (lambda: leases.renew(old), lambda: leases.take(FLOW, at("run"), "load")):
        with pytest.raises(LeaseLost, match="run run was begun anew"):
            late()


def test_of_two_tries_of_a_task_the_later_one_writes(leases: SqlLeases) -> None:
    zombie = leases.take(FLOW, FIRST, "load, part 1")
    other = leases.take(FLOW, FIRST, "load, part 2")
    late = leases.take(FLOW, FIRST, "load, part 1")
    with pytest.raises(LeaseLost, match="a later try of load, part 1 has taken over"):
        leases.renew(zombie)
    leases.renew(late)
    leases.renew(other)


def test_a_try_that_was_given_up_writes_nothing_after_the_end_of_its_run(leases: SqlLeases) -> None:
    zombie = leases.take(FLOW, FIRST, "load")
    leases.release(leases.take(FLOW, FIRST, "settle"))
    with pytest.raises(LeaseLost, match="has ended meanwhile"):
        leases.renew(zombie)
    # nor does it after the same work of another run
    leases.take(FLOW, SECOND, "load")
    with pytest.raises(LeaseLost, match="run second has taken over"):
        leases.release(zombie)


def test_of_many_that_ask_at_once_one_gets_it(leases: SqlLeases) -> None:
    together = threading.Barrier(6)

    def ask(number: int) -> Lease | None:
        together.wait()
        try:
            return leases.take(FLOW, at(f"run {number}"), "extract")
        except FlowBusy:
            return None

    with ThreadPoolExecutor(6) as pool:
        found = [each for each in pool.map(ask, range(6)) if each]
    assert [1] == [each.token for each in found]


EVENT = RecordEvent("1", FIRST, "load", EventOutcome.CREATED, NOON)
RUN = RunSummary("first", FLOW, "manual", "done", None, "v", Counts(), Calls(), {}, NOON)
BOUND = Binding(FLOW, "Order", "1", "1", "T1", "print", FIRST, FIRST)
CONFLICT = FieldConflict(
    flow=FLOW, object="Order", key="1", target_id="T1", field="Name", run="first", winner="manual",
    source_value="a", target_value="b", source_at=None, target_at=None, at=NOON, found_by=FLOW,
    source_by="", target_by="",
)  # fmt: skip
WRITES: dict[str, Callable[[Engine], object]] = {
    "crosswalk": lambda state: SqlCrosswalk(state).bind([BOUND]),
    "unbind": lambda state: SqlCrosswalk(state).unbind([BOUND]),
    "letters": lambda state: SqlDeadLetters(state).keep(
        FLOW, "first", "v", [(Rejection("1", Stage.LOAD, "no"), b"{}")]
    ),
    "letters closed": lambda state: SqlDeadLetters(state).resolve(FLOW, FIRST, ["1"]),
    "ledger and watermark": lambda state: SqlLedger(state).record(RUN, NOON),
    "mark": lambda state: SqlLedger(state).advance(),
    "intents": lambda state: SqlIntents(state).begin([Intent(FLOW, "Order", "1", "d", "first")]),
    "answers": lambda state: SqlIntents(state).confirm([Intent(FLOW, "Order", "1", "d", "first")]),
    "events": lambda state: SqlRecordEvents(state).record(FLOW, [EVENT]),
    "conflicts": lambda state: SqlConflicts(state).record([CONFLICT]),
    "bases": lambda state: SqlBases(state, "").agree(FLOW, FLOW, {("Order", "1"): {"Name": "a"}}),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_stale_holder_writes_nothing(engine: Engine, leases: SqlLeases, what: str) -> None:
    def content() -> list[object]:
        kept = [table for table in tables.metadata.sorted_tables if table is not tables.lease]
        with writing(engine) as connection:
            return [tuple(row) for table in kept for row in connection.execute(sa.select(table))]

    held = leases.take(FLOW, FIRST, "load")
    SqlLedger(engine).mark()
    with fencing(engine, lambda connection: leases.check(connection, held)):
        expire(engine)
        # nobody has taken over, so nothing is lost
        WRITES[what](engine)
        leases.take(FLOW, SECOND, "extract")
        before = content()
        with pytest.raises(LeaseLost, match="run first was silent .* run second has taken over"):
            WRITES[what](engine)
    assert before == content()


def test_who_takes_over_waits_for_a_transaction_that_has_begun(engine: Engine, leases: SqlLeases) -> None:
    held = leases.take(FLOW, FIRST, "load")
    expire(engine)
    ledger = SqlLedger(engine)
    with (
        ThreadPoolExecutor(1) as pool,
        fencing(engine, lambda connection: leases.check(connection, held)),
        ledger.transaction(),
    ):
        ledger.advance()
        another = pool.submit(leases.take, FLOW, SECOND, "extract")
        with pytest.raises(TimeoutError):
            another.result(timeout=0.2)
        ledger.record(RUN, NOON)
    assert (2, NOON) == (another.result().token, ledger.watermark(FLOW))
