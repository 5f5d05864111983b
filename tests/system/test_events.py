"""From a change in Brightpearl to the value in Salesforce, by webhook, with a real Airflow."""

from __future__ import annotations

import json
import time
from functools import partial

import pytest

from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.system.conftest import Site, scheduler, wait_until

SECRET = "only-for-tests-and-long-enough-0123456789"
FLOWS = ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce")

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def there(sandbox: Sandbox, order: str) -> bool:
    return any(row.get("Brightpearl_Order_Id__c") == order for row in sandbox.snapshot("salesforce", "Order"))


@pytest.mark.skipif(
    airflow_version() < (3, 0), reason="its web server is started otherwise; tests/receiver has it"
)
def test_a_change_is_in_salesforce_within_seconds(site: Site, sandbox: Sandbox) -> None:
    connection = json.loads(site.env["AIRFLOW_CONN_BRIGHTPEARL_DEFAULT"])
    connection["extra"]["webhook_secrets"] = [SECRET]
    site.env["AIRFLOW_CONN_BRIGHTPEARL_DEFAULT"] = json.dumps(connection)
    site.keep_dags("brightpearl_events.py")
    (site.home / "dags" / "brightpearl_events.py").write_text(
        "from airflow_provider_brightpearl.dag import events_dag\n\n"
        f"dag = events_dag({list(FLOWS)}, linger=15, is_paused_upon_creation=False)\n"
    )
    site.warm()
    for flow in FLOWS[:2]:
        site.run("brightpearl", "run", flow)
    url = f"http://127.0.0.1:{site.env['AIRFLOW__API__PORT']}"
    with scheduler(site), site.component("dag-processor"):
        site.run("brightpearl", "account", "check", "--webhook-url", url, "--apply")
        wait_until(lambda: bool(site.rows("airflow.db", "SELECT 1 FROM trigger")))
        took = []
        for seed in range(4):
            began = time.monotonic()
            done = sandbox.control("POST", "/brightpearl/activity", {"orders_changed": 1, "seed": seed})
            (order,) = {str(order) for orders in done.values() for order in orders}
            wait_until(partial(there, sandbox, order))
            took.append(round(time.monotonic() - began, 1))
        print("seconds from the change to Salesforce:", took)
    assert SECRET not in (site.home / "api-server.log").read_text()
    kinds = {run["kind"] for run in site.ledger("orders_to_salesforce")}
    assert {"event"} == kinds
    mine = site.rows("brightpearl/state.db", "SELECT state FROM bp_inbox WHERE flow = 'orders_to_salesforce'")
    assert {"done"} == {row["state"] for row in mine}
    assert "orders_to_salesforce" in site.run("brightpearl", "events", "status")
