"""Orders that are placed in Salesforce become Brightpearl sales orders, once."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.errors import TimedOut
from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.stores.tables import dead_letter
from airflow_provider_brightpearl.systems.intent_log import IntentLog
from tests.flows.org import Org

FLOW = "salesforce_orders_to_brightpearl"


def test_an_activated_order_is_placed_once(org: Org) -> None:
    placed = org.place(("2", "10.50"), ("1", "0.03"), PoNumber="PO 7", Type="Web")
    org.place(("1", "5.00"), Status="Draft")
    summary = org.run(FLOW)
    assert (1, 0) == (summary.counts.created, summary.counts.rejected)
    [sale] = org.sales().values()
    # 3.99 and 0.01: each row's tax by itself
    assert ("21.03", "4.00", "25.03") == tuple(
        sale["totalValue"][name] for name in ("net", "taxAmount", "total")
    )
    rows = list(sale["orderRows"].values())
    assert ["21.0000", "0.0300"] == [row["rowValue"]["rowNet"]["value"] for row in rows]
    assert {"DE19"} == {row["rowValue"]["taxCode"] for row in rows}
    assert ("PO 7", 3, 2, 2) == (
        sale["reference"], sale["warehouseId"], sale["priceListId"], sale["assignment"]["current"]["channelId"],
    )  # fmt: skip
    billing, delivery = sale["parties"]["billing"], sale["parties"]["delivery"]
    assert ("1 High Street", "Flat 2, Rear", "Bath", "GBR") == tuple(
        billing[name] for name in ("addressLine1", "addressLine2", "addressLine3", "countryIsoCode3")
    )
    assert ("Lange Str. 9", "DEU") == (delivery["addressLine1"], delivery["countryIsoCode3"])
    assert str(sale["id"]) == org.order(placed)["Brightpearl_Placed_As__c"]


def test_a_repeat_writes_nothing_and_the_order_does_not_come_back(org: Org) -> None:
    org.place(("2", "10.50"))
    org.run(FLOW)
    org.pass_time(5)
    before = org.sandbox.snapshot("brightpearl", "order")
    for again in (org.run(FLOW), org.run(FLOW, full_resync=True)):
        assert (0, 0, 0) == (again.counts.created, again.counts.updated, again.counts.rejected)
    orders = len(org.sandbox.snapshot("salesforce", "Order"))
    org.run("orders_to_salesforce", full_resync=True)
    assert orders == len(org.sandbox.snapshot("salesforce", "Order"))
    assert before == org.sandbox.snapshot("brightpearl", "order")
    report = compare(org.wiring(FLOW), "reconcile", full_resync=True)
    assert report is not None
    assert {} == {kind: ids for kind, ids in report.ids.items() if ids}


def changed(org: Org) -> tuple[int, int]:
    counts = org.run(FLOW).counts
    return counts.updated, counts.created + counts.rejected


def test_changes_follow_until_the_order_is_cancelled(org: Org) -> None:
    placed = org.place(("2", "10.50"), ("1", "4.00"))
    org.run(FLOW)
    first = next(row for row in org.sandbox.snapshot("salesforce", "OrderItem") if row["OrderId"] == placed)
    org.change("OrderItem", first["Id"], Quantity="3")
    org.change("Order", placed, PoNumber="PO 8")
    org.pass_time(5)
    assert (1, 0) == changed(org)
    [sale] = org.sales().values()
    assert ("PO 8", "35.50") == (sale["reference"], sale["totalValue"]["net"])
    org.change("Order", placed, Status="Cancelled")
    org.pass_time(5)
    assert (1, 0) == changed(org)
    assert "Cancelled" == org.sales()[placed]["orderStatus"]["name"]
    # one that was never placed stays in Salesforce
    org.place(("1", "5.00"), Status="Cancelled")
    org.run(FLOW)
    assert 1 == len(org.sales())


def test_a_shipped_order_is_not_cancelled(org: Org) -> None:
    placed = org.place(("2", "10.50"))
    org.run(FLOW)
    org.ship(placed)
    org.change("Order", placed, Status="Cancelled")
    org.pass_time(5)
    summary = org.run(FLOW)
    assert (0, 1) == (summary.counts.updated, summary.counts.rejected)
    assert "so it was not cancelled: make a credit of it" in summary.reasons[0][0]
    assert "Cancelled" != org.sales()[placed]["orderStatus"]["name"]


def test_a_renamed_account_changes_no_order(org: Org) -> None:
    placed = org.place(("1", "5.00"))
    org.run(FLOW)
    org.change("Account", org.order(placed)["AccountId"], Name="Renamed Ltd")
    org.pass_time(5)
    before = org.sandbox.snapshot("brightpearl", "order")
    assert 0 == org.run(FLOW, full_resync=True).counts.rejected
    assert before == org.sandbox.snapshot("brightpearl", "order")


def test_a_lost_answer_doubles_nothing(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    # the minute in which a call may still arrive
    monkeypatch.setattr(IntentLog, "wait_until_quiet", lambda _: None)
    org.run(FLOW)
    # so much later that nobody looks whether the orders are there already
    org.pass_time(10)
    for _ in range(3):
        org.place(("2", "10.50"))
    org.sandbox.control(
        "POST", "/faults", {"system": "brightpearl", "path": "multi-message", "drop": "after"}
    )
    with pytest.raises(TimedOut):
        org.run(FLOW)
    assert 0 == org.run(FLOW).counts.rejected
    [*sales] = org.sandbox.snapshot("brightpearl", "order")
    assert 3 == len(org.sales()) == sum(str(row.get("externalRef")).startswith("SF-") for row in sales)
    assert all(org.order(placed)["Brightpearl_Placed_As__c"] for placed in org.sales())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ShippingCountryCode": "NO"}, "'NO' is not in lookup warehouse"),
        ({"CurrencyIsoCode": "CHF"}, "'CHF' is not in lookup price_list"),
        ({"Type": "Fax"}, "'Fax' is not in lookup channel"),
    ],
)
def test_what_the_account_lacks_is_said(org: Org, change: dict[str, str], reason: str) -> None:
    org.place(("1", "5.00"), **change)
    summary = org.run(FLOW)
    assert 1 == summary.counts.rejected
    assert reason in summary.reasons[0][0]
    assert {} == org.sales()


def test_an_order_waits_for_its_account_and_comes_by_itself(org: Org) -> None:
    place = {"BillingCity": "Bath", "BillingCountry": "United Kingdom", "BillingCountryCode": "GB"}
    stranger = org.add("Account", Name="Stranger", Type="Retail", **place)
    org.add("Contact", AccountId=stranger, LastName="Doe", Email="doe@stranger.example")
    placed = org.place(("1", "5.00"), AccountId=stranger)
    summary = org.run(FLOW)
    assert (1, 0, 0) == (summary.counts.parked, summary.counts.rejected, summary.counts.created)
    with org.database.connect() as connection:
        [letter] = connection.execute(sa.select(dead_letter).where(dead_letter.c.flow == FLOW)).all()
    assert ("parked", placed) == (letter.state, letter.source_id)
    assert f"contactId: '{stranger}' waits for the Account of customers_to_salesforce" in letter.reason
    assert {} == org.sales()
    summary = org.run("salesforce_customers_to_brightpearl", ids=(stranger,))
    assert (1, ()) == (summary.counts.created, summary.reasons)
    # nobody touches the order
    summary = org.run(FLOW)
    assert (1, 0, 0) == (summary.counts.created, summary.counts.parked, summary.counts.rejected)
    assert [placed] == [*org.sales()]


def test_a_product_is_known_by_its_link_too(org: Org) -> None:
    placed = org.place(("1", "5.00"))
    [line] = [row for row in org.sandbox.snapshot("salesforce", "OrderItem") if row["OrderId"] == placed]
    org.change("Product2", line["Product2Id"], Brightpearl_Id__c=None)
    assert 1 == org.run(FLOW).counts.created
