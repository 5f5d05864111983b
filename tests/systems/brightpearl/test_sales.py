from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import RecordChange, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.errors import Misconfigured, TimedOut, Unavailable
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.systems.brightpearl.schema import schema_problems
from airflow_provider_brightpearl.systems.registry import check_flow
from tests.postgres import sqlite_url
from tests.systems.brightpearl.merchant import Merchant, change, flow, record, with_ids

TEXT = """
flow: orders_to_brightpearl
source: brightpearl.sales_orders
target: brightpearl
objects:
  SalesOrder:
    key: {externalRef: id}
    fields: {contactId: a, ref: b, statusId: c, channelId: d, shippingMethodId: e, net: f, tax: g, gross: h}
  OrderRow:
    key: {externalRef: id}
    parent: {of: SalesOrder}
    fields: {productId: a, quantity: b, taxCode: c, net: d, tax: e}
  OrderAddress:
    key: {id: id}
    parent: {of: SalesOrder}
    fields: {type: a, addressFullName: b, countryIsoCode: c}
"""
ORDERS = flow(TEXT)
LINES: Mapping[str, Mapping[str, Any]] = {
    "1": {"productId": 1001, "quantity": 2, "taxCode": "T20", "net": 40.05, "tax": 8.01},
    "2": {"productId": 1002, "quantity": 1, "taxCode": "T20", "net": 10.5, "tax": 2.1},
}


def order(number: int, lines: Mapping[str, Mapping[str, Any]] = LINES, **fields: Any) -> RecordChange:
    key = f"SO{number}"
    head = {
        "contactId": 203,
        "ref": f"WEB-{number}",
        "statusId": 2,
        "channelId": 1,
        "shippingMethodId": 1,
        **fields,
    }
    place = {"type": "delivery", "addressFullName": "Ada Marsh", "countryIsoCode": "GBR"}
    rows = [change("OrderRow", f"{key}-{name}", line, key) for name, line in lines.items()]
    return record(key, change("SalesOrder", key, head), *rows, change("OrderAddress", f"{key}-d", place, key))


def ours(merchant: Merchant) -> list[dict[str, Any]]:
    """The orders that a flow has made."""
    refs = (
        each for each in merchant.rows("order").values() if str(each.get("externalRef", "")).startswith("SO")
    )
    return sorted(refs, key=lambda each: str(each["externalRef"]))


def bound(sent: RecordChange, results: list[RowResult]) -> RecordChange:
    """A record whose rows are bound as far as they were written."""
    ids = {(each.object, each.key): each.target_id for each in results}
    changes = tuple(replace(each, target_id=ids.get((each.object, each.key))) for each in sent.changes)
    return replace(sent, changes=changes)


def reasons(results: list[RowResult]) -> list[str]:
    return [each.reason for each in results if each.refused]


# new orders


def test_new_orders_go_ten_to_a_call_and_are_read_back_together(merchant: Merchant) -> None:
    results = merchant.write(
        ORDERS, [order(number, net=50.55, tax=10.11, gross=60.66) for number in range(20)]
    )
    assert ({RowOutcome.CREATED}, 80) == ({each.outcome for each in results}, len(results))
    assert 3 == merchant.calls == merchant.fewest
    made = ours(merchant)
    assert {("50.55", "10.11", "60.66")} == {
        tuple(each["totalValue"][name] for name in ("net", "taxAmount", "total")) for each in made
    }
    first = made[0]
    rows = {row["externalRef"]: row_id for row_id, row in first["orderRows"].items()}
    assert {
        "SO0": str(first["id"]),
        "SO0-1": f"{first['id']}|{rows['SO0-1']}",
        "SO0-2": f"{first['id']}|{rows['SO0-2']}",
        "SO0-d": f"{first['id']}|delivery",
    } == {each.key: each.target_id for each in results if each.source_id == "SO0"}
    head = next(each for each in results if each.key == "SO0")
    assert {
        "statusId": "2",
        "allocationStatusCode": "ANA",
        "net": "50.55",
        "tax": "10.11",
        "gross": "60.66",
    } == dict(head.returned_fields)
    assert ("Ada Marsh", 1) == (
        first["parties"]["delivery"]["addressFullName"],
        first["assignment"]["current"]["channelId"],
    )


def test_an_order_that_is_refused_stops_no_other(merchant: Merchant) -> None:
    bad = order(2, {"1": {**LINES["1"], "productId": 999999}})
    results = merchant.write(ORDERS, [order(1), bad, order(3)])
    assert ["ORDC-025 Product 999999 does not exist"] == reasons(results)
    assert ["SO1", "SO3"] == [each["externalRef"] for each in ours(merchant)]
    # a mended one goes through
    assert [] == reasons(merchant.write(ORDERS, [order(2)]))


def test_orders_whose_answer_was_lost_are_found_by_their_reference(merchant: Merchant) -> None:
    orders = [order(number) for number in range(3)]
    merchant.fault(path="multi-message", drop="after")
    with pytest.raises(TimedOut, match="SO0, SO1, SO2: no answer, so they are in doubt"):
        merchant.write(ORDERS, orders)
    assert 3 == len(ours(merchant))
    results = merchant.write(ORDERS, orders)
    assert ({RowOutcome.CREATED}, 12, []) == ({each.outcome for each in results}, len(results), merchant.sent)
    assert 3 == len(ours(merchant))


@pytest.mark.parametrize("answer", ["id", "null"])
def test_an_order_with_an_instance_is_recognised_when_it_is_repeated(merchant: Merchant, answer: str) -> None:
    spec = flow(TEXT.replace("contactId: a,", "contactId: a, installedIntegrationInstanceId: a,"))
    merchant.switch(sales_order_repeat=answer)
    merchant.fault(path="multi-message", drop="after")
    results = merchant.write(spec, [order(1, installedIntegrationInstanceId=13)])
    assert [] == reasons(results)
    assert [str(each["id"]) for each in ours(merchant)] == [results[0].target_id]


def test_orders_are_found_although_the_state_was_lost(merchant: Merchant, tmp_path: Path) -> None:
    first = merchant.write(ORDERS, [order(1)])
    merchant.intents = SqlIntents(open_engine(sqlite_url(tmp_path, "other.db")))
    again = merchant.write(ORDERS, [order(1, ref="WEB-1b"), order(2)])
    assert {each.target_id for each in first} == {each.target_id for each in again if each.source_id == "SO1"}
    assert ["WEB-1b", "WEB-2"] == [each["reference"] for each in ours(merchant)]


def test_two_workers_make_no_order_twice(merchant: Merchant) -> None:
    orders = [order(number) for number in range(15)]

    def work(run: str) -> None:
        sink = merchant.sink(ORDERS, run, settle_seconds=30.0)
        for _ in range(5):
            try:
                list(sink.write(orders))
            except Unavailable:
                continue
            return

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["run1", "run2"]))
    assert sorted(f"SO{number}" for number in range(15)) == sorted(
        each["externalRef"] for each in ours(merchant)
    )


SUMS = "at the source, and its rows add up to"


@pytest.mark.parametrize(
    ("line", "fields", "reason", "name"),
    [
        ({"quantity": 0}, {}, "has to be above 0", "quantity"),
        ({"net": 40.051}, {}, "has more than the two decimals that Brightpearl takes", "net"),
        ({"tax": None, "taxCode": "XX"}, {}, "is not a tax code of the account", "taxCode"),
        ({"tax": None}, {"tax": 10.12}, f"is 10.12 {SUMS} 10.11; nothing was sent", "tax"),
        ({}, {"gross": 60.67}, f"is 60.67 {SUMS} 60.66; nothing was sent", "gross"),
        ({"taxCode": None}, {}, "is missing", "taxCode"),
    ],
)  # fmt: skip
def test_figures_that_do_not_fit_are_refused_before_they_are_sent(
    merchant: Merchant, line: dict[str, Any], fields: dict[str, Any], reason: str, name: str
) -> None:
    lines = {**LINES, "1": {**LINES["1"], **line}}
    [refused] = merchant.write(ORDERS, [order(1, lines, **fields)])
    assert (reason, name) == (refused.reason, refused.field)
    assert ([], []) == (merchant.sent, ours(merchant))


def test_tax_that_is_not_mapped_is_that_of_the_tax_code(merchant: Merchant) -> None:
    lines = {"1": {**LINES["1"], "tax": None, "net": 0.13}, "2": {**LINES["2"], "tax": None, "taxCode": "T5"}}
    assert [] == reasons(merchant.write(ORDERS, [order(1, lines, tax=0.56)]))
    [made] = ours(merchant)
    assert ["0.03", "0.53"] == sorted(
        row["rowValue"]["rowTax"]["value"] for row in made["orderRows"].values()
    )


def test_a_difference_that_brightpearl_makes_is_refused_with_both_figures(merchant: Merchant) -> None:
    merchant.switch(tax_computed=True)
    # what the source rounds for each piece, Brightpearl rounds for the row
    lines = {"1": {**LINES["1"], "tax": 8.02}}
    for _ in range(2):
        [refused] = merchant.write(ORDERS, [order(1, lines)])
        [made] = ours(merchant)
        assert refused.reason == (
            f"tax is 8.01 in Brightpearl's {made['id']} and 8.02 at the source; "
            "correct it in Brightpearl, then sync this record again"
        )
        assert ("tax", "8.02") == (refused.field, refused.value)
    merchant.switch(tax_computed=False)
    assert [] == reasons(merchant.write(ORDERS, [order(1, lines)]))
    assert "8.02" == ours(merchant)[0]["totalValue"]["taxAmount"]


# existing ones


def test_only_what_differs_is_changed(merchant: Merchant) -> None:
    first = merchant.write(ORDERS, [order(1)])
    lines = {
        "1": {**LINES["1"], "quantity": 3, "net": 60, "tax": 12},
        "3": {**LINES["2"], "productId": 1003},
    }
    gone = next(each for each in first if each.key == "SO1-2")
    later = bound(order(1, lines, ref="WEB-1b", statusId=3, net=70.5, tax=14.1, gross=84.6), first)
    later = replace(later, removals=(Removal("OrderRow", gone.key, gone.target_id),))
    results = merchant.write(ORDERS, [later])
    assert [] == reasons(results)
    number, row_id = first[1].target_id.split("|")
    place = f"/order-service/order/{number}"
    assert [
        ("PATCH", place),
        ("PATCH", f"{place}/row/{row_id}"),
        ("POST", f"{place}/row"),
        ("DELETE", f"{place}/row/{gone.target_id.split('|')[1]}"),
        ("PUT", f"{place}/status"),
    ] == [sent[:2] for sent in merchant.sent]
    assert [{"op": "replace", "path": "/reference", "value": "WEB-1b"}] == merchant.sent[0][2]
    assert ["/quantity/magnitude", "/rowValue/rowNet/value", "/rowValue/rowTax/value"] == [
        each["path"] for each in merchant.sent[1][2]
    ]
    # read, changed in one call, read again
    assert 3 == merchant.calls == merchant.fewest
    outcomes = {each.key: each.outcome for each in results}
    assert (RowOutcome.REMOVED, RowOutcome.UPDATED) == (outcomes["SO1-2"], outcomes["SO1"])
    [made] = ours(merchant)
    assert ("84.60", 3, "WEB-1b") == (
        made["totalValue"]["total"],
        made["orderStatus"]["orderStatusId"],
        made["reference"],
    )
    again = merchant.write(ORDERS, [bound(replace(later, removals=()), [*first, *results])])
    assert ([], [], 1) == (merchant.sent, reasons(again), merchant.calls)


def test_another_product_is_another_row(merchant: Merchant) -> None:
    first = merchant.write(ORDERS, [order(1)])
    lines = {**LINES, "1": {**LINES["1"], "productId": 1003}}
    results = merchant.write(ORDERS, [with_ids(order(1, lines), first)])
    assert ["DELETE", "POST"] == [sent[0] for sent in merchant.sent]
    was, now = (next(each for each in some if each.key == "SO1-1").target_id for some in (first, results))
    assert was != now
    [made] = ours(merchant)
    assert {1002, 1003} == {row["productId"] for row in made["orderRows"].values()}


@pytest.mark.parametrize("whole", [True, False], ids=["deleted with its parts", "deleted alone"])
def test_the_components_of_a_bundle_follow_its_quantity(merchant: Merchant, whole: bool) -> None:
    """Whether or not Brightpearl deletes them with the row of the bundle."""
    merchant.switch(bundle_deleted_whole=whole)
    parts = [{"productId": 1003, "productQuantity": 1}, {"productId": 1004, "productQuantity": 2}]
    composition = {"composition": {"bundle": True, "bundleComponents": parts}}
    merchant.sandbox.control("PATCH", "/brightpearl/product/1001", composition)
    first = merchant.write(ORDERS, [order(1)])
    assert [] == reasons(first)
    assert {1001: 2, 1002: 1, 1003: 2, 1004: 4} == pieces(merchant)
    merchant.write(ORDERS, [with_ids(order(1), first)])
    assert [] == merchant.sent

    more = {**LINES, "1": {**LINES["1"], "quantity": 3}}
    second = merchant.write(ORDERS, [with_ids(order(1, more), first)])
    assert [] == reasons(second)
    assert {1001: 3, 1002: 1, 1003: 3, 1004: 6} == pieces(merchant)
    # a price alone changes the row as it is
    dearer = {**more, "1": {**more["1"], "net": 50.0, "tax": 10.0}}
    third = merchant.write(ORDERS, [with_ids(order(1, dearer), second)])
    assert (["PATCH"], []) == ([each[0] for each in merchant.sent], reasons(third))
    assert [each.target_id for each in second] == [each.target_id for each in third]


def pieces(merchant: Merchant) -> dict[int, Decimal]:
    [made] = ours(merchant)
    rows = made["orderRows"].values()
    found = {row["productId"]: Decimal(row["quantity"]["magnitude"]) for row in rows}
    assert len(found) == len(rows)
    return found


def test_an_order_without_rows_is_refused(merchant: Merchant) -> None:
    [*results] = merchant.write(ORDERS, [order(1, {}), order(2)])
    assert ["needs a row, and the source has none; nothing was sent"] == reasons(results)
    assert ["SO2"] == [each["externalRef"] for each in ours(merchant)]


def test_a_row_whose_answer_was_lost_is_not_added_twice(merchant: Merchant) -> None:
    merchant.write(ORDERS, [order(1)])
    row = change("OrderRow", "SO1-3", {**LINES["1"], "productId": 1003}, "SO1")
    merchant.fault(path="multi-message", drop="after")
    with pytest.raises(TimedOut, match="SO1: no answer"):
        merchant.write(ORDERS, [record("SO1", row)])
    [result] = merchant.write(ORDERS, [record("SO1", row)])
    [made] = ours(merchant)
    assert (3, []) == (len(made["orderRows"]), merchant.sent)
    assert f"{made['id']}|" in result.target_id


INVOICED = {"state": {"tax": "INVOICED"}, "invoices": [{"invoiceReference": "SI-1"}]}
CANCELLED = {"orderStatus": {"orderStatusId": 5, "name": "Cancelled"}}


@pytest.mark.parametrize(
    ("there", "fields", "told"),
    [
        (INVOICED, {"ref": "new"}, "is invoiced in Brightpearl as SI-1: a change of it was not sent"),
        (CANCELLED, {"ref": "new", "statusId": None}, "is cancelled in Brightpearl: a change of it was not sent"),
        (CANCELLED, {"statusId": 3}, "is cancelled in Brightpearl: its status was not changed"),
        ({}, {"channelId": 2}, "Brightpearl does not change it on an existing order: {id} has 1"),
    ],
)  # fmt: skip
def test_a_change_that_brightpearl_does_not_take_is_refused_with_the_reason(
    merchant: Merchant, there: dict[str, Any], fields: dict[str, Any], told: str
) -> None:
    first = merchant.write(ORDERS, [order(1)])
    number = first[0].target_id
    merchant.sandbox.control("PATCH", f"/brightpearl/order/{number}", there)
    [refused] = merchant.write(ORDERS, [with_ids(order(1, **fields), first)])
    assert told.format(id=number) in refused.reason
    assert [] == merchant.sent


def test_rows_of_a_shipped_order_and_addresses_stay(merchant: Merchant) -> None:
    first = merchant.write(ORDERS, [order(1), order(2)])
    number = first[0].target_id
    merchant.sandbox.control("PATCH", f"/brightpearl/order/{number}", {"shippingStatusCode": "SPS"})
    lines = {**LINES, "1": {**LINES["1"], "quantity": 3}}
    place = change("OrderAddress", "SO2-d", {"type": "delivery", "addressFullName": "Bob"}, "SO2")
    results = merchant.write(
        ORDERS, [with_ids(order(1, lines), first), with_ids(record("SO2", place), first)]
    )
    assert [
        f"{number} is partly shipped: a change of its rows was not sent",
        f"Brightpearl changes no address of an existing order: {first[4].target_id} has Ada Marsh",
    ] == reasons(results)
    assert [] == merchant.sent
    # its reference may change all the same
    assert [] == reasons(merchant.write(ORDERS, [with_ids(order(1, ref="new"), first)]))


def test_an_order_that_somebody_deleted_is_refused(merchant: Merchant) -> None:
    first = merchant.write(ORDERS, [order(1)])
    merchant.sandbox.control("DELETE", f"/brightpearl/order/{first[0].target_id}")
    [refused] = merchant.write(ORDERS, [with_ids(order(1, ref="new"), first)])
    assert f"Brightpearl no longer has SalesOrder {first[0].target_id}" == refused.reason


def test_custom_fields_of_an_order_are_set(merchant: Merchant) -> None:
    spec = flow(TEXT.replace("contactId: a,", "contactId: a, PCF_GIFT: a,"))
    assert [] == reasons(merchant.write(spec, [order(1, PCF_GIFT="yes")]))
    assert "yes" == ours(merchant)[0]["customFields"]["PCF_GIFT"]


def test_custom_fields_that_the_account_lacks_are_named_before_a_run(merchant: Merchant) -> None:
    client = merchant.client()
    assert ([], 0) == (schema_problems(client, ORDERS), client.calls)
    spec = flow(TEXT.replace("contactId: a,", "contactId: a, PCF_GIFT: a, PCF_GIFD: a,"))
    assert [
        "orders_to_brightpearl.yaml: objects.SalesOrder.fields.PCF_GIFD: "
        "create custom field PCF_GIFD in Brightpearl, which has none of this code; did you mean PCF_GIFT?"
    ] == schema_problems(client, spec)
    assert 1 == client.calls


def test_stock_is_allocated_once_as_far_as_there_is_some(merchant: Merchant) -> None:
    spec = flow(TEXT.replace("contactId: a,", "contactId: a, allocate: a, warehouseId: a,"))
    orders = [order(1, allocate=True, warehouseId=2), order(2, allocate=False, warehouseId=2)]
    results = merchant.write(spec, orders)
    assert [] == reasons(results)
    # sent, read, allocated, read again
    assert 4 == merchant.calls == merchant.fewest
    made = ours(merchant)
    assert ["AAA", "ANA"] == [each["allocationStatusCode"] for each in made]
    assert "AAA" == dict(results[0].returned_fields)["allocationStatusCode"]
    again = merchant.write(spec, [with_ids(each, results) for each in orders])
    assert ([], []) == (merchant.sent, reasons(again))

    many = {"1": {**LINES["1"], "quantity": 100000}}
    merchant.fault(path="multi-message", drop="after", skip=1)
    with pytest.raises(TimedOut, match="SO3"):
        merchant.write(spec, [order(3, many, allocate=True, warehouseId=2)])
    assert [] == reasons(merchant.write(spec, [order(3, many, allocate=True, warehouseId=2)]))
    assert ("APA", []) == (ours(merchant)[2]["allocationStatusCode"], merchant.sent)


def test_a_credit_is_linked_to_its_order(merchant: Merchant) -> None:
    spec = flow(
        TEXT.replace("SalesOrder", "SalesCredit").replace("contactId: a,", "contactId: a, parentId: a,")
    )
    [sold, *_] = merchant.write(ORDERS, [order(1)])
    sale = order(2, parentId=int(sold.target_id))
    head = replace(sale.changes[0], object="SalesCredit")
    results = merchant.write(spec, [replace(sale, changes=(head, *sale.changes[1:]))])
    assert [] == reasons(results)
    made = ours(merchant)[1]
    assert ("SC", int(sold.target_id)) == (made["orderTypeCode"], made["parentOrderId"])


def test_the_key_of_an_order_is_its_external_reference() -> None:
    with pytest.raises(
        Misconfigured, match=r"objects.SalesOrder.key: SalesOrder holds its key in externalRef: write"
    ):
        check_flow(flow(TEXT.replace("key: {externalRef: id}", "key: {ref: id}", 1)))


def test_money_is_exact(merchant: Merchant) -> None:
    """A thousandth of a penny in a sum would show."""
    line = {"productId": 1001, "quantity": 3, "taxCode": "T20", "net": 0.1, "tax": 0.02}
    lines = {str(number): line for number in range(30)}
    assert [] == reasons(merchant.write(ORDERS, [order(1, lines, net=3, tax=0.6, gross=3.6)]))
    assert Decimal("3.60") == Decimal(ours(merchant)[0]["totalValue"]["total"])
