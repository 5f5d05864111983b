from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.errors import TimedOut
from tests.systems.brightpearl.merchant import Merchant, change, flow, record, with_ids

INVOICES = flow("""
flow: invoices_to_brightpearl
source: brightpearl.sales_orders
target: brightpearl
objects:
  OrderInvoice:
    key: {invoice: id}
    fields: {orderId: a, taxDate: b, net: c, tax: d, gross: e, PCF_GIFT: f}
""")
DAY = "2026-03-30"


def order(merchant: Merchant) -> str:
    row = {"productId": 1001, "quantity": "1", "taxCode": "T20", "net": "10.00", "tax": "2.00"}
    return str(merchant.client().post("order-service/sales-order", {"customer": {"id": 203}, "rows": [row]}))


def invoice(number: int, order_id: str, **fields: Any) -> RecordChange:
    values = {
        "orderId": order_id,
        "taxDate": DAY,
        "net": 10,
        "tax": 2,
        "gross": 12,
        "PCF_GIFT": f"M3-{number}",
    }
    return record(f"INV{number}", change("OrderInvoice", f"INV{number}", {**values, **fields}))


def stored(merchant: Merchant, order_id: str) -> dict[str, Any]:
    return merchant.rows("order")[order_id]


def reasons(results: list[RowResult]) -> list[str]:
    return [each.reason for each in results if each.refused]


def test_invoices_close_their_orders_once(merchant: Merchant) -> None:
    orders = [order(merchant) for _ in range(3)]
    invoices = [invoice(number, each) for number, each in enumerate(orders)]
    results = merchant.write(INVOICES, invoices)
    assert [(f"{each}|invoice", RowOutcome.CREATED) for each in orders] == [
        (each.target_id, each.outcome) for each in results
    ]
    # read, custom fields, closed
    assert 3 == merchant.calls == merchant.fewest
    made = stored(merchant, orders[0])
    assert ("INVOICED", DAY, "M3-0") == (
        made["state"]["tax"],
        made["invoices"][0]["taxDate"][:10],
        made["customFields"]["PCF_GIFT"],
    )
    again = merchant.write(INVOICES, [with_ids(each, results) for each in invoices])
    assert ([], ["PATCH"] * 3) == (reasons(again), [sent[0] for sent in merchant.sent])


def test_an_invoice_whose_answer_was_lost_is_not_made_twice(merchant: Merchant) -> None:
    number = order(merchant)
    merchant.fault(path="multi-message", drop="after", skip=1)
    with pytest.raises(TimedOut, match="INV1: no answer"):
        merchant.write(INVOICES, [invoice(1, number)])
    assert [] == reasons(merchant.write(INVOICES, [invoice(1, number)]))
    assert [] == [sent for sent in merchant.sent if sent[1].endswith("/close")]
    assert [] == merchant.intents.in_doubt("invoices_to_brightpearl")


@pytest.mark.parametrize(
    ("fields", "reason", "name"),
    [
        ({"gross": 12.01}, "is 12.01 on the invoice and 12.00 on Brightpearl's order {}: the order has", "gross"),
        ({"orderId": 98765432}, "Brightpearl has no sales order 98765432", "orderId"),
        ({"taxDate": "soon"}, "is not a date such as 2026-03-31", "taxDate"),
    ],
)  # fmt: skip
def test_an_invoice_that_does_not_fit_is_refused(
    merchant: Merchant, fields: dict[str, Any], reason: str, name: str
) -> None:
    number, other = order(merchant), order(merchant)
    results = merchant.write(INVOICES, [invoice(1, number, **fields), invoice(2, other)])
    [refused] = [each for each in results if each.refused]
    assert refused.reason.startswith(reason.format(number))
    assert name == refused.field
    assert ("READY", "INVOICED") == tuple(stored(merchant, each)["state"]["tax"] for each in (number, other))


def test_a_second_invoice_and_one_of_a_cancelled_order_are_refused(merchant: Merchant) -> None:
    number, cancelled = order(merchant), order(merchant)
    merchant.client().put(f"order-service/order/{cancelled}/status", {"orderStatusId": 5})
    results = merchant.write(INVOICES, [invoice(1, number), invoice(2, number), invoice(3, cancelled)])
    assert [
        "record INV1 is an invoice of the same order",
        f"order {cancelled} is cancelled in Brightpearl",
    ] == reasons(results)
    [late] = merchant.write(INVOICES, [invoice(4, number, taxDate="2026-02-27")])
    assert late.reason.startswith(f"order {number} is invoiced already as SI-{number}, on 2026-03-")
