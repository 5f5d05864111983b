"""Shipments into Salesforce: whole and partial notes, drop-ship, and the status of their orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from math import ceil
from typing import Any

import pytest

from tests.flows.site import Site

pytestmark = pytest.mark.slow

FLOW = "shipments_to_salesforce"
CARRIERS = {1: "Collection", 2: "Courier 24h", 3: "Royal Mail 48", 4: "DHL International"}


def lines_of(notes: dict[str, dict[str, Any]]) -> dict[str, Decimal]:
    """Quantity per note, order row and product."""
    found: dict[str, Decimal] = {}
    for note_id, note in notes.items():
        for row, parts in note["orderRows"].items():
            for part in parts:
                key = f"{note_id}|{row}|{part['productId']}"
                found[key] = found.get(key, Decimal(0)) + part["quantity"]
    return found


def written_lines(site: Site) -> dict[str, Decimal]:
    rows = site.there("Brightpearl_Shipment_Line__c").items()
    return {key: Decimal(row["Quantity__c"]) for key, row in rows}


def status_of(site: Site, order: int) -> str:
    status: str = site.there("Order", "Brightpearl_Order_Id__c")[str(order)]["Status"]
    return status


def test_every_note_becomes_a_shipment_with_its_lines(site):
    summary = site.run(FLOW)
    notes = site.here("goods-out-note", "goodsOutNoteId")
    there = site.there("Brightpearl_Shipment__c")
    orders = site.there("Order", "Brightpearl_Order_Id__c")
    assert (len(notes), 0, 0) == (summary.counts.created, summary.counts.rejected, summary.counts.parked)
    assert lines_of(notes) == written_lines(site)
    for key, note in notes.items():
        row = there[key]
        assert orders[str(note["orderId"])]["Id"] == row["Order__c"]
        assert CARRIERS[note["shipping"]["shippingMethodId"]] == row["Carrier__c"]
        assert (note["shipping"]["reference"] or None) == row["Tracking_Reference__c"]
        assert ("Shipped" if note["status"]["shipped"] else "Open") == row["Status__c"]


def test_the_first_run_takes_the_fewest_calls(site):
    summary = site.run(FLOW)
    notes, orders = site.here("goods-out-note", "goodsOutNoteId"), site.here("order")
    sales = sum(order["orderTypeCode"] == "SO" for order in orders.values())
    fewest = 2 * ceil(len(notes) / 500) + ceil(sales / 500) + ceil(sales / 200)
    assert fewest == summary.calls.made["brightpearl"]
    assert summary.calls.made["brightpearl"] == summary.calls.minimum["brightpearl"]


def test_a_part_of_an_order_is_a_shipment_and_the_order_is_partially_fulfilled(site):
    site.run(FLOW)
    notes = site.act(parts_shipped=2)["parts_shipped"]
    site.run("orders_to_salesforce")
    summary = site.run(FLOW)
    here = site.here("goods-out-note", "goodsOutNoteId")
    assert (2, lines_of(here)) == (summary.counts.created, written_lines(site))
    for note in notes:
        assert "Partially Fulfilled" == status_of(site, here[str(note)]["orderId"])


def test_an_open_note_is_followed_until_it_is_shipped_whenever_it_was_made(site):
    site.run(FLOW)
    notes = site.here("goods-out-note", "goodsOutNoteId")
    open_note = next(key for key, note in notes.items() if not note["status"]["shipped"])
    site.pass_time(3000)
    site.run(FLOW)
    change = {"shipping": {"reference": "PICKED UP", "shippingMethodId": 4}}
    site.patch(f"/brightpearl/goods-out-note/{open_note}", change)
    summary = site.run(FLOW)
    row = site.there("Brightpearl_Shipment__c")[open_note]
    assert (1, "PICKED UP", "DHL International") == (
        summary.counts.updated, row["Tracking_Reference__c"], row["Carrier__c"],
    )  # fmt: skip
    shipped = site.act(notes_shipped=1)["notes_shipped"][0]
    summary = site.run(FLOW)
    site.run("orders_to_salesforce")
    row = site.there("Brightpearl_Shipment__c")[str(shipped)]
    assert (1, "Shipped") == (summary.counts.updated, row["Status__c"])
    assert row["Shipped_On__c"]
    assert "Fulfilled" == status_of(site, notes[str(shipped)]["orderId"])


def test_goods_sent_by_a_supplier_are_shipments_too(site):
    site.run(FLOW)
    note = str(site.act(drop_shipped=1)["drop_shipped"][0])
    summary = site.run(FLOW)
    here = {f"DS{key}": each for key, each in site.here("drop-ship-note", "dropShipNoteId").items()}
    row = site.there("Brightpearl_Shipment__c")[f"DS{note}"]
    assert (1, "drop-ship", "Shipped") == (summary.counts.created, row["Kind__c"], row["Status__c"])
    assert lines_of(here) == {key: n for key, n in written_lines(site).items() if key.startswith("DS")}


def test_a_shipment_waits_for_its_order_and_comes_by_itself(site):
    note = str(site.act(drop_shipped=1)["drop_shipped"][0])
    order = str(site.here("drop-ship-note", "dropShipNoteId")[note]["orderId"])
    site.forget("orders_to_salesforce", "Order", order)
    summary = site.run(FLOW)
    assert (1, 0) == (summary.counts.parked, summary.counts.rejected)
    site.run("orders_to_salesforce", start=site.now() - timedelta(days=900))
    site.pass_time(60)
    summary = site.run(FLOW)
    assert (1, 0) == (summary.counts.created, summary.counts.parked)
    assert f"DS{note}" in site.there("Brightpearl_Shipment__c")


def test_a_line_of_nothing_is_rejected_by_name_and_the_rest_goes_through(site):
    notes = site.here("goods-out-note", "goodsOutNoteId")
    key, row = next((key, next(iter(note["orderRows"]))) for key, note in notes.items() if note["orderRows"])
    parts = [{**part, "quantity": 0} for part in notes[key]["orderRows"][row]]
    site.patch(f"/brightpearl/goods-out-note/{key}", {"orderRows": {row: parts}})
    summary = site.run(FLOW)
    assert (1, len(notes) - 1) == (summary.counts.rejected, summary.counts.created)
    assert "Quantity__c" in summary.reasons[0][0]
    assert key not in site.there("Brightpearl_Shipment__c")


def test_rows_of_an_unknown_shape_reject_one_note(site):
    notes = site.here("goods-out-note", "goodsOutNoteId")
    key = next(iter(notes))
    site.patch(f"/brightpearl/goods-out-note/{key}", {"orderRows": None, "sequence": 1})
    bad = [{"productId": "x", "quantity": "many"}]
    other = next(each for each in notes if each != key and notes[each]["orderRows"])
    row = next(iter(notes[other]["orderRows"]))
    site.patch(f"/brightpearl/goods-out-note/{other}", {"orderRows": {row: bad}})
    summary = site.run(FLOW)
    assert (1, len(notes) - 1) == (summary.counts.rejected, summary.counts.created)
    assert "quantity" in summary.reasons[0][0] or "productId" in summary.reasons[0][0]


def test_a_second_run_writes_nothing(site):
    site.run(FLOW)
    summary = site.run(FLOW)
    assert (0, 0) == (summary.counts.created, summary.counts.updated)
    assert summary.calls.made.get("salesforce", 0) == 0
