"""Products that are edited in Brightpearl and in M3, and two flows that keep both in step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.both_sides import BothSides
from tests.flows.conftest import QUIET
from tests.flows.world import World

THERE, BACK = "products_to_infor", "infor_products_to_brightpearl"
CUSTOMERS = ("infor_customers_to_brightpearl", "customers_to_infor")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[BothSides]]:
    with Sandbox(customers=2, products=4, orders=0, seed=11, settings=QUIET) as sandbox:
        yield World(sandbox, BothSides(sandbox, tmp_path_factory.mktemp("world")))


@pytest.fixture
def site(world: World[BothSides], tmp_path: Path) -> BothSides:
    return world.begin(tmp_path)


def products(site: BothSides) -> dict[str, dict[str, Any]]:
    """Brightpearl's products by SKU."""
    return {row["identity"]["sku"]: row for row in site.here("product").values()}


def name_of(product: dict[str, Any]) -> str:
    return str(product["salesChannels"][0]["productName"])


def rename(site: BothSides, sku: str, name: str, weight: float | None = None) -> None:
    """Somebody edits a product in Brightpearl."""
    site.pass_time(1)
    product = products(site)[sku]
    [channel, *others] = product["salesChannels"]
    body: dict[str, Any] = {"salesChannels": [{**channel, "productName": name}, *others]}
    if weight is not None:
        body["stock"] = {**product["stock"], "weight": {"magnitude": weight}}
    site.brightpearl().put(f"product-service/product/{product['id']}", body)


def test_each_side_gets_the_items_of_the_other_once(site: BothSides) -> None:
    mine = set(products(site))
    # of two, M3 has a number made from the product's id
    odd = {sku for sku in mine if len(sku) > 15 or sku != sku.upper()}
    site.settle(THERE, BACK)
    assert mine | {"ITEM-1", "ITEM-2"} == set(products(site))
    lamp = products(site)["ITEM-1"]
    assert ("Lamp", 77, "299", True, "LIVE") == (
        name_of(lamp), lamp["brandId"], lamp["salesChannels"][0]["categories"][0]["categoryCode"],
        lamp["stock"]["stockTracked"], lamp["status"],
    )  # fmt: skip
    [prices] = (
        row for row in site.here("product-price", "productId").values() if row["productId"] == lamp["id"]
    )
    assert {2: {"1": "19.99"}} == {
        each["priceListId"]: {count: f"{float(price):.2f}" for count, price in each["quantityPrice"].items()}
        for each in prices["priceLists"]
        if each["quantityPrice"]
    }
    made = {"TEMPLATE", "FREE-TEXT", "ITEM-1", "ITEM-2", *(mine - odd)}
    assert made | {f"BP{products(site)[sku]['id']}" for sku in odd} == {
        row["ITNO"] for row in site.m3("items")
    }
    # Brightpearl's orders of M3's items need a record of each warehouse
    assert {"100", "110", "120"} <= {
        row["WHLO"] for row in site.m3("item_warehouse") if row["ITNO"] == "ITEM-1"
    }
    assert not [row for row in site.m3("aliases") if row["ITNO"].startswith("ITEM")]


def test_edits_of_different_fields_meet_and_a_conflict_is_decided(site: BothSides) -> None:
    sku = next(sku for sku in products(site) if len(sku) <= 15 and sku == sku.upper())
    site.round(BACK, THERE)
    for number in (sku, "ITEM-2"):
        rename(site, number, f"{number} of ours", 2.5)
    site.in_m3("MMS200MI", "UpdItmBasic", ITNO=sku, NEWE="3.25")
    site.in_m3("MMS200MI", "UpdItmBasic", ITNO="ITEM-2", FUDS="of theirs")
    site.settle(BACK, THERE)
    found = {
        number: (name_of(products(site)[number]), products(site)[number]["stock"]["weight"]["magnitude"])
        for number in (sku, "ITEM-2")
    }
    # names are Brightpearl's, weights are M3's
    assert {sku: (f"{sku} of ours", 3.25), "ITEM-2": ("ITEM-2 of ours", 2.5)} == found
    assert found == {
        number: (site.item(number)["FUDS"], float(site.item(number)["NEWE"])) for number in found
    }


def test_an_edit_in_m3_reaches_a_product_whose_item_has_another_number(site: BothSides) -> None:
    sku, odd = next((sku, row) for sku, row in products(site).items() if len(sku) > 15 or sku != sku.upper())
    site.round(THERE, BACK)
    site.in_m3("MMS200MI", "UpdItmBasic", ITNO=f"BP{odd['id']}", FUDS="Another name")
    site.round(BACK, THERE)
    # under its own SKU
    assert "Another name" == name_of(products(site)[sku])
    assert 6 == len(products(site))


def test_a_price_follows_and_an_item_that_ends_is_discontinued(site: BothSides) -> None:
    site.round(BACK)
    site.in_m3("MMS200MI", "UpdItmPrice", ITNO="ITEM-1", SAPR="24.50", CUCS="GBP")
    site.in_m3("MMS200MI", "UpdItmBasic", ITNO="ITEM-2", STAT="90")
    # never in Brightpearl, and not to be
    copied = {"CITN": "TEMPLATE", "ITDS": "Old"}
    site.in_m3("MMS200MI", "CpyItmBasic", ITNO="ITEM-8", STAT="90", **copied)
    site.in_m3("MMS200MI", "CpyItmBasic", ITNO="ITEM-9", STAT="20", SALE="0", **copied)
    site.round(BACK, THERE)
    lamp = products(site)["ITEM-1"]
    [prices] = (
        row for row in site.here("product-price", "productId").values() if row["productId"] == lamp["id"]
    )
    assert ["24.50"] == [
        f"{float(price):.2f}" for each in prices["priceLists"] for price in each["quantityPrice"].values()
    ]
    assert ("DISCONTINUED", "90") == (products(site)["ITEM-2"]["status"], site.item("ITEM-2")["STAT"])
    assert not {"ITEM-8", "ITEM-9"} & set(products(site))


def test_a_price_of_m3_reaches_a_product_that_brightpearl_made(site: BothSides) -> None:
    sku = next(sku for sku in products(site) if len(sku) <= 15 and sku == sku.upper())
    site.round(THERE, BACK)
    site.in_m3("MMS200MI", "UpdItmPrice", ITNO=sku, SAPR="24.50", CUCS="GBP")
    site.round(BACK)
    product = products(site)[sku]["id"]
    [prices] = (
        row for row in site.here("product-price", "productId").values() if row["productId"] == product
    )
    [retail] = (each["quantityPrice"] for each in prices["priceLists"] if each["priceListId"] == 2)
    assert 24.5 == float(retail["1"])
    assert {} == site.open_letters(BACK)


@pytest.mark.parametrize(
    ("wrong", "right", "field", "reason"),
    [
        ({"ITGR": "FOOD"}, {"ITGR": "GENERAL"}, "brandId", "brandId: 'FOOD' is not in lookup brand"),
        ({"ITGR": ""}, {"ITGR": "GENERAL"}, "brandId", "brandId: 'none' is not in lookup brand"),
        ({"STAT": "60"}, {"STAT": "20"}, "status", "status: '60' is not in lookup product_status"),
        ({"CUCS": "SEK"}, {"CUCS": "GBP"}, "priceListId", "priceListId: 'SEK' is not in lookup price_list"),
        (
            {"ITDS": "", "FUDS": ""},
            {"ITDS": "A"},
            "name",
            "the item has neither a name (ITDS) nor a description (FUDS)",
        ),
    ],
)
def test_an_item_that_brightpearl_cannot_take_is_a_letter_and_follows_when_it_is_put_right(
    site: BothSides, wrong: dict[str, str], right: dict[str, str], field: str, reason: str
) -> None:
    site.patch("/infor/items/100|ITEM-1", wrong)
    site.pass_time(3)
    assert Counts(extracted=3, created=1, unchanged=1, rejected=1) == site.run(BACK).counts
    [(number, letter)] = site.open_letters(BACK).items()
    assert ("ITEM-1", field) == (number, letter.field)
    assert reason in letter.reason
    site.patch("/infor/items/100|ITEM-1", right)
    site.round(BACK)
    assert {} == site.open_letters(BACK)
    assert "ITEM-1" in products(site)


def test_a_product_of_the_same_sku_is_linked(site: BothSides) -> None:
    sku = next(sku for sku in products(site) if len(sku) <= 15 and sku == sku.upper())
    site.in_m3("MMS200MI", "CpyItmBasic", ITNO=sku, CITN="TEMPLATE", STAT="20", ITDS="Theirs", FUDS="Theirs")
    before = set(products(site))
    site.settle(BACK, THERE)
    assert before | {"ITEM-1", "ITEM-2"} == set(products(site))
    assert name_of(products(site)[sku])[:60].strip() == site.item(sku)["FUDS"]


def test_an_order_of_a_customer_and_an_item_that_m3_had_first(site: BothSides) -> None:
    site.round(BACK, THERE, *CUSTOMERS)
    [shop] = (
        row
        for row in site.here("contact", "contactId").values()
        if row["organisation"].get("name") == "Corner Shop Ltd"
    )
    lamp = products(site)["ITEM-1"]
    row = {
        "productId": lamp["id"],
        "name": "Lamp",
        "quantity": "2",
        "taxCode": "T20",
        "net": "39.98",
        "tax": "8.00",
    }
    order = {
        "customer": {"id": shop["contactId"]},
        "ref": "PO 7",
        "statusId": 3,
        "warehouseId": 2,
        "rows": [row],
    }
    site.brightpearl().post("order-service/sales-order", order)
    site.round("orders_to_infor")
    [sale] = site.m3("orders")
    assert "ACME01" == sale["CUNO"]
    assert ["ITEM-1"] == [line["ITNO"] for line in site.m3("order_lines") if line["ORNO"] == sale["ORNO"]]


def test_both_sides_are_found_equal_by_reconciliation(site: BothSides) -> None:
    site.round(BACK, THERE)
    for flow in (BACK, THERE):
        assert {} == site.differences(flow)


def test_an_item_that_m3_deleted_does_not_return(site: BothSides) -> None:
    site.round(BACK, THERE)
    site.sandbox.control("DELETE", "/infor/items/ITEM-1")
    rename(site, "ITEM-1", "Brighter lamp", weight=2)
    site.round(THERE, BACK, THERE)
    assert "ITEM-1" not in {row["ITNO"] for row in site.m3("items")}
    [letter] = site.open_letters(THERE).values()
    assert "infor has deleted Item ITEM-1, which is not created again" in letter.reason
    assert "Brighter lamp" == name_of(products(site)["ITEM-1"])
