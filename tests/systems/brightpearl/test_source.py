"""Brightpearl's streams read over HTTP: what a selection gives, once each, in how many calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from tests.systems.live import brightpearl, switch

EVERYTHING = Selection(None, full_resync=True)
NOW = datetime(2026, 3, 31, 12, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def source(sandbox: Sandbox, stream: str = "sales_orders") -> BrightpearlSource:
    return BrightpearlSource(brightpearl(sandbox), stream)


def read(sandbox: Sandbox, selection: Selection, stream: str = "sales_orders") -> list[dict[str, Any]]:
    return [json.loads(raw) for _, raw in source(sandbox, stream).read(selection) if isinstance(raw, bytes)]


def ids(sandbox: Sandbox, start: datetime | None, end: datetime, *more: str) -> list[int]:
    return [record["id"] for record in read(sandbox, Selection(Window(start, end), more))]


def orders(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [each for each in sandbox.snapshot("brightpearl", "order") if each["orderTypeCode"] == "SO"]


def stamps(order: dict[str, Any]) -> list[datetime]:
    found = (order.get(name) for name in ("createdOn", "updatedOn"))
    return [datetime.fromisoformat(text) for text in found if text]


def expected(sandbox: Sandbox, window: Window) -> list[int]:
    return sorted(order["id"] for order in orders(sandbox) if any(stamp in window for stamp in stamps(order)))


def test_orders_never_modified_are_found(sandbox: Sandbox) -> None:
    untouched = {order["id"] for order in orders(sandbox) if not order.get("updatedOn")}
    assert untouched
    assert untouched <= set(ids(sandbox, datetime(2025, 3, 1, tzinfo=UTC), NOW))
    assert untouched <= set(ids(sandbox, None, NOW))


def test_from_the_beginning_every_order_comes_once(sandbox: Sandbox) -> None:
    every = sorted(order["id"] for order in orders(sandbox))
    assert every == sorted(ids(sandbox, None, NOW))
    assert every == sorted(record["id"] for record in read(sandbox, EVERYTHING))


@pytest.mark.parametrize("start_inclusive", [True, False])
@pytest.mark.parametrize("end_inclusive", [True, False])
@pytest.mark.parametrize("offset", [timedelta(0), timedelta(microseconds=456)])
def test_windows_are_half_open_whatever_a_period_means(
    sandbox: Sandbox, start_inclusive: bool, end_inclusive: bool, offset: timedelta
) -> None:
    switch(sandbox, "brightpearl", period_start_inclusive=start_inclusive, period_end_inclusive=end_inclusive)
    marks = [stamp + offset for order in orders(sandbox)[8::18] for stamp in stamps(order)]
    bounds = sorted({datetime(2025, 1, 1, tzinfo=UTC), *marks, NOW})
    for start, end in pairwise(bounds):
        assert expected(sandbox, Window(start, end)) == sorted(ids(sandbox, start, end))


def test_an_empty_window_asks_nothing(sandbox: Sandbox) -> None:
    reading = source(sandbox)
    assert [] == list(reading.read(Selection(Window(NOW, NOW - SECOND))))
    assert (0, 0) == (reading.calls, reading.min_calls)


def test_a_window_without_changes_takes_two_searches_and_no_more(sandbox: Sandbox) -> None:
    reading = source(sandbox)
    assert [] == list(reading.read(Selection(Window(NOW - SECOND, NOW))))
    assert (2, 2) == (reading.calls, reading.min_calls)


def test_a_change_is_found_by_the_window_it_happened_in(sandbox: Sandbox) -> None:
    touched = sandbox.control(
        "POST", "/brightpearl/activity", {"orders_changed": 3, "orders_created": 2, "seed": 5}
    )
    changed = sorted({*touched["orders_changed"], *touched["orders_created"]})
    assert changed == sorted(ids(sandbox, NOW, NOW + timedelta(hours=1)))
    assert [] == ids(sandbox, NOW + timedelta(minutes=30), NOW + timedelta(hours=1))


def test_named_ids_and_a_window_give_every_id_once(sandbox: Sandbox) -> None:
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), NOW)
    inside = expected(sandbox, window)
    named = [str(number) for number in (inside[0], 100001, 100001, inside[-1])]
    assert sorted({100001, *inside}) == sorted(ids(sandbox, window.start, NOW, *named))


def test_named_ids_are_read_and_other_texts_are_not(sandbox: Sandbox) -> None:
    found = read(sandbox, Selection(None, ("100003", "100001", "line 7", "", "-1")))
    assert [100001, 100003] == sorted(record["id"] for record in found)


@pytest.mark.parametrize(
    ("stream", "filters", "collection", "change", "reason"),
    [
        ("sales_orders", {}, "order", {"orderTypeCode": "PO"}, "its orderTypeCode is PO"),
        ("sales_credits", {}, "order", {"orderTypeCode": "SO"}, "its orderTypeCode is SO"),
        ("sales_orders", {"orderTypeId": "2"}, "order", {"orderTypeCode": "PO"}, ""),
        ("sales_orders", {"orderStatusId": "999"}, "order", {"orderTypeCode": "SO"}, ""),
        ("contacts", {}, "contact", {"relationshipToAccount": {"isSupplier": True}}, "isSupplier is true"),
        ("contacts", {"isSupplier": "true"}, "contact", {"relationshipToAccount": {"isSupplier": True}}, ""),
    ],
)
def test_a_named_record_of_another_kind_is_not_taken_for_one_of_the_stream(
    sandbox: Sandbox,
    stream: str,
    filters: dict[str, str],
    collection: str,
    change: dict[str, Any],
    reason: str,
) -> None:
    record = sandbox.snapshot("brightpearl", collection)[0]
    number = str(record.get("contactId") or record["id"])
    sandbox.control("PATCH", f"/brightpearl/{collection}/{number}", change)
    ((found, read_),) = BrightpearlSource(brightpearl(sandbox), stream, filters).read_ids([number])
    assert (number, bool(reason)) == (found, isinstance(read_, Unread))
    assert not isinstance(read_, Unread) or reason in read_.reason


def test_an_id_that_is_gone_is_named(sandbox: Sandbox) -> None:
    sandbox.control("DELETE", "/brightpearl/order/100002")
    found = dict(source(sandbox).read(Selection(None, ("100001", "100002"))))
    assert {"100001", "100002"} == set(found)
    first, second = found["100001"], found["100002"]
    assert isinstance(first, bytes) and 100001 == json.loads(first)["id"]
    assert isinstance(second, Unread) and second.gone and "has no record 100002" in second.reason


def test_records_are_those_that_came(sandbox: Sandbox) -> None:
    ((source_id, raw),) = source(sandbox).read(Selection(None, ("100001",)))
    assert isinstance(raw, bytes)
    assert ("100001", False) == (source_id, b"\n" in raw)
    record = json.loads(raw)
    (stored,) = (each for each in orders(sandbox) if each["id"] == 100001)
    assert stored["orderRows"] == record["orderRows"]
    assert stored["totalValue"] == record["totalValue"]


@pytest.mark.parametrize("stream", ["sales_orders", "contacts", "products"])
def test_a_stream_is_read_in_the_fewest_calls(sandbox: Sandbox, stream: str) -> None:
    sandbox.control("POST", "/seed", {"customers": 700, "products": 450, "orders": 1300})
    try:
        switch(sandbox, "brightpearl", throttle=False)
        sandbox.control("DELETE", "/log")
        reading = source(sandbox, stream)
        count = sum(1 for _ in reading.read(Selection(Window(None, NOW))))
        assert count >= 450
        assert sandbox.counts()["brightpearl"] == reading.calls
        assert reading.min_calls <= reading.calls <= reading.min_calls * 1.05
    finally:
        sandbox.control("POST", "/seed", {"customers": 14, "products": 10, "orders": 45})


def test_contacts_carry_their_addresses_by_kind(sandbox: Sandbox) -> None:
    addresses = {each["addressId"]: each for each in sandbox.snapshot("brightpearl", "postal-address")}
    contacts = {each["contactId"]: each for each in sandbox.snapshot("brightpearl", "contact")}
    found = read(sandbox, EVERYTHING, "contacts")
    customers = [each for each in contacts.values() if not any(each["relationshipToAccount"].values())]
    assert sorted(each["contactId"] for each in customers) == sorted(each["contactId"] for each in found)
    for contact in found:
        kinds = contacts[contact["contactId"]]["postAddressIds"]
        joined = {kind: address["addressLine1"] for kind, address in contact["addresses"].items()}
        assert {kind: addresses[number]["addressLine1"] for kind, number in kinds.items()} == joined


def test_suppliers_and_staff_are_no_customers(sandbox: Sandbox) -> None:
    first, second, *_ = (each["contactId"] for each in sandbox.snapshot("brightpearl", "contact"))
    sandbox.control("PATCH", f"/brightpearl/contact/{first}", {"relationshipToAccount": {"isStaff": True}})
    sandbox.control(
        "PATCH", f"/brightpearl/contact/{second}", {"relationshipToAccount": {"isSupplier": True}}
    )
    assert not {first, second} & {each["contactId"] for each in read(sandbox, EVERYTHING, "contacts")}


def test_products_carry_their_prices_and_first_channel(sandbox: Sandbox) -> None:
    prices = {
        each["productId"]: each["priceLists"] for each in sandbox.snapshot("brightpearl", "product-price")
    }
    found = read(sandbox, EVERYTHING, "products")
    assert 10 == len(found)
    for product in found:
        lists = {each["priceListId"]: each["quantityPrice"] for each in product["priceLists"]}
        assert {each["priceListId"]: each["quantityPrice"] for each in prices[product["id"]]} == lists
        assert product["salesChannels"][0] == product["channel"]


BAD_CONTACTS: list[tuple[Any, Any]] = [
    ("none", "none"), ({"DEF": "x"}, None), (7, 7), ([1], [1]), ({"DEF": None}, None), (None, None),
]  # fmt: skip


@pytest.mark.parametrize(("ids_", "joined"), BAD_CONTACTS)
def test_a_contact_of_another_shape_does_not_stop_the_others(
    sandbox: Sandbox, ids_: Any, joined: Any
) -> None:
    number = sandbox.snapshot("brightpearl", "contact")[0]["contactId"]
    sandbox.control("PATCH", f"/brightpearl/contact/{number}", {"postAddressIds": ids_})
    found = {each["contactId"]: each for each in read(sandbox, EVERYTHING, "contacts")}
    assert len(sandbox.snapshot("brightpearl", "contact")) == len(found)
    if joined is not None:
        assert joined == found[number]["addresses"]


@pytest.mark.parametrize("channels", ["none", 7, {"a": 1}, [], [5], None])
def test_a_product_of_another_shape_does_not_stop_the_others(sandbox: Sandbox, channels: Any) -> None:
    sandbox.control("PATCH", "/brightpearl/product/1003", {"salesChannels": channels})
    found = {each["id"]: each for each in read(sandbox, EVERYTHING, "products")}
    assert 10 == len(found)
    assert found[1003].get("channel") in (channels, 5, None)
