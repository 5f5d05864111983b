"""A state database is lost: the crosswalk is filled from the target, and no row is created a second time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.pipeline.rebuild import RebuildReport
from airflow_provider_brightpearl.runtime.rebuild import rebuild
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from tests.flows.conftest import QUIET
from tests.flows.site import Site
from tests.flows.world import World

TO_SALESFORCE = (
    "customers_to_salesforce", "products_to_salesforce", "inventory_to_salesforce", "orders_to_salesforce",
    "shipments_to_salesforce", "credits_to_salesforce",
)  # fmt: skip
TO_INFOR = (
    "customers_to_infor", "products_to_infor", "inventory_to_infor", "orders_to_infor", "shipments_to_infor",
    "payments_to_infor_gl",
)  # fmt: skip

pytestmark = pytest.mark.slow


# the stock that was shipped in the past was never counted into M3
SETTINGS = QUIET | {"infor": {"limit_logins": False, "stock_checked_at_pick": False}}


def merchant(folder: Path, *flows: str) -> Iterator[World[Site]]:
    """An account, after these flows have run."""
    with Sandbox(customers=12, products=10, orders=40, seed=7, settings=SETTINGS) as sandbox:
        yield World(sandbox, Site(sandbox, folder), lambda site: [site.run(flow) for flow in flows])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    yield from merchant(tmp_path_factory.mktemp("world"))


@pytest.fixture
def site(world: World[Site], tmp_path: Path) -> Site:
    return world.begin(tmp_path)


def lose_state(site: Site) -> None:
    """Empties the state database, as if it were a new one."""
    with writing(site.database) as connection:
        for table in tables.metadata.sorted_tables:
            if table.name != "bp_version":
                connection.execute(table.delete())


def rebuilt(site: Site, name: str, **options: bool) -> RebuildReport:
    site.latest = name
    return rebuild(site.wiring(name), f"rebuild {name}", **options)


def bound(site: Site, name: str) -> set[tuple[str, str, str, str]]:
    wiring = site.wiring(name)
    rows = (row for each in wiring.flow.objects for row in wiring.crosswalk.roots(name, each))
    return {(row.object, row.key, row.source_id, row.target_id) for row in rows}


def rows_of(site: Site, system: str) -> dict[str, int]:
    """How many rows each collection of a system holds, but for logs: stock is counted again, as by any sweep."""
    names = set(site.sandbox.control("GET", f"/snapshot/{system}")) - {"calls", "stock_transactions"}
    return {name: len(site.sandbox.snapshot(system, name)) for name in names}


@pytest.mark.parametrize(("system", "flows"), [("salesforce", TO_SALESFORCE), ("infor", TO_INFOR)])
def test_nothing_is_created_twice(site: Site, system: str, flows: tuple[str, ...]) -> None:
    for name in flows:
        site.run(name)
    before = rows_of(site, system)
    had = {name: bound(site, name) for name in flows}
    lose_state(site)
    for name in flows:
        report = rebuilt(site, name)
        assert ([], 0) == (report.problems, report.missing.total()), name
        searched = {row for row in had[name] if not report.not_searched[row[0]]}
        assert searched == bound(site, name), name
        summary = site.run(name)
        assert (0, 0) == (summary.counts.rejected, summary.counts.parked), name
        assert had[name] == bound(site, name), name
    assert before == rows_of(site, system)


# one flow in detail

ORDERS = "orders_to_infor"


@pytest.fixture(scope="module")
def ordered_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    yield from merchant(tmp_path_factory.mktemp("ordered"), "customers_to_infor", "products_to_infor", ORDERS)


@pytest.fixture
def ordered(ordered_world: World[Site], tmp_path: Path) -> Site:
    return ordered_world.begin(tmp_path)


def notes(site: Site) -> list[tuple[str, str]]:
    found = site.sandbox.snapshot("brightpearl", "order-note")
    return sorted((str(row["orderId"]), row["text"]) for row in found)


def restore_older(site: Site, source_ids: set[str]) -> None:
    """The state of before these orders were written, with the watermark of a flow that has gone through."""
    with writing(site.database) as connection:
        bindings, intents = tables.binding, tables.intent
        mine = bindings.c.source_id.in_(source_ids)
        connection.execute(bindings.delete().where(bindings.c.flow == ORDERS, mine))
        connection.execute(intents.delete().where(intents.c.flow == ORDERS, intents.c.key.in_(source_ids)))


def some(site: Site) -> set[str]:
    return set(sorted(row["CUOR"] for row in site.m3("orders"))[:3])


def test_what_an_older_backup_lacks_is_added(ordered: Site) -> None:
    had, said = bound(ordered, ORDERS), notes(ordered)
    orders = {row["ORNO"] for row in ordered.m3("orders")}
    restore_older(ordered, some(ordered))
    with pytest.raises(Misconfigured, match=f"the crosswalk of {ORDERS} is not empty; pass --merge"):
        rebuilt(ordered, ORDERS)

    report = rebuilt(ordered, ORDERS, merge=True)
    assert (3, [], 0) == (report.found["Order"], report.problems, report.missing.total())
    assert len(had) == report.found.total() + report.bound.total()
    assert had == bound(ordered, ORDERS)
    ordered.pass_time(2)
    summary = ordered.run(ORDERS, full_resync=True)
    assert summary.counts.extracted == summary.counts.unchanged
    assert orders == {row["ORNO"] for row in ordered.m3("orders")}
    assert said == notes(ordered)


def test_a_dry_run_counts_the_same_and_changes_nothing(ordered: Site) -> None:
    restore_older(ordered, some(ordered))
    before = state_of(ordered)
    counted = rebuilt(ordered, ORDERS, merge=True, dry_run=True)
    assert before == state_of(ordered)
    bound_now = rebuilt(ordered, ORDERS, merge=True)
    assert replace(counted, dry_run=False) == bound_now


def state_of(site: Site) -> dict[str, list[Any]]:
    with site.database.connect() as connection:
        named = (tables.binding, tables.intent, tables.watermark, tables.run, tables.dead_letter)
        return {table.name: sorted(map(tuple, connection.execute(table.select()))) for table in named}


def test_an_order_that_differs_in_m3_is_named_and_never_sent_again(ordered: Site) -> None:
    first = min(some(ordered))
    restore_older(ordered, {first})
    before = rows_of(ordered, "infor")
    total = ordered.here("order")[first]["totalValue"]
    ordered.patch(f"/brightpearl/order/{first}", {"totalValue": {**total, "net": "1.00"}})

    [problem] = rebuilt(ordered, ORDERS, merge=True).problems
    assert (first, "Order") == (problem.source_id, problem.object)
    assert "totals differ by" in problem.reason
    ordered.pass_time(2)
    assert 1 == ordered.run(ORDERS, ids=(first,)).counts.rejected
    assert before == rows_of(ordered, "infor")


def test_two_records_are_never_bound_to_one_row(site: Site) -> None:
    name = "products_to_infor"
    site.run(name)
    products = site.here("product")
    by_sku = {row["ITNO"] for row in site.m3("items")}
    one, other, *_ = sorted(key for key, row in products.items() if row["identity"]["sku"] in by_sku)
    lose_state(site)
    site.patch(f"/brightpearl/product/{other}", {"identity": products[one]["identity"]})

    [problem] = rebuilt(site, name).problems
    assert (other, "Item") == (problem.source_id, problem.object)
    assert f"is that of record {one} already: two records cannot be one row" in problem.reason
    items = {source_id: target_id for kind, _, source_id, target_id in bound(site, name) if kind == "Item"}
    assert products[one]["identity"]["sku"] == items[one]
    assert other not in items


def test_a_row_that_is_gone_from_the_target_is_missing_and_created_once(site: Site) -> None:
    name = "customers_to_salesforce"
    site.run(name)
    accounts = len(site.there("Account"))
    lose_state(site)
    gone = next(iter(site.there("Account").values()))
    site.salesforce().delete([gone["Id"]])
    report = rebuilt(site, name)
    assert 1 == report.missing["Account"]
    site.run(name)
    assert accounts == len(site.there("Account"))


def test_records_whose_parents_are_not_bound_are_counted(ordered: Site) -> None:
    lose_state(ordered)
    report = rebuilt(ordered, ORDERS)
    assert (report.records, 0) == (report.not_mapped, report.found.total())
    assert set(report.waiting) <= {"customers_to_infor", "products_to_infor"}
    assert report.records == report.waiting.total() > 0


def test_a_target_that_cannot_be_searched_is_refused_before_anything_is_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(SalesforceSink, "find")
    with pytest.raises(Misconfigured, match="salesforce cannot be searched for rows by their keys"):
        rebuilt(site, "customers_to_salesforce")
