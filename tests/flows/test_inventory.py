"""Stock into Salesforce: figures, where they come from, what is written and what is left alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from math import ceil
from typing import Any

import pytest

from tests.flows.site import Site

FLOW = "inventory_to_salesforce"
COUNTED = {"2", "3", "4"}


@pytest.fixture
def site(stocked_site: Site) -> Site:
    """At noon, far from the nightly sweep."""
    now = stocked_site.now()
    stocked_site.pass_time((12 - now.hour) % 24 * 60 - now.minute + 60)
    return stocked_site


def stock_of(site: Site) -> dict[str, int]:
    """Per product what the flow has to write: sums over counted warehouses, bundles by their components."""
    held = {key: row["warehouses"] for key, row in site.here("product-availability").items()}
    found = {product: _sum(warehouses) for product, warehouses in held.items()}
    for product, record in site.here("product").items():
        parts = record["composition"].get("bundleComponents")
        if parts:
            found[product] = sum(
                min(_on_hand(held, part, warehouse) // part["productQuantity"] for part in parts)
                for warehouse in COUNTED
            )
    return found


def _sum(warehouses: dict[str, Any]) -> int:
    return sum(figures["onHand"] for warehouse, figures in warehouses.items() if warehouse in COUNTED)


def _on_hand(held: dict[str, Any], part: dict[str, Any], warehouse: str) -> int:
    warehouses = held.get(str(part["productId"]), {})
    return int(warehouses.get(warehouse, {"onHand": 0})["onHand"])


def written(site: Site) -> dict[str, int]:
    figures = {key: row.get("AvailableStock__c") for key, row in site.there("Product2").items()}
    return {key: int(Decimal(figure)) for key, figure in figures.items() if figure is not None}


def test_figures_are_sums_over_the_counted_warehouses_and_bundles_come_from_components(site):
    summary = site.run(FLOW)
    assert stock_of(site) == written(site)
    assert (0, len(stock_of(site))) == (summary.counts.created, summary.counts.updated)
    untracked = {
        key for key, product in site.here("product").items()
        if not product["stock"]["stockTracked"] and not product["composition"]["bundle"]
    }  # fmt: skip
    assert untracked
    assert not untracked & set(written(site))


def test_the_first_run_takes_the_fewest_calls(site):
    summary = site.run(FLOW)
    products = site.here("product").values()
    tracked = [each for each in products if each["stock"]["stockTracked"]]
    fewest = 1 + ceil(len(tracked) / 200) + ceil((len(products) - len(tracked)) / 200)
    assert {"brightpearl": fewest} == {"brightpearl": summary.calls.made["brightpearl"]}
    assert summary.calls.minimum == summary.calls.made


def test_only_products_that_moved_are_read_and_only_changed_figures_written(site):
    site.run(FLOW)
    before = written(site)
    moved = {str(product) for product in site.act(stock_corrected=4)["stock_corrected"]}
    summary = site.run(FLOW)
    assert stock_of(site) == written(site)
    changed = {key for key, figure in written(site).items() if figure != before[key]}
    assert moved <= changed
    assert len(changed) == summary.counts.updated
    again = site.run(FLOW)
    assert (0, 0) == (again.counts.updated, again.counts.created)


def test_a_run_without_movements_asks_once(site):
    site.run(FLOW)
    site.pass_time(60)
    summary = site.run(FLOW)
    # an hour later, Salesforce is asked once more whether its fields are as they were
    assert (0, {"brightpearl": 1, "salesforce": 1}) == (summary.counts.extracted, summary.calls.made)


def test_allocated_stock_is_seen_by_the_next_sweep(site):
    # until the day after tomorrow, so that one instant of the sweep lies in the window
    site.run(FLOW)
    product = next(iter(stock_of(site)))
    warehouses = {"2": {"inStock": 50, "onHand": 7, "allocated": 43, "inTransit": 0}}
    site.patch(f"/brightpearl/product-availability/{product}", {"warehouses": warehouses})
    site.pass_time(26 * 60)
    summary = site.run(FLOW)
    assert len(stock_of(site)) == summary.counts.extracted
    assert stock_of(site) == written(site)


def test_every_figure_says_where_it_comes_from(site):
    product = next(iter(stock_of(site)))
    warehouses = {
        "2": {"inStock": 60, "onHand": 48, "allocated": 12, "inTransit": 0},
        "3": {"inStock": 4, "onHand": 4, "allocated": 0, "inTransit": 9},
        "4": None,
        "5": {"inStock": 8, "onHand": 8, "allocated": 0, "inTransit": 0},
    }
    site.patch(f"/brightpearl/product-availability/{product}", {"warehouses": warehouses})
    site.run(FLOW)
    row = site.there("Product2")[product]
    assert 52 == int(Decimal(row["AvailableStock__c"]))
    lines = ["2: 60 in stock, 12 allocated, 0 in transit", "3: 4 in stock, 0 allocated, 9 in transit"]
    assert lines == row["Brightpearl_Stock_Sources__c"].split("\n")


def test_a_warehouse_that_nobody_named_is_told_and_counts_nothing(site):
    product = next(iter(stock_of(site)))
    new = {"9": {"inStock": 100, "onHand": 100, "allocated": 0, "inTransit": 0}}
    site.patch(f"/brightpearl/product-availability/{product}", {"warehouses": new})
    summary = site.run(FLOW)
    assert 0 == summary.counts.rejected
    assert ("Product2.AvailableStock__c: 9 is not in lookup counted (1 rows)",) == summary.warnings
    assert stock_of(site) == written(site)


def test_stock_of_a_product_that_is_not_there_yet_is_parked_and_comes_later(site):
    product = next(key for key, figure in stock_of(site).items() if figure)
    site.forget("products_to_salesforce", "Product2", product)
    summary = site.run(FLOW)
    assert (1, 0) == (summary.counts.parked, summary.counts.rejected)
    assert product not in written(site)
    site.run("products_to_salesforce", start=site.now() - timedelta(days=900))
    site.pass_time(5)
    summary = site.run(FLOW)
    assert (1, 0) == (summary.counts.updated, summary.counts.parked)
    assert stock_of(site) == written(site)
