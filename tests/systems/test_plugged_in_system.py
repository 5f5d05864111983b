"""A system of another package, found by its entry point, takes part in flows like those of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.environment import connect
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.runtime.estimate import plan_run
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.system import Quota, System
from tests.flows.site import Site
from tests.systems.shelf import SHELF, Shelf, ShelfHook

IN = """
flow: products_to_shelf
source: brightpearl.products
target: shelf
objects:
  Thing:
    key: {sku: id}
    fields: {name: channel.productName, weight: stock.weight.magnitude}
expect:
  Thing:
    - column_values_to_not_be_null: {column: name}
"""
OUT = """
flow: things_to_salesforce
source: shelf.things
target: salesforce
objects:
  Product2:
    key: {Brightpearl_Id__c: id}
    fields: {Name: name, IsActive: 'true'}
totals: {amount: price, currency: "'GBP'"}
"""
ACROSS = """
flow: things_to_shelf
source: shelf.things
target: shelf
objects:
  Thing:
    key: {sku: id}
    fields: {name: name, price: price}
    disjoint_from: [products_to_shelf]
"""

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package with one entry point, as pip leaves it on the path."""

    def install(value: str) -> None:
        folder = tmp_path / "site-packages" / "shelf_package-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf-package\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{registry.GROUP}]\nshelf = {value}\n")
        monkeypatch.syspath_prepend(str(folder.parent))
        registry.systems.cache_clear()

    yield install
    monkeypatch.undo()
    registry.systems.cache_clear()


class ShelfSite(Site):
    """A site with a shelf beside its sandbox, reached by its hook as Airflow's connections are."""

    @property
    def shelf(self) -> Shelf:
        return ShelfHook.shelves["shelf_default"]

    def connect(self, system: System, conn_id: str | None = None) -> Any:
        return connect(system, conn_id) if system.name == "shelf" else super().connect(system, conn_id)


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> ShelfSite:
    """Three things on a shelf, and flows from, to and across it."""
    install("tests.systems.shelf:SHELF")
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    for text in (IN, OUT, ACROSS):
        name = text.split()[1]
        (mappings / f"{name}.yaml").write_text(text)
    site = ShelfSite(sandbox, tmp_path, mappings)
    changed = site.now() - timedelta(hours=2)
    things = {str(number): {"id": number, "name": f"Thing {number}", "price": "9.99"} for number in (1, 2, 3)}
    filled = Shelf({key: (changed, thing) for key, thing in things.items()})
    monkeypatch.setattr(ShelfHook, "shelves", {"shelf_default": filled})
    return site


def test_an_entry_point_makes_a_system_known(site: ShelfSite) -> None:
    assert ["brightpearl", "salesforce", "infor", "shelf"] == list(registry.systems())
    assert SHELF is registry.find_system("shelf")
    assert SHELF.streams["things"] is registry.stream_schema("shelf.things")
    assert Quota() == SHELF.quota(site.shelf)


def calls(summary: RunSummary) -> tuple[int, int, int]:
    """Calls to the shelf: made, the fewest that are known, and planned, of which nothing is known."""
    found = summary.calls
    return found.made["shelf"], found.minimum["shelf"], found.planned["shelf"]


def test_a_flow_into_it_runs(site: ShelfSite) -> None:
    products = site.here("product")
    summary = site.run("products_to_shelf")
    assert Counts(extracted=len(products), created=len(products)) == summary.counts
    names = {key: product["salesChannels"][0]["productName"] for key, product in products.items()}
    assert names == {key: row["name"] for key, row in site.shelf.rows.items()}
    assert (1, 1, 0) == calls(summary)

    site.pass_time(60)
    site.patch("/brightpearl/product/1003", {"salesChannels": [{"productName": "New name"}]})
    site.pass_time(10)
    again = site.run("products_to_shelf")
    assert Counts(extracted=1, updated=1) == again.counts
    assert "New name" == site.shelf.rows["1003"]["name"]


def test_a_flow_out_of_it_runs(site: ShelfSite) -> None:
    summary = site.run("things_to_salesforce")
    assert Counts(extracted=3, created=3) == summary.counts
    assert {"1": "Thing 1", "2": "Thing 2", "3": "Thing 3"} == {
        key: row["Name"] for key, row in site.there("Product2").items()
    }
    assert {"extracted": {"GBP": Decimal("29.97")}, "loaded": {"GBP": Decimal("29.97")}, "rejected": {}} == (
        summary.money
    )
    assert (1, 1, 0) == calls(summary)
    site.pass_time(60)
    assert Counts() == site.run("things_to_salesforce").counts
    site.shelf.things["2"] = (site.now(), {"id": 2, "name": "Other thing", "price": "9.99"})
    by_id = site.run("things_to_salesforce", ids=("1", "2", "4"))
    # 4 is not on the shelf, which is reported
    assert Counts(extracted=3, unchanged=1, updated=1, rejected=1) == by_id.counts
    assert "Other thing" == site.there("Product2")["2"]["Name"]


def test_a_flow_from_it_into_itself_runs_and_names_what_it_refuses(site: ShelfSite) -> None:
    site.shelf.things["4"] = (site.now() - timedelta(hours=1), {"id": 4, "name": "", "price": "1"})
    summary = site.run("things_to_shelf", full_resync=True)
    assert Counts(extracted=4, created=3, rejected=1) == summary.counts
    assert (("Thing.name: is empty", 1),) == summary.reasons
    assert {"1", "2", "3"} == set(site.shelf.rows)
    assert {"4"} == site.letters.waiting("things_to_shelf", ["1", "4"])


@pytest.mark.parametrize(
    ("flow", "block", "told"),
    [
        ("products_to_shelf", "reconcile: {}", "reconcile: records of shelf cannot be listed"),
        ("things_to_salesforce", "reconcile: {}", "reconcile: records of shelf cannot be listed"),
        (
            "products_to_shelf",
            "lookups: {kind: {query: SELECT a, key: a, value: a}}",
            "lookups.kind.query: shelf answers no queries; use a file",
        ),
        (
            "things_to_salesforce",
            "write_back: {Product2: {note: done}}",
            "write_back.Product2: shelf takes no write-backs; those that do: brightpearl, salesforce",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(site: ShelfSite, flow: str, block: str, told: str) -> None:
    file = site.mappings / f"{flow}.yaml"
    file.write_text(f"{file.read_text()}{block}\n")
    with pytest.raises(Misconfigured, match=rf"^{flow}.yaml: {told}$"):
        registry.check_flow(load_flow(file))


def test_its_runs_cannot_be_planned(site: ShelfSite) -> None:
    with pytest.raises(Misconfigured, match="^products_to_shelf: brightpearl or shelf makes no estimates$"):
        plan_run(site.wiring("products_to_shelf"), Request(RunKind.MANUAL), site.now())


def test_an_entry_point_of_a_name_that_is_taken_is_refused(install: Install) -> None:
    install("tests.systems.shelf:SECOND_BRIGHTPEARL")
    with pytest.raises(
        Misconfigured,
        match=r"entry point shelf \(tests.systems.shelf:SECOND_BRIGHTPEARL\): system brightpearl already exists",
    ):
        registry.systems()


def test_an_entry_point_that_is_no_system_is_refused(install: Install) -> None:
    install("tests.systems.shelf:Shelf")
    with pytest.raises(
        Misconfigured, match=r"entry point shelf \(tests.systems.shelf:Shelf\) is not a System"
    ):
        registry.systems()
