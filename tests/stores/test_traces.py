"""What is found of a record over all tables, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.conflicts import FieldConflict
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.ports.stores import Binding, Intent
from airflow_provider_brightpearl.core.records import Calls, Counts, Rejection, Stage
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.stores.conflicts import SqlConflicts
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.trace import SqlTraces

NOW = datetime(2026, 4, 1, tzinfo=UTC)
PAIR, FLOW = "a:1>b:2", "orders"
OBJECTS = ("Order", "Line")


def ids(rows: list[dict[str, object]]) -> set[object]:
    return {row["key"] for row in rows}


def test_rows_are_found_by_each_of_their_ids_and_by_the_first_part_of_one(engine: Engine) -> None:
    def row(name: str, key: str, source_id: str, target_id: str) -> Binding:
        return Binding(FLOW, name, key, source_id, target_id, "print", "r1", "r1")

    rows = [
        row("Order", "SF-1", "1", "100|invoice"),
        row("Line", "5", "1", "7"),
        row("Order", "SF-2", "2", "1001|x"),
    ]
    SqlCrosswalk(engine, PAIR).bind(rows)
    SqlCrosswalk(engine, "a:1>c:3").bind(rows)
    traces = SqlTraces(engine)
    assert {"SF-1", "5"} == ids(traces.bindings(PAIR, FLOW, OBJECTS, source_ids=["1"]))
    assert {"SF-1"} == ids(traces.bindings(PAIR, FLOW, OBJECTS, keys=["SF-1"], target_ids=["100|invoice"]))
    assert {"5"} == ids(traces.bindings(PAIR, FLOW, OBJECTS, target_ids=["7", "100"]))
    assert {"SF-1"} == ids(traces.bindings(PAIR, FLOW, OBJECTS, parts_of=["100"]))
    # an id is no pattern
    assert set() == ids(traces.bindings(PAIR, FLOW, OBJECTS, parts_of=["10_", "%"], keys=["\x00"]))
    assert ["Line", "Order"] == sorted(traces.objects(PAIR, FLOW))


def test_what_is_kept_of_a_record_that_is_not_bound_is_found(engine: Engine) -> None:
    SqlRecordEvents(engine, PAIR).record(FLOW, [RecordEvent("1", "r1@", "load", EventOutcome.CREATED, NOW)])
    rejection = Rejection("2", Stage.TRANSFORM, "no customer")
    SqlDeadLetters(engine, lambda: NOW, PAIR).keep(FLOW, "r1", "v1", [(rejection, b'{"name":"Ann"}')])
    intents = SqlIntents(engine, lambda: NOW, PAIR)
    intents.begin([Intent(FLOW, "Order", key, "digest", "r1@") for key in ("SF-3", "SF-33", "3")])
    conflict = FieldConflict(FLOW, "Order", "4", "Name", "T4", "x", "y", "b", FLOW, "r1@", NOW, closed_at=NOW)
    SqlConflicts(engine, PAIR).record([conflict])
    traces = SqlTraces(engine)
    assert {"1", "2"} == traces.mentioned(PAIR, FLOW, ["1", "2", "3"])
    assert set() == traces.mentioned(PAIR, "products", ["1", "2"])
    assert [("created", NOW)] == [(each["outcome"], each["at"]) for each in traces.events(PAIR, FLOW, "1")]
    [letter] = traces.letters(PAIR, FLOW, "2")
    assert ("no customer", False) == (letter["reason"], "payload" in letter)
    assert {"3", "SF-3", "SF-33"} == ids(traces.intents(PAIR, FLOW, OBJECTS, ["3"], "3"))
    assert {"3"} == ids(traces.intents(PAIR, FLOW, OBJECTS, ["3"]))
    assert {"4"} == ids(traces.conflicts(PAIR, FLOW, ["4", "5"]))


def test_flows_are_known_by_their_runs_and_their_beginnings(engine: Engine) -> None:
    run = RunSummary("r1", FLOW, "manual", "done", None, "v1", Counts(), Calls(), {}, NOW, pair=PAIR)
    SqlLedger(engine).record(run)
    SqlLedger(engine).record(replace(run, run="r2"), watermark=NOW)
    SqlIntents(engine, pair="a:1>c:3").start("products")
    traces = SqlTraces(engine)
    assert {(PAIR, FLOW), ("a:1>c:3", "products")} == set(traces.flows())
    assert ["r2"] == [each["run"] for each in traces.runs(FLOW, ["r2", "r3"])]
