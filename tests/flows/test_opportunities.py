"""Opportunities that are won become Brightpearl sales orders, in a folder with the variant for it."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from airflow_provider_brightpearl.runtime.reconcile import compare
from tests.flows.org import HOME, SHOP, Org
from tests.flows.site import MAPPINGS

FLOW = "salesforce_opportunities_to_brightpearl"


@pytest.fixture
def org(org: Org) -> Org:
    mappings = shutil.copytree(MAPPINGS, org.folder / "mappings")
    shutil.copy(MAPPINGS / "variants" / f"{FLOW}.yaml", mappings)
    org.mappings = mappings
    account = next(iter(org.there("Account").values()))["Id"]
    places = {"Billing": HOME, "Shipping": SHOP}
    org.change(
        "Account",
        account,
        **{f"{kind}{name}": each for kind, at in places.items() for name, each in at.items()},
    )
    return org


def win(org: Org, *lines: tuple[str, str], **more: str) -> str:
    """A won opportunity of these quantities and prices, each of another product; gives its id."""
    account = next(iter(org.there("Account").values()))
    entries = [
        row for row in org.sandbox.snapshot("salesforce", "PricebookEntry") if row["Brightpearl_Id__c"]
    ]
    products = sorted({row["Product2Id"]: row for row in entries}.values(), key=lambda row: row["Id"])
    head = {
        "AccountId": account["Id"],
        "CurrencyIsoCode": "GBP",
        "CloseDate": "2026-03-31",
        "Name": "Big deal",
    }
    made = org.add("Opportunity", **{**head, "StageName": "Closed Won", **more})
    for (quantity, price), entry in zip(lines, products, strict=False):
        line = {"PricebookEntryId": entry["Id"], "Product2Id": entry["Product2Id"]}
        org.add("OpportunityLineItem", OpportunityId=made, Quantity=quantity, UnitPrice=price, **line)
    org.pass_time(5)
    return made


def placed(org: Org) -> dict[str, dict[str, Any]]:
    rows = org.sandbox.snapshot("brightpearl", "order")
    return {str(row["externalRef"]): row for row in rows if str(row.get("externalRef")).startswith("OPP-")}


def test_a_won_opportunity_is_placed_once(org: Org) -> None:
    won = win(org, ("2", "10.50"), ("1", "0.03"), Amount="21.03")
    win(org, ("1", "5.00"), Amount="5.00", StageName="Negotiation/Review")
    win(org, Amount="7.00")
    summary = org.run(FLOW)
    assert (1, 0) == (summary.counts.created, summary.counts.rejected), summary.reasons
    [(reference, sale)] = placed(org).items()
    assert (f"OPP-{won}", "Big deal", 3) == (reference, sale["reference"], sale["warehouseId"])
    assert "21.03" == sale["totalValue"]["net"]
    assert {"DE19"} == {row["rowValue"]["taxCode"] for row in sale["orderRows"].values()}
    assert "Lange Str. 9" == sale["parties"]["delivery"]["addressLine1"]
    [row] = (each for each in org.sandbox.snapshot("salesforce", "Opportunity") if each["Id"] == won)
    assert str(sale["id"]) == row["Brightpearl_Order_Id__c"]
    before = org.sandbox.snapshot("brightpearl", "order")
    org.pass_time(5)
    for again in (org.run(FLOW), org.run(FLOW, full_resync=True)):
        assert (0, 0, 0) == (again.counts.created, again.counts.updated, again.counts.rejected)
    assert before == org.sandbox.snapshot("brightpearl", "order")
    report = compare(org.wiring(FLOW), "reconcile", full_resync=True)
    assert report is not None
    assert {} == {kind: ids for kind, ids in report.ids.items() if ids}


def test_its_order_and_shipments_reach_salesforce_and_do_not_come_back(org: Org) -> None:
    win(org, ("2", "10.50"), Amount="21.00")
    org.run(FLOW)
    [sale] = placed(org).values()
    org.pass_time(5)
    assert 1 == org.run("orders_to_salesforce").counts.created
    assert str(sale["id"]) in org.there("Order", "Brightpearl_Order_Id__c")
    org.pass_time(5)
    for flow in (FLOW, "salesforce_orders_to_brightpearl"):
        assert 0 == org.run(flow).counts.created
    assert 1 == len(placed(org))


def test_an_amendment_follows_also_after_the_account_has_moved(org: Org) -> None:
    won = win(org, ("2", "10.50"), Amount="21.00")
    org.run(FLOW)
    account = next(iter(org.there("Account").values()))["Id"]
    org.change("Account", account, ShippingStreet="2 New Road", ShippingCountryCode="GB")
    [line] = (
        row
        for row in org.sandbox.snapshot("salesforce", "OpportunityLineItem")
        if row["OpportunityId"] == won
    )
    org.change("OpportunityLineItem", line["Id"], Quantity="3")
    org.change("Opportunity", won, Amount="31.50")
    org.pass_time(5)
    summary = org.run(FLOW)
    assert (1, 0) == (summary.counts.updated, summary.counts.rejected), summary.reasons
    [sale] = placed(org).values()
    assert ("31.50", "Lange Str. 9") == (
        sale["totalValue"]["net"], sale["parties"]["delivery"]["addressLine1"],
    )  # fmt: skip


def test_an_amount_that_its_products_do_not_add_up_to_is_a_letter(org: Org) -> None:
    win(org, ("2", "10.50"), Amount="20.00")
    summary = org.run(FLOW)
    assert (0, 1) == (summary.counts.created, summary.counts.rejected)
    assert "its rows add up to" in summary.reasons[0][0]
    assert {} == placed(org)
