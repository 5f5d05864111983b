"""The starter DAGs, run whole against the sandbox."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from airflow_provider_brightpearl import example_dags
from airflow_provider_brightpearl.compat import airflow_version

FLOWS = ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce")

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.mark.skipif(airflow_version() >= (3, 0), reason="the demonstration runs them all on Airflow 3")
def test_the_starter_dags_move_every_record_once_and_then_find_nothing_new(site, sandbox):
    site.keep_dags(*(f"brightpearl_{flow}.py" for flow in FLOWS))
    for flow in FLOWS:
        site.run("airflow", "dags", "test", flow)
    runs = {flow: site.ledger(flow)[0] for flow in FLOWS}
    assert {flow: "done" for flow in FLOWS} == {flow: run["state"] for flow, run in runs.items()}
    orders = [each for each in sandbox.snapshot("brightpearl", "order")]
    assert runs["orders_to_salesforce"]["created"] == len(list(sandbox.snapshot("salesforce", "Order")))
    assert runs["orders_to_salesforce"]["extracted"] <= len(orders)
    money = json.loads(runs["orders_to_salesforce"]["money"])
    assert money["extracted"] == money["loaded"]
    before = list(sandbox.snapshot("salesforce", "Account"))
    output = site.run("airflow", "dags", "test", "customers_to_salesforce")
    assert before == list(sandbox.snapshot("salesforce", "Account"))
    first, second = sorted(site.ledger("customers_to_salesforce"), key=lambda run: run["started_at"])
    assert (first["extracted"] > 0, 0, 0) == (True, second["created"], second["updated"])
    assert "Traceback" not in output


def test_the_example_of_flows_in_a_dag_of_ones_own(site, sandbox):
    site.keep_dags()
    example = Path(str(example_dags.__file__)).with_name("example_flow_operator.py")
    shutil.copy(example, site.home / "dags")
    site.run("airflow", "dags", "test", "example_brightpearl_flows", "-c", '{"ids": ["100001"]}')
    [orders] = site.ledger("orders_to_salesforce")
    assert ("done", 1) == (orders["state"], orders["extracted"])
    assert orders["run"].startswith("example_brightpearl_flows.orders/manual__")
    assert ["done"] == [run["state"] for run in site.ledger("customers_to_salesforce")]
    links = site.rows(
        "airflow.db", "SELECT key FROM xcom WHERE task_id = 'orders' AND key LIKE 'brightpearl_%'"
    )
    assert {"brightpearl_gate_report", "brightpearl_run_summary"} <= {row["key"] for row in links}


def test_a_task_that_cannot_log_in_says_so_and_fails_at_once(site):
    site.keep_dags("brightpearl_customers_to_salesforce.py")
    site.env["AIRFLOW_CONN_BRIGHTPEARL_DEFAULT"] = site.env["AIRFLOW_CONN_BRIGHTPEARL_DEFAULT"].replace(
        "sandbox-staff-token", "wrong"
    )
    with pytest.raises(AssertionError) as raised:
        site.run("airflow", "dags", "test", "customers_to_salesforce")
    output = str(raised.value)
    assert "customers_to_salesforce: extract failed" in output
    assert "401" in output
    assert "wrong" not in output
