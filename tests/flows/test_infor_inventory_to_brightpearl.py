"""Stock that M3 decides, as corrections in Brightpearl: once, with a cost, and in no warehouse of the other side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.contracts.tenant import add
from tests.flows.conftest import QUIET
from tests.flows.site import MAPPINGS, Site

FLOW = "infor_inventory_to_brightpearl"


class Stores(Site):
    """A site whose products are in M3, which holds stock of some in a warehouse of its own: 200, Brightpearl's 5."""

    @property
    def items(self) -> dict[str, str]:
        """The items of products that have stock, by product."""
        tracked = [key for key, row in self.here("product").items() if row["stock"]["stockTracked"]]
        plain = [key for key in tracked if not self.here("product")[key]["composition"]["bundle"]]
        found: dict[str, str] = self.wiring("products_to_infor").crosswalk.resolve(
            "products_to_infor", "Item", plain
        )
        return found

    def store(self, item: str, pieces: object, warehouse: str = "200") -> None:
        figures = {"STQT": str(pieces), "ALQT": "0.00", "REQT": "0.00", "FACI": "B01"}
        add(self.sandbox, "item_warehouse", self.now(), ITNO=item, WHLO=warehouse, **figures)
        self.pass_time(60)

    def count(self, item: str, pieces: object) -> None:
        self.sandbox.control("PATCH", f"/infor/item_warehouse/100|{item}|200", {"STQT": str(pieces)})
        self.pass_time(5)

    def held(self, product: str) -> int:
        warehouses: dict[str, Any] = self.here("product-availability")[product]["warehouses"]
        return int(warehouses.get("5", {"inStock": 0})["inStock"])

    def corrections(self) -> list[dict[str, Any]]:
        rows = self.sandbox.snapshot("brightpearl", "stock-correction")
        return [row for row in rows if "M3 stock" in str(row.get("reason"))]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Stores]:
    with Sandbox(customers=2, products=8, orders=1, seed=11, settings=QUIET) as sandbox:
        # no window of these tests holds the hour of the nightly sweep
        noon = datetime.now(UTC).replace(hour=12, minute=0) + timedelta(days=1)
        sandbox.control("POST", "/clock", {"now": noon.isoformat()})
        shutil.copytree(MAPPINGS, tmp_path / "mappings")
        site = Stores(sandbox, tmp_path, tmp_path / "mappings")
        site.run("products_to_infor")
        yield site


def test_what_m3_holds_becomes_the_stock_of_its_warehouse_once(site: Stores) -> None:
    (product, item), (other, second), *_ = site.items.items()
    site.store(item, "7.00")
    site.store(second, "0.00")
    before = site.held(product)
    summary = site.run(FLOW)
    assert (7, 0) == (site.held(product), site.held(other))
    assert (2, 0, 0) == (summary.counts.created, summary.counts.rejected, summary.counts.parked)
    [correction] = [each for each in site.corrections() if f"200|{item}" in str(each)]
    assert f"M3 stock (200|{item})" == correction["reason"]
    assert 7 - before == correction["goodsMoved"][0]["quantity"]

    again = site.run(FLOW, full_resync=True)
    assert (0, 0) == (again.counts.created, again.counts.rejected)
    assert 1 == len([each for each in site.corrections() if f"200|{item}" in str(each)])

    site.pass_time(60)
    site.count(item, "4.00")
    assert Counts(extracted=1, updated=1) == site.run(FLOW).counts
    assert 4 == site.held(product)


def test_what_brightpearl_moved_alone_is_mended_by_the_sweep(site: Stores) -> None:
    product, item = next(iter(site.items.items()))
    site.store(item, "7.00")
    site.run(FLOW)
    path = "warehouse-service/warehouse/5/stock-correction"
    lost = {"productId": int(product), "quantity": -2, "reason": "lost"}
    site.brightpearl().post(path, {"corrections": [lost]})
    assert 5 == site.held(product)
    site.pass_time(26 * 60)
    site.run(FLOW)
    assert 7 == site.held(product)


def test_a_warehouse_that_nobody_named_is_warned_of_and_not_corrected(site: Stores) -> None:
    product, item = next(iter(site.items.items()))
    file = site.mappings / "lookups" / "m3_stock.csv"
    file.write_text(file.read_text().replace("200,5\n", ""))
    site.store(item, "7.00")
    before = site.held(product)
    for _ in range(2):
        summary = site.run(FLOW, full_resync=True)
        assert any("200 is not in lookup warehouse" in each for each in summary.warnings)
    assert (before, []) == (site.held(product), site.corrections())


def test_stock_without_a_cost_is_a_letter_until_either_side_has_one(site: Stores) -> None:
    (product, item), (other, second), *_ = site.items.items()
    for each in (product, other):
        lists = [{"priceListId": 1, "quantityPrice": {}}]
        site.brightpearl().put(f"product-service/product-price/{each}/price-list", {"priceLists": lists})
    for each in (item, second):
        site.store(each, "500.00")
    summary = site.run(FLOW)
    assert (0, 2) == (summary.counts.created, summary.counts.rejected)
    assert "StockCorrection.cost: is needed where stock is added, and the source has none" in str(
        summary.reasons
    )
    prices = {"PUPR": "3.5", "CUCD": "GBP"}
    site.sandbox.control("PATCH", f"/infor/items/100|{item}", prices)
    lists = [{"priceListId": 1, "quantityPrice": {"1": "4.10"}}]
    site.brightpearl().put(f"product-service/product-price/{other}/price-list", {"priceLists": lists})
    site.pass_time(26 * 60)
    assert 2 == site.run(FLOW).counts.created
    costs = {each["goodsMoved"][0]["productValue"]["value"] for each in site.corrections()}
    assert {"3.5", "4.1"} == {str(float(each)) for each in costs}


def test_stock_of_an_item_waits_for_its_product_and_odd_figures_are_letters(site: Stores) -> None:
    (_, item), (_, second), *_ = site.items.items()
    site.store(item, "2.50")
    site.store(second, "-1.00")
    site.sandbox.control("PATCH", "/infor/item_warehouse/100|ITEM-2|200", {"STQT": "9.00"})
    site.pass_time(5)
    summary = site.run(FLOW)
    assert (0, 2, 1) == (summary.counts.created, summary.counts.rejected, summary.counts.parked)
    # ITEM-1 lies in a warehouse that Brightpearl decides
    ids = ["200|ITEM-2", f"200|{item}", f"200|{second}"]
    assert set(ids) == site.letters.waiting(FLOW, [*ids, "100|ITEM-1"])
    assert "StockCorrection.inStock: has to be a whole number from 0" in str(summary.reasons)


@pytest.mark.parametrize("flow", [FLOW, "inventory_to_infor"])
def test_a_warehouse_that_both_flows_claim_stops_both_and_is_named_by_both(site: Stores, flow: str) -> None:
    file = site.mappings / "lookups" / "m3_stock.csv"
    file.write_text(file.read_text().replace("120,\n", "120,3\n"))
    with pytest.raises(Misconfigured) as error:
        site.run(flow)
    assert (
        f"{FLOW}.yaml: disjoint_lookups.warehouse: 120 and 3, a line of lookups/m3_stock.csv, are claimed by "
        "inventory_to_infor.yaml too, by 3 and 120, a line of lookups/m3_warehouses.csv: each flow would undo what "
        "the other writes; empty the value in one of the two lines"
    ) == error.value.message
    other = site.mappings / "lookups" / "m3_warehouses.csv"
    other.write_text(other.read_text().replace("3,120,A01,A0101,120", "3,120,A01,A0101,"))
    assert 0 == site.run(flow).counts.rejected
