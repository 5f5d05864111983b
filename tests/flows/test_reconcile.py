"""Both systems compared, and small differences repaired through the flow's own stages."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.endpoints import reconciling, registry
from airflow_provider_brightpearl.endpoints.salesforce_listing import SalesforceListing
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.identity import identity_of
from airflow_provider_brightpearl.mapping.lookups import load_lookups
from airflow_provider_brightpearl.mapping.spec import FlowSpec, load_flow
from airflow_provider_brightpearl.pipeline import repair
from airflow_provider_brightpearl.pipeline.reconcile import Ports, reconcile
from airflow_provider_brightpearl.stores.staging import FileStaging
from tests.flows.site import Site

pytestmark = pytest.mark.slow

ORDERS = "orders_to_salesforce"


@dataclass
class Auditor:
    """Reconciles the flows of a site."""

    site: Site

    def flow(self, name: str, **changes: Any) -> FlowSpec:
        flow = load_flow(self.site.mappings / f"{name}.yaml")
        assert flow.reconcile
        return flow.model_copy(update={"reconcile": flow.reconcile.model_copy(update=changes)})

    def ports(self, flow: FlowSpec) -> Ports:
        clients = self.site._brightpearl(), self.site._salesforce()
        return Ports(
            reconciling.census(flow, clients[0]),
            reconciling.listing(flow, clients[1]),
            self.site.bindings,
            self.site.letters,
            FileStaging(str(self.site.folder / "staging"), flow.flow, "reconcile"),
        )

    def look(self, flow: FlowSpec, start: datetime | None = None) -> dict[str, Any]:
        bare, schema = identity_of(flow), registry.stream_schema(flow.source)
        watermark = self.site.ledger.watermark(flow.flow)
        assert watermark
        lookups = load_lookups(bare, self.site.mappings)
        return reconcile(
            flow,
            schema.id_column,
            Window(start, watermark),
            watermark,
            self.ports(flow),
            lambda folders: Mapper(bare, schema, lookups, self.site.bindings, folders),
        )

    def mend(self, flow: FlowSpec, found: dict[str, Any]) -> dict[str, Any]:
        ports = self.ports(flow)
        repair.drop(flow, found["forget"], ports)
        repair.forget(flow, found["repair"], ports)
        removed = repair.remove(flow, found["remove"], ports) if found["remove"] else (0, [])
        summary = self.site.run(flow.flow, ids=tuple(found["repair"])) if found["repair"] else {}
        return {"removed": removed, **summary}


@pytest.fixture
def auditor(site: Site) -> Auditor:
    return Auditor(site)


def test_after_a_sync_both_sides_agree_to_the_cent(auditor):
    for name in (ORDERS, "customers_to_salesforce", "products_to_salesforce"):
        found = auditor.look(auditor.flow(name))
        counts = found["counts"]
        assert "clean" == found["state"], (found, auditor.site.letters.top_reasons(name))
        assert 0 < counts["source"] == counts["matched"] + counts["waiting"]
    money = auditor.look(auditor.flow(ORDERS))["money"]
    assert set(money["source"]) == set(money["target"])


def _order(auditor: Auditor, place: int) -> dict[str, Any]:
    there = auditor.site.there("Order", "Brightpearl_Order_Id__c")
    return there[sorted(there)[place]]


def _delete(auditor: Auditor, row: dict[str, Any]) -> str:
    client = auditor.site._salesforce()
    client.upsert("Order", "Brightpearl_Order_Id__c", [_draft(row)])
    [answer] = client.delete([row["Id"]])
    assert answer.success, answer
    return str(row["Brightpearl_Order_Id__c"])


def _draft(row: dict[str, Any], **fields: Any) -> str:
    named = {"Brightpearl_Order_Id__c": row["Brightpearl_Order_Id__c"], "Status": "Draft"}
    return json.dumps(named | fields)


def test_an_order_deleted_by_hand_comes_back_with_its_rows(auditor):
    flow, rows = auditor.flow(ORDERS), auditor.site.there("OrderItem", "Brightpearl_Row_Id__c")
    lost = _delete(auditor, _order(auditor, 3))
    assert len(auditor.site.there("OrderItem", "Brightpearl_Row_Id__c")) < len(rows)
    found = auditor.look(flow)
    assert ("drift", [lost]) == (found["state"], found["repair"])
    assert found["counts"]["target"] == found["counts"]["source"] - 1
    done = auditor.mend(flow, found)
    assert (1, 1, 0) == (done["extracted"], done["created"], done["rejected"])
    assert "clean" == auditor.look(flow)["state"]
    assert set(rows) == set(auditor.site.there("OrderItem", "Brightpearl_Row_Id__c"))


def test_an_order_that_was_refused_since_it_was_deleted_comes_back_too(auditor):
    flow = auditor.flow(ORDERS)
    lost = _delete(auditor, _order(auditor, 5))
    auditor.site.bindings.bind([
        replace(row, fingerprint="changed") for row in auditor.site.bindings.of_records(ORDERS, [lost])
    ])  # fmt: skip
    assert 1 == auditor.site.run(ORDERS, ids=(lost,))["rejected"]
    assert {lost} == auditor.site.letters.waiting(ORDERS, [lost])
    auditor.mend(flow, auditor.look(flow))
    assert set() == auditor.site.letters.waiting(ORDERS, [lost])
    assert "clean" == auditor.look(flow)["state"]


def test_an_amount_that_was_changed_is_set_right_though_nothing_changed_at_the_source(auditor):
    flow, row = auditor.flow(ORDERS), _order(auditor, 7)
    client = auditor.site._salesforce()
    [answer] = client.upsert(
        "Order", "Brightpearl_Order_Id__c", [_draft(row, Net__c=float(row["Net__c"]) + 0.02)]
    )
    assert answer.success, answer
    found = auditor.look(flow)
    assert [row["Brightpearl_Order_Id__c"]] == found["repair"]
    currency = row["CurrencyIsoCode"]
    source, target = (Decimal(found["money"][side][currency]) for side in ("source", "target"))
    assert Decimal("0.02") == target - source
    assert 1 == auditor.mend(flow, found)["updated"]
    assert "clean" == auditor.look(flow)["state"]
    assert row["Status"] == _order(auditor, 7)["Status"]


def test_rows_of_deleted_orders_are_reported_and_removed_only_where_the_flow_says_so(auditor):
    gone = str(sorted(int(name) for name in auditor.site.here("order"))[8])
    auditor.site.sandbox.control("DELETE", f"/brightpearl/order/{gone}")
    told = auditor.look(auditor.flow(ORDERS))
    assert ("to look at", [gone], []) == (told["state"], told["ids"]["deleted"], told["remove"])
    ignored = auditor.look(auditor.flow(ORDERS, deleted="ignore"))
    assert ("clean", [gone]) == (ignored["state"], ignored["ids"]["outside"])
    flow = auditor.flow(ORDERS, deleted="remove")
    found = auditor.look(flow)
    assert ("drift", [gone]) == (found["state"], found["remove"])
    assert (1, []) == auditor.mend(flow, found)["removed"]
    assert gone not in auditor.site.there("Order", "Brightpearl_Order_Id__c")
    assert [] == auditor.site.bindings.of_records(ORDERS, [gone])
    assert "clean" == auditor.look(flow)["state"]


def test_a_deleted_record_is_found_whenever_it_was_created(auditor):
    gone = str(sorted(int(name) for name in auditor.site.here("order"))[0])
    auditor.site.sandbox.control("DELETE", f"/brightpearl/order/{gone}")
    found = auditor.look(auditor.flow(ORDERS), start=auditor.site.now() - timedelta(days=1))
    assert gone in found["ids"]["deleted"]
    assert found["counts"]["source"] < 110


def test_a_row_that_both_systems_have_lost_is_forgotten(auditor):
    flow, row = auditor.flow(ORDERS), _order(auditor, 2)
    lost = _delete(auditor, row)
    auditor.site.sandbox.control("DELETE", f"/brightpearl/order/{lost}")
    found = auditor.look(flow)
    assert ("clean", [lost]) == (found["state"], found["forget"])
    auditor.mend(flow, found)
    assert [] == auditor.site.bindings.of_records(ORDERS, [lost])


def test_products_are_closed_instead_of_deleted_and_then_left_alone(auditor):
    name = "products_to_salesforce"
    gone = str(sorted(int(each) for each in auditor.site.here("product"))[4])
    auditor.site.sandbox.control("DELETE", f"/brightpearl/product/{gone}")
    flow = auditor.flow(name)
    found = auditor.look(flow)
    assert [gone] == found["remove"]
    assert (1, []) == auditor.mend(flow, found)["removed"]
    assert auditor.site.there("Product2")[gone]["IsActive"] is False
    assert "clean" == auditor.look(flow)["state"]
    # the record that exists in no system is not taken for a deleted one
    assert auditor.site.there("Product2")["1000"]["IsActive"] is True


def test_more_drift_than_the_limit_is_told_and_nothing_is_repaired(auditor):
    flow = auditor.flow(ORDERS, max_repair=1)
    for place in (1, 2):
        _delete(auditor, _order(auditor, place))
    found = auditor.look(flow)
    assert ("too much", 2, [], []) == (found["state"], found["drift"], found["repair"], found["remove"])
    assert 2 == len(found["ids"]["missing"])


def test_what_changed_since_the_flow_last_read_is_not_judged(auditor):
    auditor.site.act(orders_changed=3, orders_created=2)
    found = auditor.look(auditor.flow(ORDERS))
    assert "clean" == found["state"]
    assert 3 <= found["counts"]["pending"]


def test_rejected_records_wait_and_are_no_drift(auditor):
    site = auditor.site
    number = sorted(int(name) for name in site.here("order"))[6]
    _delete(auditor, site.there("Order", "Brightpearl_Order_Id__c")[str(number)])
    rows = site.bindings.of_records(ORDERS, [str(number)])
    for row in rows:
        site.bindings.unbind(ORDERS, row.object, [row.key])
    rejection = Rejection(str(number), Stage.TRANSFORM, "unknown status")
    site.letters.keep(ORDERS, "run", "v1", [(rejection, b"{}")])
    found = auditor.look(auditor.flow(ORDERS))
    assert ("clean", [str(number)], []) == (found["state"], found["ids"]["waiting"], found["repair"])


def test_a_bulk_query_lists_the_same(auditor):
    for name in (ORDERS, "products_to_salesforce"):
        flow = auditor.flow(name)
        client = auditor.site._salesforce()
        client._sleep = lambda seconds: None
        keys = sorted(row.key for row in auditor.site.bindings.roots(name, flow.root))
        few, many = (
            SalesforceListing(client, flow, bulk_from=bulk_from).rows(keys, {}, ranged=True)
            for bulk_from in (10**6, 1)
        )
        ours, theirs = (sorted(rows, key=lambda row: row.key) for rows in (few, many))
        assert keys == [row.key for row in ours]
        assert ours == theirs


def test_a_period_takes_the_fewest_calls(auditor):
    found = auditor.look(auditor.flow(ORDERS))
    # a page of the search and one id set; one query; nothing is bound that was not seen
    assert {"brightpearl": 2, "salesforce": 1} == found["calls"]
