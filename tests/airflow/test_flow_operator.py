"""A whole flow as one task, against the sandbox, with connections as an Airflow has them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.environment import state_engine
from airflow_provider_brightpearl.operators.flow import (
    BrightpearlToInforOperator,
    BrightpearlToSalesforceOperator,
    FlowOperator,
)
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.tables import quota
from tests.airflow.place import connect_airflow
from tests.airflow.tasks import deferral_of, event_of

MAPPINGS = str(Path(__file__).parents[2] / "include" / "mappings")
CUSTOMERS = "customers_to_salesforce"
DAY = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with Sandbox(customers=8, products=4, orders=10, days=10, seed=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    world.reset()
    connect_airflow(world, tmp_path, monkeypatch)
    return world


class Instance:
    dag_id, task_id, run_id, try_number, map_index = "mine", "customers", "manual__1", 1, -1

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def xcom_pull(self, **_: Any) -> None:
        return None


def context_of(task: Any, run_type: str = "manual", **more: Any) -> dict[str, Any]:
    run = SimpleNamespace(run_type=run_type, conf={})
    return {"ti": Instance(), "task": task, "run_id": "manual__1", "dag_run": run, "params": {}} | more


def operator(kind: type[FlowOperator] = FlowOperator, **arguments: Any) -> FlowOperator:
    return kind(task_id="customers", **{"flow": CUSTOMERS, "mappings": MAPPINGS} | arguments)


def test_the_daily_limit_is_waited_for_without_a_worker(sandbox):
    task = operator(deferrable=True)
    sandbox.control("POST", "/settings/salesforce", {"daily_api_limit": 1, "daily_api_used": 1})
    deferral = deferral_of(task, context_of(task))
    left = deferral.trigger.until - time.time()
    assert 3500 < left <= 3600
    sandbox.control("POST", "/settings/salesforce", {"daily_api_limit": 100_000})
    # an hour later
    with writing(state_engine()) as connection:
        connection.execute(quota.update().values(reported_at=datetime.now(UTC) - timedelta(hours=1)))
    again = operator(deferrable=True)
    summary = getattr(again, deferral.method_name)(context_of(again), event_of(deferral, outcome="over"))
    assert 0 < summary["counts"]["created"] == summary["counts"]["extracted"]


def test_a_limit_of_a_day_uses_up_no_retry_and_is_announced_once(sandbox):
    told: list[str] = []

    def tell(*given):
        told.append(repr(given))

    sandbox.control("POST", "/settings/salesforce", {"daily_api_limit": 100, "daily_api_used": 96})
    for _ in range(2):
        task = operator(deferrable=False, on_alert=[tell])
        with pytest.raises(BaseException) as raised:
            task.execute(context_of(task))
        again = "TaskDeferred" if compat.airflow_version() >= (3, 0) else "AirflowRescheduleException"
        assert again == type(raised.value).__name__, raised.value
    sandbox.control("DELETE", "/settings/salesforce")
    assert 1 == len(told)
    assert "Salesforce takes no more calls before" in told[0]


def test_a_run_is_the_dags_run_with_ledger_and_watermark(sandbox):
    task = operator(BrightpearlToSalesforceOperator)
    summary = task.execute(context_of(task))
    assert json.loads(json.dumps(summary)) == summary
    created = summary["counts"]["created"]
    assert (CUSTOMERS, "done", "mine.customers/manual__1") == (
        summary["flow"], summary["state"], summary["run"],
    )  # fmt: skip
    accounts = [row for row in sandbox.snapshot("salesforce", "Account") if row.get("Brightpearl_Id__c")]
    assert created == len(accounts) > 0
    ledger = SqlLedger(state_engine())
    (run,) = ledger.runs(CUSTOMERS)
    assert (created, "brightpearl:acmetest") == (run.counts.created, run.pair.partition(">")[0])
    assert ledger.watermark(CUSTOMERS, run.pair)


def test_nothing_new_is_skipped_with_its_summary_unless_switched_off(sandbox):
    window: dict[str, Any] = {"start": "1999-01-01", "end": "1999-01-02"}
    task = operator(**window)
    context = context_of(task)
    with pytest.raises(compat.AirflowSkipException, match="nothing new"):
        task.execute(context)
    assert 0 == context["ti"].pushed["return_value"]["counts"]["extracted"]
    task = operator(**window, skip_if_empty=False)
    assert 0 == task.execute(context_of(task))["counts"]["extracted"]


@pytest.mark.parametrize("ids", [[], "[]", " ( ) "])
def test_an_empty_list_of_ids_is_not_everything(sandbox, ids):
    task = operator(ids=ids)
    with pytest.raises(compat.AirflowSkipException, match="no records were named"):
        task.execute(context_of(task))
    assert [] == SqlLedger(state_engine()).runs(CUSTOMERS)


def test_a_backfill_reads_its_interval_and_leaves_the_watermark(sandbox):
    task = operator(skip_if_empty=False)
    interval = {"data_interval_start": DAY[0], "data_interval_end": DAY[1]}
    summary = task.execute(context_of(task, "backfill", **interval))
    assert {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"} == summary["window"]
    ledger = SqlLedger(state_engine())
    assert None is ledger.watermark(CUSTOMERS, ledger.runs(CUSTOMERS)[0].pair)


@pytest.mark.parametrize("form", ["{}", "{},", "['{}']"])
def test_ids_also_as_templates_leave_them(sandbox, form):
    some = str(next(iter(sandbox.snapshot("brightpearl", "contact")))["contactId"])
    task = operator(ids=form.format(some), start="None", full_resync="False")
    assert 1 == task.execute(context_of(task))["counts"]["extracted"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"full_resync": "yes please"}, "full_resync: 'yes please' must be one of True, False"),
        ({"ids": "[1, 2"}, "write ids with commas"),
        ({"start": "yesterday"}, "from: 'yesterday' is not a valid timestamp"),
    ],
)
def test_what_cannot_be_read_stops_before_the_first_call(sandbox, arguments, said):
    task = operator(**arguments)
    with pytest.raises(compat.AirflowFailException, match=said.replace("[", r"\[")):
        task.execute(context_of(task))


def test_a_flow_to_another_system_is_refused_by_the_named_forms(sandbox):
    task = operator(BrightpearlToInforOperator)
    with pytest.raises(compat.AirflowFailException, match="takes flows with target infor, and that of"):
        task.execute(context_of(task))


def test_refused_credentials_fail_at_once(sandbox, monkeypatch):
    value = json.loads(str(os.environ["AIRFLOW_CONN_BRIGHTPEARL_DEFAULT"]))
    monkeypatch.setenv("AIRFLOW_CONN_BRIGHTPEARL_DEFAULT", json.dumps(value | {"password": "wrong"}))
    task = operator()
    with pytest.raises(compat.AirflowFailException, match="401"):
        task.execute(context_of(task))


def test_mapped_tasks_have_rows_of_their_own_in_the_ledger(sandbox):
    task = operator(start="1999-01-01", end="1999-01-02", skip_if_empty=False)
    context = context_of(task)
    context["ti"].map_index = 2
    assert "mine.customers[2]/manual__1" == task.execute(context)["run"]


def test_retries_are_those_of_the_flows_unless_given():
    with compat.DAG("retries", schedule=None, start_date=DAY[0], default_args={"retries": 7}):
        assert 7 == operator().retries
    with compat.DAG("no_retries", schedule=None, start_date=DAY[0]):
        assert (3, 0) == (operator().retries, FlowOperator(task_id="x", flow="f", retries=0).retries)


def test_the_flows_asset_is_updated_unless_its_name_is_templated():
    assert [f"brightpearl://flow/{CUSTOMERS}"] == [asset.uri for asset in operator().outlets]
    assert [] == list(operator(flow="{{ params.flow }}").outlets)
    assert [] == list(operator(outlets=[]).outlets)
