"""Flows that events run from a DAG, against the sandbox."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.alerts import Alert
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.core.inbox import InboxEvent
from airflow_provider_brightpearl.dag import events_dag
from airflow_provider_brightpearl.environment import state_engine
from airflow_provider_brightpearl.errors import FlowBusy, Misconfigured, Unavailable
from airflow_provider_brightpearl.operators import events as events_operator
from airflow_provider_brightpearl.runtime.events import EventRunner, group_leases
from airflow_provider_brightpearl.runtime.lease import holding_lease
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.inbox import SqlInbox
from airflow_provider_brightpearl.triggers.inbox import InboxTrigger
from tests.airflow.place import connect_airflow
from tests.airflow.tasks import context_of
from tests.airflow.test_dag import assert_nothing_heavy

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"
FLOW = "customers_to_salesforce"
GROUP = "brightpearl_events"


def told(*ids: str) -> None:
    event = InboxEvent("brightpearl", "brightpearl_default", "contact", ("contacts",), ids)
    SqlInbox(state_engine()).store([event])


def fires(trigger: InboxTrigger, within: float = 1.0) -> bool:
    async def first() -> object:
        return await anext(trigger.run())

    async def limited() -> bool:
        try:
            return bool(await asyncio.wait_for(first(), within))
        except TimeoutError:
            return False

    return asyncio.run(limited())


def test_its_dag_waits_for_events_of_all_flows_that_say_so() -> None:
    dag = events_dag(mappings=MAPPINGS)
    assert (GROUP, 1, False) == (dag.dag_id, dag.max_active_runs, dag.catchup)
    task = dag.get_task("process")
    assert {FLOW, "orders_to_infor"} < {*task.flows}
    assert "inventory_to_infor" not in task.flows
    assert [each.task_id for each in task.upstream_list] == ([] if airflow_version() >= (3, 0) else ["wait"])


def test_a_flow_that_events_do_not_run_is_refused(mappings: Path) -> None:
    with pytest.raises(Misconfigured, match="orders_to_salesforce.yaml: says no events: true"):
        events_dag(["orders_to_salesforce"], mappings=mappings)


def test_parsing_its_dag_file_imports_nothing_heavy(run) -> None:
    assert_nothing_heavy(run, "dag.events_dag()")


def test_the_trigger_fires_for_its_own_flows_and_while_nobody_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(customers=1, products=1, orders=1, seed=3) as sandbox:
        connect_airflow(sandbox, tmp_path, monkeypatch)

        def trigger(conn_id: str | None = None) -> InboxTrigger:
            return InboxTrigger(GROUP, [FLOW], ["brightpearl"], conn_id, 0.05, once=True)

        path, arguments = trigger().serialize()
        assert path.endswith("triggers.inbox.InboxTrigger")
        assert not fires(InboxTrigger(**arguments), 0.3)
        told("1")
        assert fires(trigger(), 10)
        assert not fires(trigger("brightpearl_uk"), 0.3)
        leases = group_leases(state_engine())
        with holding_lease(leases, GROUP, "run 1"):
            assert not fires(trigger(), 0.3)
            with pytest.raises(FlowBusy, match="run 1 is writing"), holding_lease(leases, GROUP, "run 2"):
                pass
        assert fires(trigger(), 10)


@pytest.mark.slow
def test_its_task_processes_what_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(customers=4, products=1, orders=1, seed=3) as sandbox:
        connect_airflow(sandbox, tmp_path, monkeypatch)
        contact = str(sandbox.snapshot("brightpearl", "contact")[0]["contactId"])
        told(contact)
        told(contact)
        task = events_dag(mappings=MAPPINGS, linger=0).get_task("process")
        began = datetime.now(UTC)

        done = task.execute({**context_of(task), "run_id": "asset__1"})

        once = {FLOW: 1, "customers_to_infor": 1}
        assert (once, once, []) == (done["runs"], done["records"], done["aside"])
        accounts = sandbox.snapshot("salesforce", "Account")
        assert [contact] == [row["Brightpearl_Id__c"] for row in accounts if row.get("Brightpearl_Id__c")]
        status = shown("status")
        assert "nothing waits" in status
        assert FLOW in status
        assert "1 record will be processed again" in shown("replay", "--from", began.isoformat())


def test_what_is_set_aside_is_announced_also_where_the_task_fails_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def process(runner: EventRunner, *_times: object) -> None:
        runner.report.aside.append((FLOW, "7", "no answer"))
        raise Unavailable("the state database does not answer")

    alerts: list[Alert] = []
    monkeypatch.setattr(EventRunner, "process", process)
    monkeypatch.setattr(events_operator, "announce", lambda alert, *_others: alerts.append(alert))
    with Sandbox(customers=1, products=1, orders=1, seed=3) as sandbox:
        connect_airflow(sandbox, tmp_path, monkeypatch)
        task = events_dag(mappings=MAPPINGS, linger=0).get_task("process")
        with pytest.raises(Unavailable):
            task.execute({**context_of(task), "run_id": "asset__1"})

    assert ["events: 1 records set aside"] == [each.subject for each in alerts]


def shown(*arguments: str) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["events", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
