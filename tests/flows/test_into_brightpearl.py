"""Whole runs into Brightpearl, from a till as another package would bring it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.schema import ListOf, StreamSchema
from airflow_provider_brightpearl.errors import TimedOut
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.system import System
from tests.flows.site import Site
from tests.systems.shelf import SHELF, Shelf

ORDERS = """
flow: sales_to_brightpearl
source: till.sales
target: brightpearl
objects:
  SalesOrder:
    key: {externalRef: "'TILL-' || id"}
    fields: {contactId: customer, ref: reference, channelId: 1, gross: total}
  OrderRow:
    rows: lines
    key: {externalRef: "'TILL-' || id || '-' || row_no"}
    parent: {orderId: SalesOrder}
    fields: {productId: row.product, quantity: row.pieces, taxCode: "'T20'", net: row.net, tax: row.tax}
totals: {amount: total, currency: "'GBP'"}
load: {max_refused: 100%}
"""
LINE = {"product": "BIGINT", "pieces": "INTEGER", "net": "DECIMAL(18,2)", "tax": "DECIMAL(18,2)"}
COLUMNS: Mapping[str, Any] = {
    "id": "BIGINT",
    "customer": "BIGINT",
    "reference": "VARCHAR",
    "rungOn": "TIMESTAMPTZ",
    "total": "DECIMAL(18,2)",
    "lines": ListOf(LINE),
}
TILL = replace(SHELF, name="till", streams={"sales": StreamSchema("id", COLUMNS, created=("rungOn",))})


def sale(number: int, product: int = 1001, **more: Any) -> dict[str, Any]:
    lines = [
        {"product": product, "pieces": 2, "net": "40.05", "tax": "8.01"},
        {"product": 1002, "pieces": 1, "net": "10.50", "tax": "2.10"},
    ]
    return {
        "id": number,
        "customer": 203,
        "reference": f"Till {number}",
        "total": "60.66",
        "lines": lines,
        **more,
    }


class TillSite(Site):
    """A site with a till beside its sandbox."""

    till = Shelf()

    def connect(self, system: System, conn_id: str | None = None) -> Any:
        return self.till if system.name == "till" else super().connect(system, conn_id)

    def ring(self, *sales: dict[str, Any]) -> None:
        # so much later than the flow's first run that nobody looks whether they are there already
        self.pass_time(10)
        for each in sales:
            self.till.things[str(each["id"])] = (self.now(), {"rungOn": self.now().isoformat(), **each})
        self.pass_time(10)

    def orders(self) -> dict[str, dict[str, Any]]:
        made = (row for row in self.sandbox.snapshot("brightpearl", "order"))
        return {row["externalRef"]: row for row in made if str(row.get("externalRef", "")).startswith("TILL")}


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TillSite:
    known = {**registry.systems(), "till": TILL}
    monkeypatch.setattr(registry, "systems", lambda: known)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "sales_to_brightpearl.yaml").write_text(ORDERS)
    site = TillSite(sandbox, tmp_path, tmp_path / "mappings")
    site.till = Shelf()
    return site


def calls(summary: RunSummary) -> tuple[int, int]:
    return summary.calls.made["brightpearl"], summary.calls.minimum["brightpearl"]


def test_sales_become_orders_once(site: TillSite) -> None:
    site.ring(*(sale(number) for number in range(30)))
    summary = site.run("sales_to_brightpearl")
    assert Counts(extracted=30, created=30) == summary.counts
    assert {"GBP": Decimal("1819.80")} == summary.money["loaded"]
    # looked for, since this state has never seen the flow; sent; read back
    assert (7, 7) == calls(summary)
    again = site.run("sales_to_brightpearl", full_resync=True)
    assert Counts(extracted=30, unchanged=30) == again.counts
    assert 0 == again.calls.made["brightpearl"]

    site.ring(sale(3, reference="Till three"), sale(30))
    later = site.run("sales_to_brightpearl")
    assert Counts(extracted=31, created=1, updated=1, unchanged=29) == later.counts
    # new and changed are read together; both are written, the changed one is read again
    assert (4, 4) == calls(later)
    assert "Till three" == site.orders()["TILL-3"]["reference"]
    assert 31 == len(site.orders())


def test_a_refused_sale_is_a_dead_letter_and_follows_once_it_is_mended(site: TillSite) -> None:
    site.ring(sale(1), sale(2, product=9999), sale(3, total="60.67"))
    summary = site.run("sales_to_brightpearl")
    assert Counts(extracted=3, created=1, rejected=2) == summary.counts
    assert {
        "ORDC-025 Product 9999 does not exist",
        "SalesOrder.gross: is 60.67 at the source, and its rows add up to 60.66; nothing was sent",
    } == {reason for reason, _ in summary.reasons}
    assert {"GBP": Decimal("121.33")} == summary.money["rejected"]
    assert {"2", "3"} == site.letters.waiting("sales_to_brightpearl", ["1", "2", "3"])
    site.ring(sale(2), sale(3))
    assert Counts(extracted=3, created=2, unchanged=1) == site.run("sales_to_brightpearl").counts
    assert set() == site.letters.waiting("sales_to_brightpearl", ["1", "2", "3"])


def test_a_run_whose_answers_are_lost_is_repeated_without_a_second_order(site: TillSite) -> None:
    site.run("sales_to_brightpearl")
    site.ring(*(sale(number) for number in range(12)))
    fault = {"system": "brightpearl", "path": "multi-message", "drop": "after"}
    site.sandbox.control("POST", "/faults", fault)
    with pytest.raises(TimedOut):
        site.run("sales_to_brightpearl")
    summary = site.run("sales_to_brightpearl")
    assert (12, 0) == (summary.counts.extracted, summary.counts.rejected)
    assert 12 == len(site.orders())
