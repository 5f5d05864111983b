"""The shipped flow files to M3, run whole against the sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.clients.auth import MemoryTokens
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.endpoints.m3 import client_for
from tests.flows.site import Site

pytestmark = pytest.mark.slow


@dataclass
class M3Site(Site):
    """A site whose target is M3."""

    tokens: MemoryTokens = field(default_factory=MemoryTokens)

    def _salesforce(self) -> Any:
        client: Any = client_for(self.sandbox, self.tokens)
        client.query = lambda _: []
        return client

    def m3(self, collection: str) -> list[dict[str, Any]]:
        return [row for row in self.sandbox.snapshot("infor", collection) if row.get("CONO") == "100"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[M3Site]:
    folder: Path = tmp_path_factory.mktemp("m3")
    with Sandbox(customers=20, products=12, orders=60, seed=7) as sandbox:
        sandbox.control("POST", "/settings/brightpearl", {"throttle": False})
        # the stock that was shipped in the past was never counted into M3
        sandbox.control("POST", "/settings/infor", {"stock_checked_at_pick": False})
        yield M3Site(sandbox, folder)


def reasons(site: Site, flow: str) -> Counter[str]:
    from sqlalchemy import select

    from airflow_provider_brightpearl.stores.schema import dead_letter

    with site.database.connect() as connection:
        rows = connection.execute(
            select(dead_letter.c.reason).where(dead_letter.c.flow == flow, dead_letter.c.state == "open")
        )
        return Counter(row[0] for row in rows)


FLOWS = (
    "customers_to_infor", "products_to_infor", "orders_to_infor", "shipments_to_infor", "inventory_to_infor",
    "payments_to_infor_gl",
)  # fmt: skip


@pytest.fixture(scope="module")
def summaries(site: M3Site) -> dict[str, dict[str, Any]]:
    return {name: site.run(name) for name in FLOWS}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_moves_everything(site: M3Site, summaries: dict[str, dict[str, Any]], name: str) -> None:
    summary = summaries[name]
    moved = summary["created"] + summary["updated"]
    assert ({}, summary["extracted"]) == (reasons(site, name), moved + summary["unchanged"])
    assert moved > 0


@pytest.mark.parametrize("name", FLOWS)
def test_calls_are_the_fewest(summaries: dict[str, dict[str, Any]], name: str) -> None:
    summary = summaries[name]
    assert summary["fewest_calls"]["infor"] * 1.05 >= summary["calls"]["infor"]


def test_orders_are_there_once_with_their_net(site: M3Site, summaries: dict[str, dict[str, Any]]) -> None:
    orders = {key: row for key, row in site.here("order").items() if row["orderTypeCode"] == "SO"}
    net: Counter[str] = Counter()
    for row in site.m3("order_lines"):
        net[row["ORNO"]] += round(Decimal(row["ORQT"]) * Decimal(row["SAPR"]), 2)
    for row in site.m3("order_charges"):
        net[row["ORNO"]] += Decimal(row["CRAM"])
    there = {row["CUOR"]: net[row["ORNO"]] for row in site.m3("orders")}
    here = {key: Decimal(row["totalValue"]["net"]) for key, row in orders.items()}
    assert here == there
    assert {1} == set(Counter(row["CUOR"] for row in site.m3("orders")).values())


def test_vouchers_sum_to_zero_and_days_equal_the_payments(
    site: M3Site, summaries: dict[str, dict[str, Any]]
) -> None:
    assert 0 == sum(Decimal(row["ACAM"]) for row in site.m3("vouchers"))
    money = Counter[str]()
    for row in site.m3("vouchers"):
        if row["AIT1"] != "1590":
            money[row["CUCD"]] += Decimal(row["CUAM"])
    paid = Counter[str]()
    for row in site.here("customer-payment", "paymentId").values():
        sign = {"RECEIPT": 1, "CAPTURE": 1, "PAYMENT": -1}.get(row["paymentType"], 0)
        paid[row["currencyCode"]] += sign * Decimal(row["amountPaid"])
    assert +paid == +money


@pytest.mark.parametrize("name", FLOWS)
def test_the_second_run_writes_nothing(site: M3Site, summaries: dict[str, dict[str, Any]], name: str) -> None:
    site.pass_time(10)
    site.run(name)
    before = {name: len(site.m3(name)) for name in ("orders", "vouchers", "customers", "items", "messages")}
    summary = site.run(name)
    assert 0 == summary["calls"].get("infor", 0)
    assert before == {name: len(site.m3(name)) for name in before}
