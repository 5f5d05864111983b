from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import phonenumbers
import pytest

from airflow_provider_brightpearl.sandbox.brightpearl.system import Brightpearl
from airflow_provider_brightpearl.sandbox.clock import Clock
from airflow_provider_brightpearl.sandbox.system import SeedOptions

UNTIL = datetime(2025, 6, 1, tzinfo=UTC)
POSTCODES = {
    "GB": r"[A-Z]{1,2}\d[A-Z\d]?\d[ABD-HJLNP-UW-Z]{2}",
    "US": r"\d{5}",
    "DE": r"\d{5}",
    "FR": r"\d{5}",
    "IT": r"\d{5}",
    "ES": r"\d{5}",
    "KW": r"\d{5}",
    "NL": r"[1-9]\d{3}[A-Z]{2}",
    "IE": r"[AC-FHKNPRTV-Y]\d[\dW][\dAC-FHKNPRTV-Y]{4}",
    "JP": r"\d{3}-?\d{4}",
    "CA": r"[ABCEGHJ-NPRSTVXY]\d[A-Z]\d[ABCEGHJ-NPRSTV-Z]\d",
    "AU": r"\d{4}",
}


def built(**size: Any) -> Brightpearl:
    system = Brightpearl(Clock())
    system.seed(SeedOptions(until=UNTIL, **size))
    return system


@pytest.fixture(scope="module")
def system() -> Brightpearl:
    return built(customers=400, products=200, orders=2000)


@pytest.fixture(scope="module")
def orders(system: Brightpearl) -> list[dict[str, Any]]:
    return list(system.snapshot("order"))


def test_sums_agree(orders: list[dict[str, Any]]) -> None:
    for order in orders:
        total = {key: Decimal(value) for key, value in order["totalValue"].items()}
        values = [row["rowValue"] for row in order["orderRows"].values()]
        assert sum(Decimal(value["rowNet"]["value"]) for value in values) == total["net"]
        assert sum(Decimal(value["rowTax"]["value"]) for value in values) == total["taxAmount"]
        assert total["net"] + total["taxAmount"] == total["total"]
        assert total["baseNet"] + total["baseTaxAmount"] == total["baseTotal"]
        rate = Decimal(order["currency"]["exchangeRate"])
        assert abs(total["net"] / rate - total["baseNet"]) <= Decimal("0.005")


def test_rows_follow_from_price_quantity_and_discount(orders: list[dict[str, Any]]) -> None:
    for order in orders:
        for row in order["orderRows"].values():
            value = row["rowValue"]
            net, tax = Decimal(value["rowNet"]["value"]), Decimal(value["rowTax"]["value"])
            paid = net + tax if order["priceModeCode"] == "INC" else net
            priced = Decimal(row["productPrice"]["value"]) * Decimal(row["quantity"]["magnitude"])
            assert abs(priced * (1 - Decimal(row["discountPercentage"]) / 100) - paid) <= 1
            assert abs(net * Decimal(value["taxRate"]) / 100 - tax) <= Decimal("0.01")


def test_ids_are_unique_and_point_to_something(system: Brightpearl, orders: list[dict[str, Any]]) -> None:
    contacts = {contact["contactId"] for contact in system.snapshot("contact")}
    products = {product["id"] for product in system.snapshot("product")} | {1000}
    rows = [row for order in orders for row in order["orderRows"]]
    assert len(rows) == len(set(rows))
    assert {order["parties"]["customer"]["contactId"] for order in orders} <= contacts
    assert {row["productId"] for order in orders for row in order["orderRows"].values()} <= products
    assert len(orders) == 2040
    assert sum(order["orderTypeCode"] == "SO" for order in orders) == 2000


def test_a_bundle_brings_its_children(orders: list[dict[str, Any]]) -> None:
    seen = 0
    for order in orders:
        for row in order["orderRows"].values():
            if row["composition"]["bundleChild"]:
                parent = order["orderRows"][str(row["composition"]["parentOrderRowId"])]
                assert parent["composition"]["bundleParent"]
                seen += 1
    assert seen


def test_variety(orders: list[dict[str, Any]]) -> None:
    rows = [row for order in orders for row in order["orderRows"].values()]
    assert {order["currency"]["orderCurrencyCode"] for order in orders} >= {"GBP", "EUR", "USD", "JPY", "KWD"}
    assert len({order["orderStatus"]["name"] for order in orders}) >= 9
    assert any(row["rowValue"]["rowNet"]["value"].startswith("-") for row in rows)
    assert any(row["productName"] == "Shipping" and "productSku" not in row for row in rows)
    assert any(row["quantity"]["magnitude"] == "12.0000" for row in rows)
    share = sum("updatedOn" not in order for order in orders) / len(orders)
    assert 0.03 < share < 0.3
    guests = [order for order in orders if order["parties"]["customer"]["contactId"] == 201]
    assert len({order["parties"]["customer"]["email"] for order in guests}) > 10


def test_orders_stand_on_either_side_of_clock_changes(orders: list[dict[str, Any]]) -> None:
    near = [order["createdOn"] for order in orders if order["createdOn"][:10] in ("2025-03-30", "2024-10-27")]
    assert {stamp[23:] for stamp in near} == {"Z", "+01:00"}


def test_stamps_never_lie_in_the_future(orders: list[dict[str, Any]]) -> None:
    for order in orders:
        made = datetime.fromisoformat(order["createdOn"])
        changed = datetime.fromisoformat(order.get("updatedOn", order["createdOn"]))
        assert made <= changed <= UNTIL
        assert datetime.fromisoformat(order["placedOn"]) <= made


def test_addresses_and_telephones_are_valid_for_their_country(system: Brightpearl) -> None:
    for address in system.snapshot("postal-address"):
        code = address["postalCode"].replace(" ", "").upper()
        assert re.fullmatch(POSTCODES[address["countryIsoCode2"]], code), address
    customers = system.account.customers
    for place in range(customers.count):
        who = customers.person(place)
        for number in filter(None, (who.phone, who.mobile)):
            read = phonenumbers.parse(number, who.country.code)
            assert phonenumbers.is_valid_number(read), (who.country.code, number)


def test_some_of_it_is_sloppy(system: Brightpearl) -> None:
    contacts = list(system.snapshot("contact"))
    codes = [address["postalCode"] for address in system.snapshot("postal-address")]
    assert any(code != code.strip() for code in codes)
    assert any(code != code.upper() for code in codes)
    mails = [c["communication"]["emails"]["PRI"]["email"] for c in contacts if c["communication"]["emails"]]
    assert len({mail.lower() for mail in mails}) < len(mails) < len(contacts)
    assert any("name" in contact["organisation"] for contact in contacts)
    assert all(0 < len(c["lastName"]) <= 32 and len(c["firstName"]) <= 32 for c in contacts)


def test_the_same_seed_makes_the_same_world() -> None:
    one, two, other = (built(customers=20, products=20, orders=50, seed=seed) for seed in (3, 3, 4))
    assert list(one.snapshot("order")) == list(two.snapshot("order"))
    assert list(one.snapshot("order")) != list(other.snapshot("order"))


@pytest.mark.parametrize(
    "size", [{"customers": 1, "products": 0, "orders": 3}, {"customers": 2, "products": 1, "orders": 0}]
)
def test_small_worlds(size: dict[str, int]) -> None:
    system = built(**size)
    for collection in system.collections():
        assert len(list(system.snapshot(collection))) == system.count(collection)


def test_payments_and_notes_fit_their_orders(system: Brightpearl, orders: list[dict[str, Any]]) -> None:
    by_id = {order["id"]: order for order in orders}
    for payment in system.snapshot("customer-payment"):
        assert payment["amountPaid"] == by_id[payment["orderId"]]["totalValue"]["total"]
    for note in system.snapshot("goods-out-note"):
        assert set(note["orderRows"]) <= set(by_id[note["orderId"]]["orderRows"])


def test_movements_fit_their_notes(system: Brightpearl) -> None:
    notes = {note["goodsOutNoteId"]: note for note in system.snapshot("goods-out-note")}
    for moved in system.snapshot("goods-movement"):
        note = notes[moved["goodsNoteId"]]
        assert (moved["warehouseId"], moved["orderId"]) == (note["warehouseId"], note["orderId"])
        assert str(moved["salesOrderRowId"]) in note["orderRows"]


def test_text_and_record_are_the_same_order(system: Brightpearl) -> None:
    source = system.account.collections["order"]
    text = source.text(100_010, {"customFields", "nullCustomFields"})
    assert text is not None
    assert orjson.loads(text) == source.get(100_010)


def test_a_million_orders_start_at_once() -> None:
    started = time.perf_counter()
    system = built(customers=100_000, products=5000, orders=1_000_000)
    assert system.account.collections["order"].get(900_000) is not None
    assert time.perf_counter() - started < 10
