"""Both systems compared, and small differences repaired through the flow's own stages."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from airflow_provider_brightpearl.core.ports.sides import Span
from airflow_provider_brightpearl.core.records import Counts, Rejection, Stage
from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.runtime import reconcile
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.salesforce.target import SalesforceTarget
from tests.flows.site import Site

pytestmark = pytest.mark.slow

ORDERS = "orders_to_salesforce"


@dataclass
class Auditor:
    """Reconciles the flows of a site."""

    site: Site
    runs: int = 0

    def wiring(self, name: str, **changes: Any) -> Wiring:
        """A flow with another ``reconcile`` block."""
        wiring = self.site.wiring(name)
        assert wiring.flow.reconcile
        spec = wiring.flow.reconcile.model_copy(update=changes)
        return replace(wiring, flow=wiring.flow.model_copy(update={"reconcile": spec}))

    def compare(self, wiring: Wiring, start: datetime | None = None) -> ReconcileReport:
        """What differs among records created since then, or among all."""
        self.runs += 1
        # a connection counts its calls, and each comparison has its own
        fresh = replace(wiring)
        found = reconcile.compare(fresh, f"reconcile{self.runs}", start=start, full_resync=start is None)
        assert found is not None
        return found

    def repair(self, wiring: Wiring, found: ReconcileReport) -> ReconcileReport:
        return reconcile.repair(wiring, found)

    def written(self, flow: str) -> Counts:
        """What the latest run of a flow wrote."""
        return self.site.ledger.runs(flow)[0].counts


@pytest.fixture
def auditor(site: Site) -> Auditor:
    return Auditor(site)


def test_after_a_sync_both_sides_agree_to_the_cent(auditor: Auditor) -> None:
    for name in (ORDERS, "customers_to_salesforce", "products_to_salesforce"):
        found = auditor.compare(auditor.wiring(name))
        counts = found.counts
        assert ReconcileState.CLEAN == found.state, found
        assert 0 < counts["source"] == counts["matched"] + counts["waiting"]
    money = auditor.compare(auditor.wiring(ORDERS)).money
    assert set(money["source"]) == set(money["target"])


@pytest.mark.parametrize("name", [ORDERS, "customers_to_salesforce", "products_to_salesforce"])
def test_after_a_sync_all_fields_hold_what_the_flow_would_write(auditor: Auditor, name: str) -> None:
    found = auditor.compare(auditor.wiring(name, fields="all"))
    assert (ReconcileState.CLEAN, "") == (found.state, found.note)
    assert 0 < found.counts["matched"] == found.counts["source"] - found.counts["waiting"]


def test_a_field_that_somebody_changed_is_found_where_it_is_compared_and_set_right(auditor: Auditor) -> None:
    key, name = "Brightpearl_Id__c", "products_to_salesforce"
    # the first one is the flow's own, of free text
    row = list(auditor.site.there("Product2").values())[-1]
    client = auditor.site.salesforce()
    [answer] = client.upsert("Product2", key, [json.dumps({key: row[key], "ProductCode": "Elsewhere"})])
    assert answer.success, answer
    assert ReconcileState.CLEAN == auditor.compare(auditor.wiring(name)).state
    wiring = auditor.wiring(name, fields=["Name", "ProductCode"])
    found = auditor.compare(wiring)
    assert (ReconcileState.DRIFT, (row[key],)) == (found.state, found.repair)
    assert "records that differ by field: ProductCode 1" == found.note
    assert ReconcileState.REPAIRED == auditor.repair(wiring, found).state
    assert row["ProductCode"] == auditor.site.there("Product2")[row[key]]["ProductCode"]
    assert ReconcileState.CLEAN == auditor.compare(wiring).state


def test_fields_that_cannot_be_compared_are_named(auditor: Auditor) -> None:
    with pytest.raises(Misconfigured, match="no field BilingCity to compare; did you mean BillingCity"):
        reconcile.compare(auditor.site.wiring("customers_to_salesforce"), "r", fields=["BilingCity"])
    with pytest.raises(Misconfigured, match=r"reconcile.fields: M3 reports too few"):
        registry.check_flow(auditor.wiring("customers_to_infor", fields="all").flow)


def _account(auditor: Auditor) -> dict[str, Any]:
    there = auditor.site.there("Account")
    return next(row for _, row in sorted(there.items()) if row["BillingCity"])


def _order(auditor: Auditor, place: int) -> dict[str, Any]:
    there = auditor.site.there("Order", "Brightpearl_Order_Id__c")
    return there[sorted(there)[place]]


def _delete(auditor: Auditor, row: dict[str, Any]) -> str:
    client = auditor.site.salesforce()
    client.upsert("Order", "Brightpearl_Order_Id__c", [_draft(row)])
    [answer] = client.delete([row["Id"]])
    assert answer.success, answer
    return str(row["Brightpearl_Order_Id__c"])


def _draft(row: dict[str, Any], **fields: Any) -> str:
    named = {"Brightpearl_Order_Id__c": row["Brightpearl_Order_Id__c"], "Status": "Draft"}
    return json.dumps(named | fields)


def test_an_order_deleted_by_hand_comes_back_with_its_rows(auditor: Auditor) -> None:
    wiring, rows = auditor.wiring(ORDERS), auditor.site.there("OrderItem", "Brightpearl_Row_Id__c")
    lost = _delete(auditor, _order(auditor, 3))
    assert len(auditor.site.there("OrderItem", "Brightpearl_Row_Id__c")) < len(rows)
    found = auditor.compare(wiring)
    assert (ReconcileState.DRIFT, (lost,)) == (found.state, found.repair)
    assert found.counts["target"] == found.counts["source"] - 1
    done = auditor.repair(wiring, found)
    assert (ReconcileState.REPAIRED, 1, 0) == (done.state, done.repaired, done.rejected)
    assert Counts(extracted=1, created=1) == auditor.written(ORDERS)
    assert ReconcileState.CLEAN == auditor.compare(wiring).state
    assert set(rows) == set(auditor.site.there("OrderItem", "Brightpearl_Row_Id__c"))


def test_an_order_that_was_refused_since_it_was_deleted_comes_back_too(auditor: Auditor) -> None:
    wiring = auditor.wiring(ORDERS)
    lost = _delete(auditor, _order(auditor, 5))
    auditor.site.crosswalk.bind([
        msgspec.structs.replace(row, fingerprint="changed") for row in auditor.site.crosswalk.of_records(ORDERS, [lost])
    ])  # fmt: skip
    assert 1 == auditor.site.run(ORDERS, ids=(lost,)).counts.rejected
    assert {lost} == auditor.site.letters.waiting(ORDERS, [lost])
    # it is unbound by now, and waits for the next run
    assert ReconcileState.CLEAN == auditor.compare(wiring).state
    assert 1 == auditor.site.run(ORDERS).counts.created
    assert set() == auditor.site.letters.waiting(ORDERS, [lost])
    assert ReconcileState.CLEAN == auditor.compare(wiring).state


def test_an_amount_that_was_changed_is_set_right_though_nothing_changed_at_the_source(
    auditor: Auditor,
) -> None:
    wiring, row = auditor.wiring(ORDERS), _order(auditor, 7)
    client = auditor.site.salesforce()
    [answer] = client.upsert(
        "Order", "Brightpearl_Order_Id__c", [_draft(row, Net__c=float(row["Net__c"]) + 0.02)]
    )
    assert answer.success, answer
    found = auditor.compare(wiring)
    assert (row["Brightpearl_Order_Id__c"],) == found.repair
    currency = row["CurrencyIsoCode"]
    source, target = (found.money[side][currency] for side in ("source", "target"))
    assert Decimal("0.02") == target - source
    assert 1 == auditor.repair(wiring, found).repaired
    assert Counts(extracted=1, updated=1) == auditor.written(ORDERS)
    assert ReconcileState.CLEAN == auditor.compare(wiring).state
    assert row["Status"] == _order(auditor, 7)["Status"]


def test_rows_of_deleted_orders_are_reported_and_removed_only_where_the_flow_says_so(
    auditor: Auditor,
) -> None:
    gone = str(sorted(int(name) for name in auditor.site.here("order"))[8])
    auditor.site.sandbox.control("DELETE", f"/brightpearl/order/{gone}")
    reported = auditor.compare(auditor.wiring(ORDERS))
    assert (ReconcileState.NEEDS_REVIEW, (gone,), ()) == (
        reported.state,
        reported.ids["deleted"],
        reported.remove,
    )
    ignored = auditor.compare(auditor.wiring(ORDERS, deleted="ignore"))
    assert (ReconcileState.CLEAN, (gone,)) == (ignored.state, ignored.ids["unmatched"])
    wiring = auditor.wiring(ORDERS, deleted="remove")
    found = auditor.compare(wiring)
    assert (ReconcileState.DRIFT, (gone,)) == (found.state, found.remove)
    done = auditor.repair(wiring, found)
    assert (ReconcileState.REPAIRED, 1, ()) == (done.state, done.removed, done.refused)
    assert gone not in auditor.site.there("Order", "Brightpearl_Order_Id__c")
    history = auditor.site.wiring(ORDERS).events.of_record(ORDERS, gone)
    removed = {each.object for each in history if each.outcome == "removed" and each.stage == "repair"}
    assert {"Order", "OrderItem"} == removed
    assert [] == auditor.site.crosswalk.of_records(ORDERS, [gone])
    assert ReconcileState.CLEAN == auditor.compare(wiring).state


def test_a_deleted_record_is_found_whenever_it_was_created(auditor: Auditor) -> None:
    gone = str(sorted(int(name) for name in auditor.site.here("order"))[0])
    auditor.site.sandbox.control("DELETE", f"/brightpearl/order/{gone}")
    found = auditor.compare(auditor.wiring(ORDERS), start=auditor.site.now() - timedelta(days=1))
    assert gone in found.ids["deleted"]
    assert found.counts["source"] < 110


def test_a_row_that_both_systems_have_lost_is_forgotten(auditor: Auditor) -> None:
    wiring, row = auditor.wiring(ORDERS), _order(auditor, 2)
    lost = _delete(auditor, row)
    auditor.site.sandbox.control("DELETE", f"/brightpearl/order/{lost}")
    found = auditor.compare(wiring)
    assert (ReconcileState.CLEAN, (lost,)) == (found.state, found.stale_bindings)
    auditor.repair(wiring, found)
    assert [] == auditor.site.crosswalk.of_records(ORDERS, [lost])
    assert "unlinked" == auditor.site.wiring(ORDERS).events.of_record(ORDERS, lost)[-1].outcome


def test_products_are_closed_instead_of_deleted_and_then_left_alone(auditor: Auditor) -> None:
    name = "products_to_salesforce"
    gone = str(sorted(int(each) for each in auditor.site.here("product"))[4])
    auditor.site.sandbox.control("DELETE", f"/brightpearl/product/{gone}")
    wiring = auditor.wiring(name)
    found = auditor.compare(wiring)
    assert (gone,) == found.remove
    done = auditor.repair(wiring, found)
    assert (ReconcileState.REPAIRED, 1, ()) == (done.state, done.removed, done.refused)
    assert auditor.site.there("Product2")[gone]["IsActive"] is False
    assert ReconcileState.CLEAN == auditor.compare(wiring).state
    # the record that exists in no system is not taken for a deleted one
    assert auditor.site.there("Product2")["1000"]["IsActive"] is True


def test_more_drift_than_the_limit_is_told_and_nothing_is_repaired(auditor: Auditor) -> None:
    wiring = auditor.wiring(ORDERS, max_repair=1)
    for place in (1, 2):
        _delete(auditor, _order(auditor, place))
    found = auditor.compare(wiring)
    assert (ReconcileState.OVER_LIMIT, 2, (), ()) == (found.state, found.drift, found.repair, found.remove)
    assert 2 == len(found.ids["missing"])


def test_what_changed_since_the_flow_last_read_is_not_judged(auditor: Auditor) -> None:
    auditor.site.act(orders_changed=3, orders_created=2)
    found = auditor.compare(auditor.wiring(ORDERS))
    assert ReconcileState.CLEAN == found.state
    assert 3 <= found.counts["pending"]


def test_rejected_records_wait_and_are_no_drift(auditor: Auditor) -> None:
    site = auditor.site
    number = sorted(int(name) for name in site.here("order"))[6]
    _delete(auditor, site.there("Order", "Brightpearl_Order_Id__c")[str(number)])
    site.crosswalk.unbind(site.crosswalk.of_records(ORDERS, [str(number)]))
    rejection = Rejection(str(number), Stage.TRANSFORM, "unknown status")
    site.letters.keep(ORDERS, "run", "v1", [(rejection, b"{}")])
    found = auditor.compare(auditor.wiring(ORDERS))
    assert (ReconcileState.CLEAN, (str(number),), ()) == (found.state, found.ids["waiting"], found.repair)


def test_a_bulk_query_lists_the_same(auditor: Auditor) -> None:
    for name in (ORDERS, "products_to_salesforce"):
        flow = auditor.site.wiring(name).flow
        client = auditor.site.salesforce()
        client._sleep = lambda seconds: None
        keys = sorted(row.key for row in auditor.site.crosswalk.roots(name, flow.root))
        span = Span(min(map(int, keys)), max(map(int, keys)), len(keys))
        few, many = (
            SalesforceTarget(client, flow, bulk_from=bulk_from).read_span(span, [])
            for bulk_from in (10**6, 1)
        )
        ours, theirs = (sorted(rows, key=lambda row: row.key) for rows in (few, many))
        assert keys == [row.key for row in ours]
        assert ours == theirs


def test_a_period_takes_the_fewest_calls(auditor: Auditor) -> None:
    found = auditor.compare(auditor.wiring(ORDERS))
    # a page of the search and one id set; one query; nothing is bound that was not seen
    assert {"brightpearl": 2, "salesforce": 1} == found.calls
