"""The task that writes back, against the sandbox, as a worker runs it behind ``settle``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.environment import airflow_environment, state_engine
from airflow_provider_brightpearl.errors import RetryLater
from airflow_provider_brightpearl.operators.stages import WriteBackOperator
from airflow_provider_brightpearl.pipeline import write_back
from airflow_provider_brightpearl.runtime import run
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from tests.airflow.place import connect_airflow
from tests.airflow.tasks import context_of

MAPPINGS = str(Path(__file__).parents[2] / "include" / "mappings")
FLOW = "orders_to_infor"

pytestmark = pytest.mark.slow


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(customers=4, products=4, orders=5, days=10, seed=3) as sandbox:
        connect_airflow(sandbox, tmp_path, monkeypatch)
        yield sandbox


def wiring(flow: str) -> Wiring:
    return Wiring.of(flow, airflow_environment(MAPPINGS))


@pytest.fixture
def settled(sandbox: Sandbox) -> dict[str, Any]:
    """What the tasks before have left: a settled run, nothing written back."""
    for flow in ("customers_to_infor", "products_to_infor"):
        run.run_flow(wiring(flow), Request(RunKind.MANUAL), "before")
    ports = wiring(FLOW)
    extracted = run.extract(ports, Request(RunKind.MANUAL), "run 1")
    mapped = [run.transform(ports, extracted.run, part) for part in extracted.parts]
    judged = run.gate(ports, extracted.run, mapped)
    loads = [run.load(ports, extracted.run, part, judged) for part in mapped]
    summary = run.settle(ports, extracted.run, extracted.parts, mapped, judged, loads)
    plain: dict[str, Any] = json.loads(
        json.dumps({"summary": summary.as_dict(), "run": extracted.run.as_dict()})
    )
    return plain


def told(sandbox: Sandbox) -> set[str]:
    rows = sandbox.snapshot("brightpearl", "order")
    return {str(row["id"]) for row in rows if "PCF_M3ORDER" in row.get("customFields", {})}


def in_m3(sandbox: Sandbox) -> set[str]:
    return {row["CUOR"] for row in sandbox.snapshot("infor", "orders")}


def test_orders_are_written_back_and_a_second_run_of_the_task_has_nothing_to_do(
    sandbox: Sandbox, settled: dict[str, Any]
) -> None:
    assert set() == told(sandbox) != in_m3(sandbox)
    task = WriteBackOperator(task_id="write_back", flow=FLOW, mappings=MAPPINGS, **settled)
    summary = RunSummary.from_dict(task.execute(context_of(task)))
    assert in_m3(sandbox) == told(sandbox)
    assert summary.write_back is not None
    assert len(told(sandbox)) == summary.write_back.delivered
    [row] = SqlLedger(state_engine()).runs(FLOW)
    assert ("done", summary.calls) == (row.state, row.calls)
    pushed: dict[str, Any] = {}
    with pytest.raises(compat.AirflowSkipException, match="nothing to write back"):
        task.execute(context_of(task, pushed))
    assert settled["summary"]["counts"] == pushed["return_value"]["counts"]


def test_airflow_tries_again_while_the_run_stays_settled(
    sandbox: Sandbox, settled: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Airflow's next try is a minute later
    monkeypatch.setattr(write_back, "QUIET", timedelta(0))
    fault = {"system": "brightpearl", "path": "/public-api/acmetest/multi-message", "status": 503, "times": 1}
    sandbox.control("POST", "/faults", fault)
    task = WriteBackOperator(task_id="write_back", flow=FLOW, mappings=MAPPINGS, **settled)
    with pytest.raises(RetryLater):
        task.execute(context_of(task))
    [row] = SqlLedger(state_engine()).runs(FLOW)
    assert "done" == row.state
    assert "write-backs to brightpearl wait for the next run" in row.note
    task.execute(context_of(task))
    [row] = SqlLedger(state_engine()).runs(FLOW)
    assert ("done", "") == (row.state, row.note)
    assert in_m3(sandbox) == told(sandbox)
