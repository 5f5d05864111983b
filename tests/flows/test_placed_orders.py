"""What Brightpearl does with orders that were placed in Salesforce comes back to the orders they were placed as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_brightpearl.core.events import EventOutcome
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.errors import TimedOut
from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.systems.intent_log import IntentLog
from tests.flows.org import Org

PLACE = "salesforce_orders_to_brightpearl"
ORDERS = "orders_to_salesforce"


def links(org: Org) -> dict[tuple[str, str], str]:
    """Ids of Salesforce by object and Brightpearl's id, of the rows that were linked."""
    crosswalk = org.wiring(ORDERS).crosswalk
    found = [each for name in ("Order", "OrderItem") for each in crosswalk.roots(ORDERS, name)]
    return {(each.object, each.key): each.target_id for each in found if each.only_linked}


def expected(org: Org) -> dict[tuple[str, str], str]:
    """The links that there should be, from what both systems hold."""
    found = {}
    for placed, sale in org.sales().items():
        found["Order", str(sale["id"])] = placed
        for row, line in sale["orderRows"].items():
            found["OrderItem", row] = line["externalRef"].removeprefix("SF-")
    return found


def items(org: Org, order: str) -> list[dict[str, Any]]:
    return [row for row in org.sandbox.snapshot("salesforce", "OrderItem") if row["OrderId"] == order]


def test_a_placed_order_and_its_rows_are_linked(org: Org) -> None:
    placed = org.place(("2", "10.50"), ("1", "4.00"))
    org.place(("3", "1.00"))
    org.run(PLACE)
    assert 5 == len(links(org))
    assert expected(org) == links(org)
    # its history names both rows
    events = org.wiring(PLACE).events.of_record(PLACE, placed)
    notes = {each.object: each.note for each in events if each.outcome is EventOutcome.LINKED}
    rows = ", ".join(each["Id"] for each in items(org, placed))
    assert {"Order": f"of {ORDERS}", "OrderItem": f"2 rows: {rows}; of {ORDERS}"} == notes


def test_its_shipments_and_credits_reach_it(org: Org) -> None:
    placed = org.place(("2", "10.50"), ("2", "4.00"))
    org.run(PLACE)
    note, credit = org.ship(placed), org.take_back(placed)
    item, credited = items(org, placed)
    for flow in ("shipments_to_salesforce", "credits_to_salesforce"):
        summary = org.run(flow)
        assert (0, 0) == (summary.counts.parked, summary.counts.rejected), summary.reasons
    shipment = org.there("Brightpearl_Shipment__c")[note]
    [line] = [
        row for key, row in org.there("Brightpearl_Shipment_Line__c").items() if key.startswith(f"{note}|")
    ]
    assert (placed, item["Id"]) == (shipment["Order__c"], line["Order_Product__c"])
    assert placed == org.there("Brightpearl_Return__c")[credit]["Order__c"]
    [line] = org.there("Brightpearl_Return_Line__c").values()
    assert credited["Id"] == line["Order_Product__c"]


def test_what_was_parked_before_there_were_links_goes_through(org: Org) -> None:
    """Also of orders that were placed by a release without them, once they are read again."""
    placed = org.place(("2", "10.50"))
    org.run(PLACE)
    crosswalk = org.wiring(ORDERS).crosswalk
    sale = str(org.sales()[placed]["id"])
    crosswalk.unbind(crosswalk.of_records(ORDERS, [sale]))
    note = org.ship(placed)
    assert 1 == org.run("shipments_to_salesforce").counts.parked
    before = org.sandbox.snapshot("brightpearl", "order")
    again = org.run(PLACE, full_resync=True)
    assert (0, 0) == (again.counts.updated, again.counts.created)
    assert before == org.sandbox.snapshot("brightpearl", "order")
    assert expected(org) == links(org)
    org.pass_time(60)
    assert 1 == org.run("shipments_to_salesforce").counts.created
    assert placed == org.there("Brightpearl_Shipment__c")[note]["Order__c"]


def test_a_row_that_is_added_or_replaced_or_removed_later_is_linked_as_it_is(org: Org) -> None:
    placed = org.place(("2", "10.50"), ("1", "4.00"))
    org.run(PLACE)
    first, second = items(org, placed)
    used = {first["Product2Id"], second["Product2Id"]}
    entry = next(
        row
        for row in org.sandbox.snapshot("salesforce", "PricebookEntry")
        if row["Brightpearl_Id__c"] and row["Product2Id"] not in used
    )
    more = {"PricebookEntryId": entry["Id"], "Product2Id": entry["Product2Id"]}
    org.add("OrderItem", OrderId=placed, Quantity="1", UnitPrice="2.00", **more)
    # another product: Brightpearl deletes the row and adds it anew, under another id
    org.change("OrderItem", first["Id"], Description="Engraved")
    org.pass_time(5)
    before = links(org)
    assert 1 == org.run(PLACE).counts.updated
    assert expected(org) == links(org)
    assert 4 == len(links(org)) and before.items() != links(org).items()
    assert 3 == len(org.sales()[placed]["orderRows"])
    org.sandbox.control("DELETE", f"/salesforce/OrderItem/{second['Id']}")
    org.pass_time(5)
    org.run(PLACE, full_resync=True)
    assert expected(org) == links(org)
    assert 3 == len(links(org))


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", ["before the links", "after the links"])
def test_a_kill_loses_no_link_and_doubles_nothing(org: Org, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    monkeypatch.setattr(IntentLog, "wait_until_quiet", lambda _: None)
    org.place(("2", "10.50"), ("1", "4.00"))
    doomed = ORDERS if at == "before the links" else PLACE
    bind = SqlCrosswalk.bind

    def killing(self: SqlCrosswalk, bindings: list[Binding]) -> list[Binding]:
        if any(each.flow == doomed and each.target_id for each in bindings):
            raise Killed
        return bind(self, bindings)

    monkeypatch.setattr(SqlCrosswalk, "bind", killing)
    with pytest.raises(Killed):
        org.run(PLACE)
    monkeypatch.setattr(SqlCrosswalk, "bind", bind)
    assert bool(links(org)) is (at == "after the links")
    summary = org.run(PLACE)
    assert (0, 0) == (summary.counts.rejected, summary.counts.parked), summary.reasons
    assert 1 == len(org.sales()) and 3 == len(links(org))
    assert expected(org) == links(org)
    again = org.run(PLACE, full_resync=True)
    assert (0, 0, expected(org)) == (again.counts.created, again.counts.updated, links(org))


def test_a_lost_answer_loses_no_link(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IntentLog, "wait_until_quiet", lambda _: None)
    org.run(PLACE)
    # so much later that nobody looks whether the order is there already
    org.pass_time(10)
    org.place(("2", "10.50"))
    org.sandbox.control(
        "POST", "/faults", {"system": "brightpearl", "path": "multi-message", "drop": "after"}
    )
    with pytest.raises(TimedOut):
        org.run(PLACE)
    org.run(PLACE)
    assert 2 == len(links(org))
    assert expected(org) == links(org)


def test_the_linking_flow_leaves_linked_orders_alone(org: Org) -> None:
    placed = org.place(("2", "10.50"))
    org.run(PLACE)
    before = org.order(placed), items(org, placed), links(org)
    org.brightpearl().patch(
        f"order-service/order/{org.sales()[placed]['id']}",
        [{"op": "replace", "path": "/reference", "value": "x"}],
    )
    org.pass_time(5)
    org.run(ORDERS, full_resync=True)
    assert before == (org.order(placed), items(org, placed), links(org))
    report = compare(org.wiring(ORDERS), "reconcile", full_resync=True)
    assert report is not None
    assert {} == {kind: ids for kind, ids in report.ids.items() if ids}


def test_an_order_that_brightpearl_has_deleted_is_not_removed_from_salesforce(org: Org) -> None:
    placed = org.place(("2", "10.50"))
    org.run(PLACE)
    org.run(ORDERS)
    org.sandbox.control("DELETE", f"/brightpearl/order/{org.sales()[placed]['id']}")
    org.pass_time(5)
    report = compare(org.wiring(ORDERS), "reconcile", full_resync=True)
    assert report is not None
    assert ((), ()) == (report.remove, report.stale_bindings)
    assert {} == {kind: ids for kind, ids in report.ids.items() if ids}


STATUS = "placed_orders_to_salesforce"


def set_status(org: Org, placed: str, status: int) -> None:
    client, sale = org.brightpearl(), org.sales()[placed]
    client.put(f"order-service/order/{sale['id']}/status", {"orderStatusId": status})
    org.pass_time(5)


def test_the_status_in_brightpearl_and_its_changes_reach_the_order(org: Org) -> None:
    placed = org.place(("2", "10.50"))
    org.run(PLACE)
    org.pass_time(5)
    orders = len(org.sandbox.snapshot("salesforce", "Order"))
    assert 1 == org.run(STATUS).counts.updated
    sale, row = org.sales()[placed], org.order(placed)
    assert sale["orderStatus"]["name"] == row["Brightpearl_Status__c"]
    assert [sale["totalValue"][name] for name in ("net", "taxAmount", "total")] == [
        str(row[name]) for name in ("Net__c", "Tax__c", "Total__c")
    ]
    again = org.run(STATUS, full_resync=True)
    assert (0, 0) == (again.counts.created, again.counts.updated)
    set_status(org, placed, 3)
    assert 1 == org.run(STATUS).counts.updated
    assert org.sales()[placed]["orderStatus"]["name"] == org.order(placed)["Brightpearl_Status__c"]
    assert sale["orderStatus"]["name"] != org.order(placed)["Brightpearl_Status__c"]
    # what it wrote is no change for the flow into Brightpearl
    org.pass_time(5)
    assert (0, 0) == (org.run(PLACE).counts.updated, org.run(PLACE).counts.created)
    assert orders == len(org.sandbox.snapshot("salesforce", "Order"))
    report = compare(org.wiring(STATUS), "reconcile", full_resync=True)
    assert report is not None
    assert {} == {kind: ids for kind, ids in report.ids.items() if ids}


def test_an_order_that_salesforce_does_not_have_is_a_letter_and_is_never_created(org: Org) -> None:
    placed, unlinked = org.place(("2", "10.50")), org.place(("1", "4.00"))
    org.run(PLACE)
    crosswalk = org.wiring(ORDERS).crosswalk
    crosswalk.unbind(crosswalk.of_records(ORDERS, [str(org.sales()[unlinked]["id"])]))
    org.sandbox.control("DELETE", f"/salesforce/Order/{placed}")
    org.pass_time(5)
    orders = len(org.sandbox.snapshot("salesforce", "Order"))
    summary = org.run(STATUS)
    assert (1, 1, 0, 0) == (
        summary.counts.rejected, summary.counts.parked, summary.counts.created, summary.counts.updated,
    )  # fmt: skip
    assert any("invalid cross reference id" in reason for reason, _ in summary.reasons), summary.reasons
    assert orders == len(org.sandbox.snapshot("salesforce", "Order"))


def ship(org: Org, placed: str) -> None:
    org.ship(placed)


def invoice(org: Org, placed: str) -> None:
    client, sale = org.brightpearl(), org.sales()[placed]
    client.post(f"order-service/sales-order/{sale['id']}/close", {})
    org.pass_time(5)


def cancel(org: Org, placed: str) -> None:
    set_status(org, placed, 5)


@pytest.mark.parametrize(
    ("happened", "reason", "amended"),
    [
        pytest.param(ship, "shipped", "OrderItem", id="row of a shipped one"),
        pytest.param(invoice, "invoiced", "OrderItem", id="row of an invoiced one"),
        pytest.param(invoice, "invoiced", "Order", id="head of an invoiced one"),
        pytest.param(cancel, "cancelled", "OrderItem", id="row of a cancelled one"),
        pytest.param(cancel, "cancelled", "Order", id="head of a cancelled one"),
    ],
)
def test_what_brightpearl_refuses_is_a_letter_with_the_reason(
    org: Org, happened: Callable[[Org, str], None], reason: str, amended: str
) -> None:
    """An amendment of an order that was shipped, invoiced or cancelled in Brightpearl meanwhile."""
    placed = org.place(("2", "10.50"), ("1", "4.00"))
    org.run(PLACE)
    happened(org, placed)
    before = org.sales()[placed]
    first, _ = items(org, placed)
    if amended == "OrderItem":
        org.change("OrderItem", first["Id"], Quantity="5")
    else:
        org.change("Order", placed, PoNumber="PO 9")
    org.pass_time(5)
    summary = org.run(PLACE)
    assert (1, 0) == (summary.counts.rejected, summary.counts.updated)
    assert reason in summary.reasons[0][0]
    assert before == org.sales()[placed]
