from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.errors import TimedOut
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from tests.postgres import sqlite_url
from tests.systems.brightpearl.merchant import Merchant, change, flow, record, with_ids

NOTES = flow("""
flow: shipments_to_brightpearl
source: brightpearl.products
target: brightpearl
objects:
  GoodsOutNote:
    key: {id: id}
    fields: {orderId: a, warehouseId: b, shippingMethodId: c, reference: d, boxes: e, shippedOn: f}
  GoodsOutRow:
    key: {id: id}
    parent: {of: GoodsOutNote}
    fields: {orderRowId: a, productId: b, quantity: c}
""")
SHIPPED = "2026-03-30T10:00:00.000Z"


class Sale:
    """An order of nine and five pieces, and notes of it."""

    def __init__(self, merchant: Merchant) -> None:
        rows = [
            {"productId": 1001, "quantity": "9", "taxCode": "T20", "net": "90"},
            {"productId": 1002, "quantity": "5", "taxCode": "T20", "net": "50"},
        ]
        client = merchant.client()
        self.id = client.post("order-service/sales-order", {"customer": {"id": 203}, "rows": rows})
        [stored] = client.get(f"order-service/sales-order/{self.id}")
        self.rows = {row["productId"]: row["id"] for row in stored["rows"]}

    def note(self, key: str, *pieces: tuple[int, int], **fields: Any) -> RecordChange:
        head = {
            "orderId": self.id, "warehouseId": 2, "shippingMethodId": 1, "reference": f"1Z{key}", "boxes": 1,
            "shippedOn": SHIPPED, **fields,
        }  # fmt: skip
        rows = [
            change(
                "GoodsOutRow",
                f"{key}-{product}",
                {"orderRowId": f"{self.id}|{self.rows[product]}", "productId": product, "quantity": quantity},
                key,
            )
            for product, quantity in pieces
        ]
        return record(key, change("GoodsOutNote", key, head), *rows)


def notes(merchant: Merchant, sale: Sale) -> dict[str, dict[str, Any]]:
    found = merchant.client().get(f"warehouse-service/order/{sale.id}/goods-note/goods-out/")
    return dict(sorted((found or {}).items()))


def reasons(results: list[RowResult]) -> list[str]:
    return [each.reason for each in results if each.refused]


def test_parts_of_an_order_are_shipped_with_carrier_and_tracking(merchant: Merchant) -> None:
    sale = Sale(merchant)
    parts = [sale.note("D1", (1001, 4), (1002, 5)), sale.note("D2", (1001, 5))]
    results = merchant.write(NOTES, parts)
    assert ({RowOutcome.CREATED}, 5) == ({each.outcome for each in results}, len(results))
    # created, given their details, shipped
    assert 3 == merchant.calls == merchant.fewest
    first, second = notes(merchant, sale).items()
    assert [first[0], f"{first[0]}|{sale.rows[1001]}"] == [each.target_id for each in results[:2]]
    assert ("1ZD1", 1, 1) == tuple(
        first[1]["shipping"][name] for name in ("reference", "shippingMethodId", "boxes")
    )
    assert second[1]["status"]["shipped"]
    assert datetime.fromisoformat(SHIPPED) == datetime.fromisoformat(second[1]["status"]["shippedOn"])
    assert {1001: 4, 1002: 5} == {
        part["productId"]: part["quantity"] for row in first[1]["orderRows"].values() for part in row
    }
    assert "ASS" == merchant.rows("order")[str(sale.id)]["shippingStatusCode"]
    again = merchant.write(NOTES, [with_ids(each, results) for each in parts])
    assert ([], [], 1) == (merchant.sent, reasons(again), merchant.calls)


def test_a_note_is_shipped_when_its_day_comes(merchant: Merchant) -> None:
    sale = Sale(merchant)
    first = merchant.write(NOTES, [sale.note("D1", (1001, 4), shippedOn=None)])
    assert [False] == [each["status"]["shipped"] for each in notes(merchant, sale).values()]
    head = with_ids(sale.note("D1", reference="1ZNEW"), first)
    assert [] == reasons(merchant.write(NOTES, [head]))
    assert ["PUT", "POST"] == [sent[0] for sent in merchant.sent]
    [note] = notes(merchant, sale).values()
    assert ("1ZNEW", True) == (note["shipping"]["reference"], note["status"]["shipped"])
    [refused] = merchant.write(NOTES, [with_ids(sale.note("D1", reference="late"), first)])
    assert f"note {first[0].target_id} is shipped: a change of it was not sent" == refused.reason
    assert ("reference", "late") == (refused.field, refused.value)


@pytest.mark.parametrize("skip", [0, 1, 2], ids=["created", "details", "shipped"])
def test_nothing_is_shipped_twice_after_a_lost_answer(merchant: Merchant, skip: int) -> None:
    sale = Sale(merchant)
    # two notes of the same pieces
    parts = [sale.note("D1", (1001, 4)), sale.note("D2", (1001, 4)), sale.note("D3", (1002, 1))]
    merchant.fault(path="multi-message", drop="after", skip=skip)
    with pytest.raises(TimedOut, match="D1, D2, D3: no answer"):
        merchant.write(NOTES, parts)
    results = merchant.write(NOTES, parts)
    assert ([], 6) == (reasons(results), len(results))
    made = notes(merchant, sale)
    assert {each.target_id for each in results if "|" not in each.target_id} == set(made)
    assert ["1ZD1", "1ZD2", "1ZD3"] == sorted(note["shipping"]["reference"] for note in made.values())
    assert [1, 1, 1] == [sum(e["eventCode"] == "SHW" for e in note["events"]) for note in made.values()]


def test_notes_are_found_although_the_state_was_lost(merchant: Merchant, tmp_path: Path) -> None:
    sale = Sale(merchant)
    parts = [sale.note("D1", (1001, 4)), sale.note("D2", (1001, 4))]
    first = merchant.write(NOTES, parts)
    merchant.intents = SqlIntents(open_engine(sqlite_url(tmp_path, "other.db")))
    again = merchant.write(NOTES, [*parts, sale.note("D3", (1002, 1))])
    assert [] == reasons(again)
    assert [each.target_id for each in first] == [each.target_id for each in again if each.source_id != "D3"]
    assert 3 == len(notes(merchant, sale))


def test_a_note_in_doubt_does_not_take_that_of_another_delivery(merchant: Merchant) -> None:
    sale = Sale(merchant)
    # two parcels of the same pieces, of which nothing else is known
    first, second = (sale.note(name, (1001, 4), reference=None) for name in ("D1", "D2"))
    [head, _] = merchant.write(NOTES, [first])
    merchant.fault(path="multi-message", drop="before")
    with pytest.raises(TimedOut):
        merchant.write(NOTES, [second])
    [made, _] = merchant.write(NOTES, [second])
    assert {head.target_id, made.target_id} == set(notes(merchant, sale))
    assert 2 == len(notes(merchant, sale))


def test_a_note_of_somebody_else_is_not_taken_for_ours(merchant: Merchant) -> None:
    sale = Sale(merchant)
    merchant.fault(path="multi-message", drop="after")
    with pytest.raises(TimedOut):
        merchant.write(NOTES, [sale.note("D1", (1001, 4))])
    products = [{"productId": 1001, "salesOrderRowId": sale.rows[1001], "quantity": 4}]
    path = f"warehouse-service/order/{sale.id}/goods-note/goods-out"
    merchant.client().post(path, {"warehouses": [{"warehouseId": 2, "products": products}]})
    [refused] = merchant.write(NOTES, [sale.note("D1", (1001, 4))])
    ids = ", ".join(notes(merchant, sale))
    assert f"Brightpearl has several notes like this one: {ids}; delete all but one" == refused.reason


@pytest.mark.parametrize(
    ("pieces", "fields", "reason"),
    [
        (((1001, 10),), {}, "WHSC-084 Quantity 10 is more than what remains of row {row}"),
        (((1001, 0),), {}, "has to be a whole number above 0"),
        (((1001, 1), (1001, 2)), {}, "another row of this note has the same order row: add them up"),
        ((), {}, "a goods-out note needs rows"),
        (((1001, 1),), {"orderId": 98765432}, "CMNC-404 No Order Found"),
    ],
)
def test_a_bad_note_is_refused_and_stops_no_other(
    merchant: Merchant, pieces: tuple[tuple[int, int], ...], fields: dict[str, Any], reason: str
) -> None:
    sale = Sale(merchant)
    results = merchant.write(NOTES, [sale.note("D1", *pieces, **fields), sale.note("D2", (1002, 1))])
    assert [reason.format(row=sale.rows[1001])] == reasons(results)
    assert 1 == len(notes(merchant, sale))


def test_rows_of_a_note_stay(merchant: Merchant) -> None:
    sale = Sale(merchant)
    first = merchant.write(NOTES, [sale.note("D1", (1001, 4), shippedOn=None)])
    more = with_ids(sale.note("D1", (1001, 5)), first)
    [refused] = merchant.write(NOTES, [replace(more, changes=more.changes[1:])])
    told = f"Brightpearl changes no rows of a note: delete {first[0].target_id} there, then sync this record again"
    assert told == refused.reason
