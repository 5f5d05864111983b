from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_brightpearl.core.changes import RecordChange, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.errors import TimedOut
from tests.systems.brightpearl.merchant import Merchant, change, flow, record, with_ids

PRODUCTS = flow("""
flow: items_to_brightpearl
source: brightpearl.products
target: brightpearl
objects:
  Product:
    key: {sku: id}
    fields: {name: a, brandId: b, weight: c, ean: d, categoryCode: e, status: f, PCF_CARE: g}
    create_only: [PCF_CARE]
  ProductPrice:
    key: {id: id}
    parent: {of: Product}
    fields: {priceListId: a, quantity: b, price: c}
""")


def item(sku: str, prices: dict[int, Any] | None = None, **fields: Any) -> RecordChange:
    head = {"name": f"Item {sku}", "brandId": 74, "weight": 0.25, "PCF_CARE": "dry", **fields}
    rows = [
        change(
            "ProductPrice", f"{sku}-{quantity}", {"priceListId": 2, "quantity": quantity, "price": price}, sku
        )
        for quantity, price in ({1: 9.99} if prices is None else prices).items()
    ]
    return record(sku, change("Product", sku, head), *rows)


def product(merchant: Merchant, sku: str) -> dict[str, Any]:
    [found] = [each for each in merchant.rows("product").values() if each["identity"]["sku"] == sku]
    return found


def prices(merchant: Merchant, number: object) -> dict[str, str]:
    lists = merchant.rows("product-price", "productId")[str(number)]["priceLists"]
    found: dict[str, str] = next(each["quantityPrice"] for each in lists if each["priceListId"] == 2)
    return {quantity: str(float(price)) for quantity, price in found.items()}


def reasons(results: list[RowResult]) -> list[str]:
    return [each.reason for each in results if each.refused]


@pytest.fixture(autouse=True)
def brand(merchant: Merchant) -> None:
    brands = merchant.rows("brand")
    assert "74" in brands, sorted(brands)


def test_new_products_are_created_with_their_prices(merchant: Merchant) -> None:
    results = merchant.write(PRODUCTS, [item(f"N{number}", {1: 9.99, 10: 8.5}) for number in range(10)])
    assert ([], {RowOutcome.CREATED}) == (reasons(results), {each.outcome for each in results})
    made = product(merchant, "N3")
    assert ("Item N3", 74, "dry") == (
        made["salesChannels"][0]["productName"],
        made["brandId"],
        made["customFields"]["PCF_CARE"],
    )
    assert {"1": "9.99", "10": "8.5"} == prices(merchant, made["id"])
    assert [str(made["id"]), f"{made['id']}|2|1", f"{made['id']}|2|10"] == [
        each.target_id for each in results if each.source_id == "N3"
    ]


def test_only_what_differs_is_changed_and_the_rest_of_its_member_stays(merchant: Merchant) -> None:
    first = merchant.write(
        PRODUCTS, [item("N1", {1: 9.99, 10: 8.5}, ean="5000000000017", categoryCode="296")]
    )
    number = first[0].target_id
    results = merchant.write(
        PRODUCTS, [with_ids(item("N1", {10: 7.5}, name="New", ean="5000000000024", PCF_CARE="wet"), first)]
    )
    assert [] == reasons(results)
    put, price = merchant.sent
    assert {"identity", "salesChannels"} == set(put[2])
    assert ("5000000000024", "N1") == (put[2]["identity"]["ean"], put[2]["identity"]["sku"])
    made = product(merchant, "N1")
    [channel] = made["salesChannels"]
    assert ("New", "296") == (channel["productName"], channel["categories"][0]["categoryCode"])
    assert "dry" == made["customFields"]["PCF_CARE"]
    assert {"1": "9.99", "10": "7.5"} == prices(merchant, number)
    again = merchant.write(
        PRODUCTS, [with_ids(item("N1", {10: 7.5}, name="New", ean="5000000000024"), first)]
    )
    assert ([], []) == (merchant.sent, reasons(again))

    gone = record("N1", removals=(Removal("ProductPrice", "N1-10", f"{number}|2|10"),))
    [removed] = merchant.write(PRODUCTS, [gone])
    assert (RowOutcome.REMOVED, {"1": "9.99"}) == (removed.outcome, prices(merchant, number))


def test_a_product_of_the_same_sku_is_taken_over(merchant: Merchant) -> None:
    known = next(iter(merchant.rows("product").values()))
    results = merchant.write(PRODUCTS, [item(known["identity"]["sku"], {}, brandId=None, name="Renamed")])
    assert [(str(known["id"]), RowOutcome.UPDATED)] == [(each.target_id, each.outcome) for each in results]
    assert "Renamed" == product(merchant, known["identity"]["sku"])["salesChannels"][0]["productName"]


def test_a_product_whose_answer_was_lost_is_found(merchant: Merchant) -> None:
    merchant.fault(path="multi-message", drop="after", skip=1)
    with pytest.raises(TimedOut, match="N1, N2: no answer"):
        merchant.write(PRODUCTS, [item("N1"), item("N2")])
    results = merchant.write(PRODUCTS, [item("N1"), item("N2")])
    assert ([], {RowOutcome.CREATED}) == (reasons(results), {each.outcome for each in results})
    assert {"1": "9.99"} == prices(merchant, product(merchant, "N1")["id"])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"brandId": None}, "is needed for a new product"),
        ({"brandId": 98765432}, "PRDC-014 A valid brand ID is required"),
        ({"weight": "heavy"}, "is not a number"),
    ],
)
def test_a_bad_product_is_refused_and_stops_no_other(
    merchant: Merchant, fields: dict[str, Any], reason: str
) -> None:
    results = merchant.write(PRODUCTS, [item("N1", **fields), item("N2")])
    assert ([reason], 3) == (reasons(results), len(results))


def test_a_sku_of_several_products_is_refused_with_their_ids(merchant: Merchant) -> None:
    for number in (1001, 1002):
        merchant.sandbox.control("PATCH", f"/brightpearl/product/{number}", {"identity": {"sku": "TWICE"}})
    [refused] = merchant.write(PRODUCTS, [item("TWICE")])
    assert refused.reason.startswith("Brightpearl has 2 products of this sku; answer which one it is:")
    assert ["1001", "1002"] == [each.partition(" ")[0] for each in refused.value.split("; ")]
