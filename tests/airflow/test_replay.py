"""Replaying dead letters from a DAG, against the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.core.reports import attempt_of
from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.dag import replay_dag
from airflow_provider_brightpearl.environment import airflow_environment, breakers, state_engine
from airflow_provider_brightpearl.operators import replay as replaying
from airflow_provider_brightpearl.runtime.desk import letters_to_replay
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.leases import SqlLeases
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from tests.airflow.place import connect_airflow
from tests.airflow.tasks import context_of
from tests.airflow.test_dag import assert_nothing_heavy
from tests.airflow.test_outages import context, down, waits

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"
FLOW = "customers_to_salesforce"


def replayed(dag: Any, run: str = "manual__1", **params: Any) -> Any:
    [task] = dag.tasks
    return task.execute({**context_of(task), "run_id": run, "params": params})


def test_its_form_and_what_it_needs() -> None:
    dag = replay_dag(is_paused_upon_creation=False)
    assert ("brightpearl_replay", 1, False) == (dag.dag_id, dag.max_active_runs, dag.catchup)
    assert {"ids": None, "group": None, "flow": None, "all": False} == {
        name: dag.params.get_param(name).value for name in dag.params
    }
    with pytest.raises(compat.AirflowFailException, match="say what to replay: ids, a group, a flow, or all"):
        replayed(dag, ids=None, group=None, flow=None, all=False)


def test_parsing_its_dag_file_imports_nothing_heavy(run) -> None:
    assert_nothing_heavy(run, "dag.replay_dag()")


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(customers=4, products=2, orders=1, seed=3) as sandbox:
        connect_airflow(sandbox, tmp_path, monkeypatch)
        monkeypatch.setattr(replaying, "BUSY_PAUSE", 0.0)
        monkeypatch.setattr(Backoff.__init__, "__defaults__", (4, 0.01, 2.0, 0.1, 20, 300.0))
        yield sandbox


def spoil(sandbox: Sandbox, entity: str, change: dict[str, Any]) -> Callable[[], object]:
    """Has the first record of Brightpearl refused; returns what mends it."""
    record = sandbox.snapshot("brightpearl", entity)[0]
    path = f"/brightpearl/{entity}/{record.get('contactId') or record['id']}"
    sandbox.control("PATCH", path, change)
    return lambda: sandbox.control("PATCH", path, {name: record[name] for name in change})


def run(flow: str) -> None:
    run_flow(Wiring.of(flow, airflow_environment(MAPPINGS)), Request(RunKind.MANUAL), f"first {flow}")


@pytest.mark.slow
def test_a_group_goes_through_once_its_cause_is_gone(sandbox: Sandbox) -> None:
    environment = airflow_environment(MAPPINGS)
    mend = spoil(sandbox, "contact", {"communication": "nobody"})
    run(FLOW)
    [letter] = letters_to_replay(environment)
    dag = replay_dag(mappings=MAPPINGS)
    with pytest.raises(
        compat.AirflowFailException,
        match="1 of 1 letters still wait: .* was tried first and did not go through: .*n",
    ):
        replayed(dag, group=letter.group, run="manual__1")
    mend()
    [done] = replayed(dag, ids=[letter.id], run="manual__2")["groups"]
    assert (FLOW, letter.group, 1, 0) == (done["flow"], done["group"], done["closed"], done["left"])
    assert [] == letters_to_replay(environment)


@pytest.mark.slow
def test_it_waits_for_a_busy_flow_and_for_a_system_and_does_nothing_twice(sandbox: Sandbox) -> None:
    environment, products = airflow_environment(MAPPINGS), "products_to_salesforce"
    mended = [
        spoil(sandbox, "contact", {"communication": "nobody"}), spoil(sandbox, "product", {"identity": 7}),
    ]  # fmt: skip
    run(FLOW)
    run(products)
    assert {FLOW, products} == {each.flow for each in letters_to_replay(environment)}
    for mend in mended:
        mend()
    begun = SimpleNamespace(start_date=datetime.now(UTC))
    leases = SqlLeases(state_engine(), Wiring.of(FLOW, environment).pair, timedelta(minutes=5))
    held = leases.take(FLOW, attempt_of("another", datetime.now(UTC)), "load")
    [task] = replay_dag(mappings=MAPPINGS).tasks
    asked = {**context(task), "dag_run": begun, "params": {"all": True}}

    waits(task, asked)
    assert [FLOW] == [each.flow for each in letters_to_replay(environment)], "the other flow need not wait"
    leases.release(held)
    down(sandbox, "brightpearl")
    waits(task, asked)
    sandbox.control("DELETE", "/faults")
    breakers().answers(breakers().open_ones()[0].address, 0)
    found = task.execute(asked)["groups"]
    assert {(FLOW, 1, 0), (products, 1, 0)} == {
        (each["flow"], each["closed"], each["left"]) for each in found
    }
    for flow in (FLOW, products):
        states = [
            each.state for each in SqlLedger(state_engine()).runs(flow) if each.run.startswith("manual__1.")
        ]
        assert ["done"] == states, flow


@pytest.mark.slow
def test_a_group_whose_first_record_failed_is_not_tried_again_after_the_wait(sandbox: Sandbox) -> None:
    environment, products = airflow_environment(MAPPINGS), "products_to_salesforce"
    for each in sandbox.snapshot("brightpearl", "contact"):
        sandbox.control("PATCH", f"/brightpearl/contact/{each['contactId']}", {"communication": "nobody"})
    spoil(sandbox, "product", {"identity": 7})
    run(FLOW)
    run(products)
    leases = SqlLeases(state_engine(), Wiring.of(products, environment).pair, timedelta(minutes=5))
    held = leases.take(products, attempt_of("another", datetime.now(UTC)), "load")
    [task] = replay_dag(mappings=MAPPINGS).tasks
    asked = {**context(task), "params": {"all": True}}
    for _ in range(2):
        waits(task, asked)
    leases.release(held)
    with pytest.raises(compat.AirflowFailException, match="were left as they are"):
        task.execute(asked)
    names = [each.run for each in SqlLedger(state_engine()).runs(FLOW) if each.run.startswith("manual__1.")]
    assert 1 == len(names), names
