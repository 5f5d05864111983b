"""An outage of a day in a minute or two, and a scheduler that dies: a real scheduler, nobody helps, no run fails.

The outage is shortened by its settings alone. Alerts go through a channel that is down as well, which changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from airflow_provider_brightpearl.compat import airflow_version
from tests.system.conftest import Site, _listens, wait_until

FLOWS = ("orders_to_salesforce", "customers_to_salesforce", "products_to_salesforce")
DAGS = """
from pathlib import Path

from airflow_provider_brightpearl.dag import sync_dag


def broken(context):
    raise ConnectionError("no route to the pager")


def heard(context):
    with Path({heard!r}).open("a") as file:
        file.write(context["alert"].text + "\\n")


for flow in {flows!r}:
    globals()[flow] = sync_dag(flow, schedule="* * * * *", on_alert=[broken, heard])
"""
ON_AIRFLOW_3 = airflow_version() >= (3, 0)
# looks of an outage of a day are five minutes apart; here, as close as Airflow lets a task come back
LOOKS, LOOK_SECONDS = 4, 20

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]


@pytest.fixture(autouse=True)
def only_in_the_long_profile(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("sync_profile") == "short":
        pytest.skip("only in the long profile")


@pytest.fixture
def flows(site: Site) -> Site:
    site.keep_dags()
    site.env |= {
        "AIRFLOW__BRIGHTPEARL__OUTAGE_LOOK_SECONDS": str(LOOK_SECONDS),
        "AIRFLOW__BRIGHTPEARL__OUTAGE_LONGEST_LOOK_SECONDS": str(LOOK_SECONDS),
        "AIRFLOW__BRIGHTPEARL__OUTAGE_ALERT_MINUTES": "1",
        "AIRFLOW__BRIGHTPEARL__LEASE_SECONDS": "30",
        # how soon a task is missed whose worker died; the retry that it costs
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "5",
    }
    if ON_AIRFLOW_3:
        site.warm()
    (site.home / "dags" / "flows.py").write_text(
        DAGS.format(heard=str(site.home / "heard"), flows=FLOWS), encoding="utf-8"
    )
    return site


@contextmanager
def others(site: Site) -> Iterator[None]:
    """What Airflow 3 needs beside its scheduler."""
    with ExitStack() as running:
        if ON_AIRFLOW_3:
            running.enter_context(site.component("api-server"))
            wait_until(lambda: _listens(int(site.env["AIRFLOW__API__PORT"])))
            running.enter_context(site.component("dag-processor"))
            running.enter_context(site.component("triggerer"))
        yield


def test_an_outage_of_a_day_needs_nobody(flows: Site, sandbox: Any) -> None:
    fault = {"system": "brightpearl", "status": 502, "times": 0, "body": "<html>down</html>"}
    sandbox.control("POST", "/faults", fault)
    with others(flows):
        with flows.component("scheduler"):
            wait_until(lambda: len(waiting(flows)) == len(FLOWS))
            began = calls(sandbox)
            wait_until(lambda: calls(sandbox) >= began + LOOKS and "still down" in heard(flows))
        # whoever waits is not forgotten with its scheduler
        with flows.component("scheduler"):
            back = calls(sandbox) + 1
            wait_until(lambda: calls(sandbox) >= back)
            sandbox.control("DELETE", "/faults")
            wait_until(lambda: all_arrived(flows))
    assert [] == flows.rows("airflow.db", "SELECT * FROM dag_run WHERE state = 'failed'")
    runs = ", ".join(f"'{flows.ledger(flow)[0]['run']}'" for flow in FLOWS)
    tries = f"SELECT DISTINCT try_number FROM task_instance WHERE task_id = 'extract' AND run_id IN ({runs})"
    assert [{"try_number": 1}] == flows.rows("airflow.db", tries), "an outage takes no retry"
    said = [
        line for line in heard(flows).splitlines() if line.startswith("Brightpearl (brightpearl_default) ")
    ]
    assert ["is down", "is still down", "answers again"] == [
        line.partition(") ")[2].split(",")[0] for line in said
    ]
    order = heard(flows).partition("starts now, in this order:\n")[2].splitlines()[: len(FLOWS)]
    assert order[-1].startswith(f"- {FLOWS[0]}"), "what follows others starts last"
    logs = "".join(path.read_text(errors="replace") for path in (flows.home / "logs").rglob("*.log"))
    assert logs.count("did not send the alert") >= len(said)


def test_a_scheduler_that_dies_in_the_middle_of_a_run_leaves_nothing_twice(flows: Site, sandbox: Any) -> None:
    # so slow that it dies in the middle of a load
    slow = {"system": "salesforce", "path": "/composite|/jobs/ingest", "delay_seconds": 15, "times": 3}
    sandbox.control("POST", "/faults", slow)
    with others(flows):
        with flows.component("scheduler"):
            wait_until(lambda: "load" in at_work(flows))
            time.sleep(1)
        with flows.component("scheduler"):
            wait_until(lambda: all_arrived(flows))
    for name, key in (("Account", "Brightpearl_Id__c"), ("Order", "Brightpearl_Order_Id__c")):
        ids = [row[key] for row in sandbox.snapshot("salesforce", name) if row.get(key)]
        assert ids and len(ids) == len(set(ids)), name
    for flow in FLOWS:
        run = next(each for each in flows.ledger(flow) if each["state"] == "done")
        outcomes = sum(run[name] for name in ("created", "updated", "unchanged", "rejected", "parked"))
        assert (run["extracted"], 0) == (outcomes, run["rejected"])


def waiting(site: Site) -> set[str]:
    """DAGs with a task that waits for a system."""
    states = ("deferred", "up_for_reschedule")
    return {
        row["dag_id"]
        for row in site.rows("airflow.db", f"SELECT * FROM task_instance WHERE state IN {states}")
    }


def at_work(site: Site) -> set[str]:
    """Tasks that run."""
    found = site.rows("airflow.db", "SELECT task_id FROM task_instance WHERE state = 'running'")
    return {row["task_id"] for row in found}


def all_arrived(site: Site) -> bool:
    """Whether all flows went through, the orders also that ran ahead of their customers."""
    if not (site.home / "brightpearl" / "state.db").exists():
        return False
    done = {flow: [run for run in site.ledger(flow) if run["state"] == "done"] for flow in FLOWS}
    orders = done[FLOWS[0]]
    return all(done.values()) and orders[0]["extracted"] == sum(run["created"] for run in orders)


def calls(sandbox: Any) -> int:
    found: int = sandbox.counts().get("brightpearl", 0)
    return found


def heard(site: Site) -> str:
    """The texts of all alerts."""
    file = site.home / "heard"
    return file.read_text(encoding="utf-8") if file.exists() else ""
