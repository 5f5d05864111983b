"""The shipped flow files to M3, run whole against the sandbox."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.site import Site

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("m3")
    with Sandbox(customers=20, products=12, orders=60, seed=7) as sandbox:
        sandbox.control("POST", "/settings/brightpearl", {"throttle": False})
        # the stock that was shipped in the past was never counted into M3
        sandbox.control("POST", "/settings/infor", {"stock_checked_at_pick": False})
        yield Site(sandbox, folder)


def reasons(site: Site, flow: str) -> Counter[str]:
    from sqlalchemy import select

    from airflow_provider_brightpearl.stores.tables import dead_letter

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
def summaries(site: Site) -> dict[str, RunSummary]:
    return {name: site.run(name) for name in FLOWS}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_moves_everything(site: Site, summaries: dict[str, RunSummary], name: str) -> None:
    summary = summaries[name]
    moved = summary.counts.created + summary.counts.updated
    assert ({}, summary.counts.extracted) == (reasons(site, name), moved + summary.counts.unchanged)
    assert moved > 0


@pytest.mark.parametrize("name", FLOWS)
def test_calls_are_the_fewest(summaries: dict[str, RunSummary], name: str) -> None:
    summary = summaries[name]
    assert summary.calls.minimum["infor"] * 1.05 >= summary.calls.made["infor"]


def test_orders_are_there_once_with_their_net(site: Site, summaries: dict[str, RunSummary]) -> None:
    orders = {key: row for key, row in site.here("order").items() if row["orderTypeCode"] == "SO"}
    net: dict[str, Decimal] = defaultdict(Decimal)
    for row in site.m3("order_lines"):
        net[row["ORNO"]] += round(Decimal(row["ORQT"]) * Decimal(row["SAPR"]), 2)
    for row in site.m3("order_charges"):
        net[row["ORNO"]] += Decimal(row["CRAM"])
    there = {row["CUOR"]: net[row["ORNO"]] for row in site.m3("orders")}
    here = {key: Decimal(row["totalValue"]["net"]) for key, row in orders.items()}
    assert here == there
    assert {1} == set(Counter(row["CUOR"] for row in site.m3("orders")).values())


def test_vouchers_sum_to_zero_and_days_equal_the_payments(
    site: Site, summaries: dict[str, RunSummary]
) -> None:
    assert 0 == sum(Decimal(row["ACAM"]) for row in site.m3("vouchers"))
    money: dict[str, Decimal] = defaultdict(Decimal)
    for row in site.m3("vouchers"):
        if row["AIT1"] != "1590":
            money[row["CUCD"]] += Decimal(row["CUAM"])
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for row in site.here("customer-payment", "paymentId").values():
        sign = {"RECEIPT": 1, "CAPTURE": 1, "PAYMENT": -1}.get(row["paymentType"], 0)
        paid[row["currencyCode"]] += sign * Decimal(row["amountPaid"])
    assert {code: sum_ for code, sum_ in paid.items() if sum_} == money


@pytest.mark.parametrize("name", FLOWS)
def test_the_second_run_writes_nothing(site: Site, summaries: dict[str, RunSummary], name: str) -> None:
    site.pass_time(10)
    site.run(name)
    before = {name: len(site.m3(name)) for name in ("orders", "vouchers", "customers", "items", "messages")}
    summary = site.run(name)
    assert 0 == summary.calls.made.get("infor", 0)
    assert before == {name: len(site.m3(name)) for name in before}
