"""Sales credits into Salesforce: returns linked to the order they take back, amounts and quantities equal."""

from __future__ import annotations

import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.flows.site import MAPPINGS, Site

pytestmark = pytest.mark.slow

FLOW = "credits_to_salesforce"


def credits_of(site: Site) -> dict[str, dict[str, Any]]:
    return {key: order for key, order in site.here("order").items() if order["orderTypeCode"] == "SC"}


def test_returns_equal_their_credits_and_name_the_order_and_its_products(site):
    site.act(credits_created=3)
    summary = site.run(FLOW)
    assert {"brightpearl": 3} == {"brightpearl": summary.calls.made["brightpearl"]}
    assert 3 == summary.calls.minimum["brightpearl"]
    here, there = credits_of(site), site.there("Brightpearl_Return__c")
    orders = site.there("Order", "Brightpearl_Order_Id__c")
    items = site.there("OrderItem", "Brightpearl_Row_Id__c")
    assert (len(here), 0) == (summary.counts.created, summary.counts.parked)
    assert summary.money["extracted"] == summary.money["loaded"]
    lines = site.there("Brightpearl_Return_Line__c")
    for key, credit in here.items():
        row = there[key]
        assert orders[str(credit["parentOrderId"])]["Id"] == row["Order__c"]
        assert Decimal(credit["totalValue"]["total"]) == Decimal(row["Total__c"])
        assert credit["currency"]["orderCurrencyCode"] == row["CurrencyIsoCode"]
        for row_id, line in credit["orderRows"].items():
            written = lines[row_id]
            assert Decimal(line["quantity"]["magnitude"]) == Decimal(written["Quantity__c"])
            assert Decimal(line["rowValue"]["rowNet"]["value"]) == Decimal(written["Net__c"])
            assert items[str(line["clonedFromId"])]["Id"] == written["Order_Product__c"]


def test_the_orders_rows_are_found_where_nothing_was_cloned(site):
    credit = str(site.act(credits_created=1)["credits_created"][0])
    rows = {row: {"clonedFromId": 0} for row in credits_of(site)[credit]["orderRows"]}
    site.patch(f"/brightpearl/order/{credit}", {"orderRows": rows})
    site.pass_time(10)
    site.run(FLOW)
    lines = site.there("Brightpearl_Return_Line__c")
    items = {row["Id"]: row for row in site.sandbox.snapshot("salesforce", "OrderItem")}
    products = {row["Id"]: key for key, row in site.there("Product2").items()}
    for row_id, row in credits_of(site)[credit]["orderRows"].items():
        item = items[lines[row_id]["Order_Product__c"]]
        assert str(row["productId"]) == products[item["Product2Id"]]


def test_a_return_larger_than_the_order_is_rejected_by_name(site):
    dear, many = (str(each) for each in site.act(credits_created=2)["credits_created"])
    site.patch(f"/brightpearl/order/{dear}", {"totalValue": {"total": "999999.00"}})
    row, line = next(iter(credits_of(site)[many]["orderRows"].items()))
    more = str(Decimal(line["quantity"]["magnitude"]) + 1)
    site.patch(f"/brightpearl/order/{many}", {"orderRows": {row: {"quantity": {"magnitude": more}}}})
    site.pass_time(10)
    summary = site.run(FLOW)
    assert 2 == summary.counts.rejected
    reasons = " ".join(reason for reason, _ in summary.reasons)
    assert "Order_Total__c must be at least Total__c" in reasons
    assert "Ordered_Quantity__c must be at least Quantity__c" in reasons
    assert not {dear, many} & set(site.there("Brightpearl_Return__c"))


def test_a_credit_without_an_order_stands_alone(site):
    credit = str(site.act(credits_created=1)["credits_created"][0])
    site.patch(f"/brightpearl/order/{credit}", {"parentOrderId": 0})
    site.pass_time(10)
    site.run(FLOW)
    assert site.there("Brightpearl_Return__c")[credit]["Order__c"] is None


def test_a_credit_waits_for_its_order(site):
    credit = str(site.act(credits_created=1)["credits_created"][0])
    order = str(credits_of(site)[credit]["parentOrderId"])
    site.forget("orders_to_salesforce", "Order", order)
    summary = site.run(FLOW)
    assert 1 <= summary.counts.parked
    assert credit not in site.there("Brightpearl_Return__c")
    site.run("orders_to_salesforce", start=site.now() - timedelta(days=900))
    site.pass_time(60)
    assert 0 == site.run(FLOW).counts.parked
    assert credit in site.there("Brightpearl_Return__c")


def test_a_second_run_writes_nothing(site):
    site.run(FLOW)
    summary = site.run(FLOW)
    assert (0, 0) == (summary.counts.created, summary.counts.updated)
    assert {} == summary.money["rejected"]


@pytest.fixture
def reducing_site(site: Site, tmp_path: Path) -> Site:
    """An org with reduction orders, and the flow file for it in the place of the other one."""
    site.mappings = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, site.mappings)
    shutil.copy(MAPPINGS / "variants" / f"{FLOW}.yaml", site.mappings)
    site.sandbox.control("POST", "/settings/salesforce", {"reduction_orders": True})
    return site


def test_credits_become_reduction_orders_where_the_org_has_them(reducing_site):
    site = reducing_site
    credit = str(site.act(credits_created=1)["credits_created"][0])
    parent = str(credits_of(site)[credit]["parentOrderId"])
    site.run(FLOW)
    orders = site.there("Order", "Brightpearl_Order_Id__c")
    items = site.there("OrderItem", "Brightpearl_Row_Id__c")
    assert orders[credit]["IsReductionOrder"]
    assert orders[parent]["Id"] == orders[credit]["OriginalOrderId"]
    for row_id, row in credits_of(site)[credit]["orderRows"].items():
        assert items[str(row["clonedFromId"])]["Id"] == items[row_id]["OriginalOrderItemId"]
        assert -Decimal(row["quantity"]["magnitude"]) == Decimal(items[row_id]["Quantity"])


def test_a_second_credit_of_the_same_goods_is_refused_by_the_org(reducing_site):
    site = reducing_site
    credit = str(site.act(credits_created=1)["credits_created"][0])
    site.run(FLOW)
    again = credits_of(site)[credit]
    rows = {str(int(row) + 500_000): line for row, line in again["orderRows"].items()}
    copy = {name: value for name, value in again.items() if name != "id"} | {"orderRows": rows}
    copy["createdOn"] = site.now().isoformat()
    site.sandbox.control("POST", "/brightpearl/order", copy)
    site.pass_time(10)
    summary = site.run(FLOW)
    assert 1 == summary.counts.rejected
    assert "still available" in summary.reasons[0][0]
