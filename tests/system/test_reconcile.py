"""The reconciliation DAG on a real Airflow: drift that was made by hand is found, repaired, and then gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from simple_salesforce import Salesforce

from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from tests.flows.site import Site as Flows
from tests.system.conftest import Site

FLOWS = ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce")
DAG = """
from airflow_provider_brightpearl.dag import reconcile_dag

reconcile = reconcile_dag({flows!r}, default_args={{"retries": 0}})
"""
KEY = "Brightpearl_Order_Id__c"
COLUMNS = ("state", "missing", "differing", "deleted", "repaired")

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def _client(sandbox) -> SalesforceClient:
    session = new_session(endpoint_override=sandbox.url)
    login = {"consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret"}
    return SalesforceClient(Salesforce(**login, domain="acme.my", session=session))


def _found(site: Site) -> dict[str, Any]:
    """The newest result."""
    return site.rows("brightpearl/state.db", "SELECT * FROM bp_reconciliation ORDER BY started_at")[-1]


def _spoil(sandbox) -> tuple[dict[str, object], dict[str, object], str]:
    """An order deleted in Salesforce, one with another amount there, and one deleted in Brightpearl."""
    orders = sorted(sandbox.snapshot("salesforce", "Order"), key=lambda row: int(row[KEY]))
    lost, changed, deleted = orders[-2], orders[-4], orders[-6][KEY]
    client = _client(sandbox)
    draft = [json.dumps({KEY: lost[KEY], "Status": "Draft"})]
    draft += [json.dumps({KEY: changed[KEY], "Status": "Draft", "Net__c": 1})]
    assert all(answer.success for answer in client.upsert("Order", KEY, draft))
    assert client.delete([lost["Id"]])[0].success
    sandbox.control("DELETE", f"/brightpearl/order/{deleted}")
    return lost, changed, deleted


def test_drift_is_found_reported_repaired_and_gone(site, sandbox):
    flows = Flows(sandbox, site.home / "brightpearl")
    for flow in FLOWS:
        flows.run(flow)
    site.keep_dags()
    (site.home / "dags" / "brightpearl_reconcile.py").write_text(DAG.format(flows=["orders_to_salesforce"]))
    lost, changed, deleted = _spoil(sandbox)
    spoilt = list(sandbox.snapshot("salesforce", "Order"))

    with pytest.raises(AssertionError) as raised:
        site.run("airflow", "dags", "test", "brightpearl_reconcile", "-c", '{"max_repair": 1}')
    assert "2 records differ, more than the 1 that are repaired without being asked" in str(raised.value)
    assert "compare_orders_to_salesforce failed" in str(raised.value)
    assert "over_limit" == _found(site)["state"]
    assert spoilt == list(sandbox.snapshot("salesforce", "Order"))

    output = site.run("airflow", "dags", "test", "brightpearl_reconcile")
    found = _found(site)
    assert ("repaired", 1, 1, 1, 2) == tuple(found[name] for name in COLUMNS)
    ids = json.loads(found["ids"])
    assert ([lost[KEY]], [changed[KEY]], [deleted]) == (ids["missing"], ids["differing"], ids["deleted"])
    assert f"1 in the source, not in the target: {lost[KEY]}" in output
    assert f"1 in the target, deleted at the source: {deleted}" in output
    pages = (site.home / "brightpearl" / "staging").rglob("reconciliation.html")
    assert any(lost[KEY] in page.read_text() for page in pages)

    after = {row[KEY]: row for row in sandbox.snapshot("salesforce", "Order")}
    for row in (lost, changed):
        assert (row["Net__c"], row["Status"]) == tuple(after[row[KEY]][name] for name in ("Net__c", "Status"))
    assert lost["Id"] != after[lost[KEY]]["Id"]
    assert deleted in after

    site.run("airflow", "dags", "test", "brightpearl_reconcile")
    assert ("needs_review", 0, 0, 1, 0) == tuple(_found(site)[name] for name in COLUMNS)

    shown = site.run("brightpearl", "reconcile", "orders_to_salesforce", "--full-resync")
    assert "orders_to_salesforce: needs_review" in shown
    assert deleted in shown
