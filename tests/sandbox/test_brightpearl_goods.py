"""The sandbox's warehouse: parts of orders, drop-ship notes, credits that take back what was bought."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import requests

from airflow_provider_brightpearl.sandbox.server import Sandbox

HEADERS = {"brightpearl-app-ref": "acmetest_sandbox", "brightpearl-staff-token": "sandbox-staff-token"}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(customers=20, products=40, orders=200, seed=5) as sandbox:
        sandbox.control("POST", "/settings/brightpearl", {"throttle": False})
        yield sandbox


def call(sandbox: Sandbox, method: str, path: str, body: object = None) -> requests.Response:
    url = f"{sandbox.url}/public-api/acmetest/{path}"
    return requests.request(method, url, json=body, headers=HEADERS, timeout=10)


def orders(sandbox: Sandbox) -> dict[int, dict[str, Any]]:
    return {order["id"]: order for order in sandbox.snapshot("brightpearl", "order")}


def stocked(sandbox: Sandbox) -> set[int]:
    return {each["id"] for each in sandbox.snapshot("brightpearl", "product-availability")}


def waiting(sandbox: Sandbox) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """A web order with one row of at least two pieces, of a product with stock."""
    tracked = stocked(sandbox)
    for order in orders(sandbox).values():
        rows = [(r, line) for r, line in order["orderRows"].items() if line["productId"] in tracked]
        big = [pair for pair in rows if Decimal(pair[1]["quantity"]["magnitude"]) >= 2]
        if order["shippingStatusCode"] == "SNS" and order["orderStatus"]["orderStatusId"] in (2, 3) and big:
            return (order, *big[0])
    raise AssertionError("no such order")


def test_an_order_is_part_shipped_until_all_of_it_is(sandbox):
    order, row, line = waiting(sandbox)
    path = f"warehouse-service/order/{order['id']}/goods-note/goods-out"
    product = {"productId": line["productId"], "salesOrderRowId": int(row), "quantity": 1}
    made = call(sandbox, "POST", path, {"warehouses": [{"warehouseId": 2, "products": [product]}]}).json()
    before = orders(sandbox)[order["id"]]["shippingStatusCode"]
    event = {"events": [{"eventCode": "SHW", "occured": "2026-01-01T10:00:00Z"}]}
    answer = call(
        sandbox, "POST", f"warehouse-service/goods-note/goods-out/{made['response'][0]}/event", event
    )
    after = orders(sandbox)[order["id"]]
    assert (200, "SNS", "SPS", "SOP") == (
        answer.status_code, before, after["shippingStatusCode"], after["stockStatusCode"],
    )  # fmt: skip


def test_a_drop_ship_note_is_made_read_and_shipped(sandbox):
    order, row, line = waiting(sandbox)
    base = f"warehouse-service/order/{order['id']}/goods-note/drop-ship"
    assert 404 == call(sandbox, "GET", f"{base}/").status_code
    product = {"productId": line["productId"], "salesOrderRowId": int(row), "quantity": 2}
    supplier = {"supplierId": 198, "purchaseOrderId": 90_001, "products": [product]}
    (id,) = call(sandbox, "POST", base, {"suppliers": [supplier]}).json()["response"]
    event = {"events": [{"eventCode": "SHS", "occured": "2026-01-01T10:00:00Z"}]}
    path = f"warehouse-service/goods-note/drop-ship/{id}/event"
    assert 200 == call(sandbox, "POST", path, event).status_code
    assert 400 == call(sandbox, "POST", path, event).status_code
    for address in (base, f"{base}/{id}", f"warehouse-service/order/*/goods-note/drop-ship/{id}"):
        (note,) = call(sandbox, "GET", address).json()["response"].values()
        assert (order["id"], 198, True) == (note["orderId"], note["supplierId"], note["status"]["shipped"])
        assert {row: [{"productId": line["productId"], "quantity": 2}]} == note["orderRows"]


def test_generated_credits_take_back_rows_of_their_order(sandbox):
    all_orders = orders(sandbox)
    credits = [order for order in all_orders.values() if order["orderTypeCode"] == "SC"]
    assert credits
    for credit in credits:
        parent = all_orders[credit["parentOrderId"]]
        assert parent["parties"]["customer"]["contactId"] == credit["parties"]["customer"]["contactId"]
        assert Decimal(credit["totalValue"]["total"]) <= Decimal(parent["totalValue"]["total"])
        for row in credit["orderRows"].values():
            bought = parent["orderRows"][str(row["clonedFromId"])]
            assert (bought["productId"], bought["quantity"], bought["rowValue"]) == (
                row["productId"], row["quantity"], row["rowValue"],
            )  # fmt: skip


def test_goods_activity_moves_stock_and_returns_the_affected_ids(sandbox):
    before = {each["id"]: each["total"] for each in sandbox.snapshot("brightpearl", "product-availability")}
    asked = {"stock_corrected": 3, "parts_shipped": 1, "credits_created": 2, "drop_shipped": 1}
    touched = sandbox.control("POST", "/brightpearl/activity", asked)
    assert asked == {name: len(touched[name]) for name in asked}
    after = {each["id"]: each["total"] for each in sandbox.snapshot("brightpearl", "product-availability")}
    assert set(touched["stock_corrected"]) <= {id for id, total in after.items() if total != before[id]}


def test_a_reservation_takes_what_is_on_hand_and_is_released_by_shipping(sandbox: Sandbox) -> None:
    order, row, line = waiting(sandbox)
    product, pieces = line["productId"], int(Decimal(line["quantity"]["magnitude"]))

    def figures() -> dict[str, Any]:
        path = f"warehouse-service/product-availability/{product}"
        found: dict[str, Any] = call(sandbox, "GET", path).json()["response"][str(product)]["warehouses"]["2"]
        return found

    before = figures()
    base = f"warehouse-service/order/{order['id']}"
    item = {"productId": product, "salesOrderRowId": int(row), "quantity": pieces}
    path = f"{base}/reservation/warehouse/2"
    assert 404 == call(sandbox, "GET", path).status_code
    for _ in range(2):
        assert {} == call(sandbox, "POST", path, {"products": [item]}).json()
    taken = min(pieces, before["onHand"])
    assert (before["inStock"], before["allocated"] + taken) == (figures()["inStock"], figures()["allocated"])
    assert taken == call(sandbox, "GET", path).json()["response"]["orderRows"][row]["quantity"]
    assert orders(sandbox)[order["id"]]["allocationStatusCode"] in ("AAA", "APA")
    goods = {"warehouses": [{"warehouseId": 2, "products": [{**item, "quantity": 1}]}]}
    [note] = call(sandbox, "POST", f"{base}/goods-note/goods-out", goods).json()["response"]
    event = {"events": [{"eventCode": "SHW"}]}
    assert {} == call(sandbox, "POST", f"warehouse-service/goods-note/goods-out/{note}/event", event).json()
    after = figures()
    assert (before["inStock"] - 1, before["allocated"] + taken - 1) == (after["inStock"], after["allocated"])
    for bad in ({**item, "salesOrderRowId": 1}, {**item, "quantity": 0}):
        assert 400 == call(sandbox, "POST", path, {"products": [bad]}).status_code
