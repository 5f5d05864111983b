"""What is wrong in the input of the flows to M3: named once, kept, and through by itself when it is put right."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from sqlalchemy import select

from airflow_provider_brightpearl.errors import TooManyRefused
from airflow_provider_brightpearl.runtime.desk import letters_to_replay
from airflow_provider_brightpearl.runtime.replay import replay
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.tables import dead_letter
from tests.flows.conftest import QUIET
from tests.flows.site import MAPPINGS, Site
from tests.flows.world import World
from tests.postgres import sqlite_url
from tests.systems.infor.m3 import client_for

pytestmark = pytest.mark.slow

ORDERS, PAYMENTS = "orders_to_infor", "payments_to_infor_gl"


def company(folder: Path, *flows: str) -> Iterator[World[Site]]:
    """An account and a company, after these flows have run, with flow files of its own."""
    with Sandbox(customers=8, products=6, orders=14, seed=3, settings=QUIET) as sandbox:
        copytree(MAPPINGS, folder / "mappings")
        site = Site(sandbox, folder, folder / "mappings")
        yield World(sandbox, site, lambda site: [site.run(flow) for flow in flows])


@pytest.fixture(scope="module")
def bare_company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    yield from company(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def stocked_company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    yield from company(tmp_path_factory.mktemp("stocked"), "customers_to_infor", "products_to_infor")


@pytest.fixture
def bare_site(bare_company: World[Site], tmp_path: Path) -> Site:
    """A company that holds nothing of the account."""
    return bare_company.begin(tmp_path)


@pytest.fixture
def site(stocked_company: World[Site], tmp_path: Path) -> Site:
    """A company that knows customers and products."""
    return stocked_company.begin(tmp_path)


def letters(site: Site, flow: str) -> dict[str, Any]:
    """The open letters of a flow by source id."""
    open_ones = (dead_letter.c.flow == flow, dead_letter.c.state.in_(["open", "parked", "missing", "retry"]))
    with site.database.connect() as connection:
        return {row.source_id: row for row in connection.execute(select(dead_letter).where(*open_ones))}


def test_a_lost_state_database_makes_no_second_order(site: Site) -> None:
    first = site.run("orders_to_infor")
    site.run(PAYMENTS)
    numbers = {row["ORNO"]: row["CUOR"] for row in site.m3("orders")}
    vouchers = site.m3("vouchers")
    assert vouchers
    assert first.counts.created == len(numbers) > 0
    site.database = open_engine(sqlite_url(site.folder, "another.db"))
    for name in ("customers_to_infor", "products_to_infor", "orders_to_infor"):
        again = site.run(name)
    assert numbers == {row["ORNO"]: row["CUOR"] for row in site.m3("orders")}
    assert (first.counts.extracted, 0) == (again.counts.extracted, again.counts.rejected)
    site.run(PAYMENTS)
    assert vouchers == site.m3("vouchers")
    # from then on M3 is not asked
    site.sandbox.control("DELETE", "/log")
    site.run("orders_to_infor", full_resync=True)
    assert not [
        each for each in site.sandbox.control("GET", "/log?system=infor") if "LstBatchHead" in str(each)
    ]


def an_order(site: Site) -> tuple[str, str]:
    """A sales order and one of its rows."""
    orders = sorted(
        (key, sorted(row["orderRows"]))
        for key, row in site.here("order").items()
        if row["orderTypeCode"] == "SO"
    )
    return next((key, rows[0]) for key, rows in orders if rows)


def in_m3(site: Site) -> list[str]:
    return sorted(row["CUOR"] for row in site.m3("orders"))


def add_line(site: Site, lookup: str, line: str) -> None:
    file = site.mappings / "lookups" / lookup
    file.write_text(f"{file.read_text().rstrip()}\n{line}\n")


@pytest.mark.parametrize(
    ("change", "lookup", "line", "reason"),
    [
        ({"warehouseId": 5}, "m3_warehouses.csv", "5,110,A01,A0101",
         "FACI: '5' is not in lookup facility; WHLO: '5' is not in lookup warehouse"),
        ("AT10", "m3_vat_codes.csv", "AT10,2", "VTCD: 'AT10' is not in lookup vat_code"),
    ],
    ids=["warehouse", "tax code"],
)  # fmt: skip
def test_an_order_without_a_mapping_is_one_letter_and_released_by_its_line(
    site: Site, change: Any, lookup: str, line: str, reason: str
) -> None:
    order, row = an_order(site)
    if isinstance(change, str):
        change = {"orderRows": {row: {"rowValue": {"taxCode": change}}}}
    site.patch(f"/brightpearl/order/{order}", change)
    summary = site.run(ORDERS)
    assert (1, summary.counts.extracted - 1) == (summary.counts.rejected, summary.counts.created)
    assert {order: reason} == {key: each.reason for key, each in letters(site, ORDERS).items()}
    assert ((reason, 1),) == summary.reasons
    assert order not in in_m3(site)

    site.pass_time(60)
    add_line(site, lookup, line)
    assert 1 == site.run(ORDERS).counts.created
    assert ({}, 1) == (letters(site, ORDERS), in_m3(site).count(order))


def test_orders_wait_for_customer_and_product_and_come_in_by_themselves(bare_site: Site) -> None:
    summary = bare_site.run(ORDERS)
    assert (summary.counts.extracted, 0) == (summary.counts.parked, summary.counts.rejected)
    waiting = {(each.waits_flow, each.waits_object) for each in letters(bare_site, ORDERS).values()}
    assert {("customers_to_infor", "Customer")} == waiting
    bare_site.run("customers_to_infor")
    bare_site.run(ORDERS)
    waiting = {(each.waits_flow, each.waits_object) for each in letters(bare_site, ORDERS).values()}
    assert {("products_to_infor", "Item")} == waiting
    bare_site.run("products_to_infor")
    assert summary.counts.extracted == bare_site.run(ORDERS).counts.created
    assert {} == letters(bare_site, ORDERS)


@pytest.mark.parametrize(
    ("flow", "kind"), [("customers_to_infor", "Customer"), ("products_to_infor", "Item")]
)
def test_what_m3_has_deleted_is_sent_again_and_its_orders_wait_for_it(
    site: Site, flow: str, kind: str
) -> None:
    # with the flow of the other direction, its policy would count
    for file in site.mappings.glob("infor_*.yaml"):
        file.unlink()
    order, row = an_order(site)
    whole = site.here("order")[order]
    parent = str(
        whole["parties"]["customer"]["contactId"]
        if kind == "Customer"
        else whole["orderRows"][row]["productId"]
    )
    number = site.crosswalk.resolve(flow, kind, [parent])[parent]
    site.sandbox.control("DELETE", f"/infor/{kind.lower()}s/{number}")
    summary = site.run(ORDERS)
    waiting = letters(site, ORDERS)
    assert {(flow, kind, parent)} == {
        (each.waits_flow, each.waits_object, each.waits_key) for each in waiting.values()
    }
    assert (len(waiting), 0) == (summary.counts.parked, summary.counts.rejected) and order in waiting
    assert {parent: "retry"} == {key: each.state for key, each in letters(site, flow).items()}
    assert f"infor has deleted {kind} {number} ({flow}, record {parent})" in summary.warnings

    site.run(flow)
    assert {} == letters(site, flow)
    assert len(waiting) == site.run(ORDERS).counts.created
    assert ({}, 1) == (letters(site, ORDERS), in_m3(site).count(order))


def test_an_item_that_is_not_kept_in_the_warehouse_is_refused_and_stays_bound(site: Site) -> None:
    order, row = an_order(site)
    whole = site.here("order")[order]["orderRows"][row]
    product = str(whole["productId"])
    number = site.crosswalk.resolve("products_to_infor", "Item", [product])[product]
    # M3 answers with the class of "does not exist", and names the item
    site.sandbox.control("POST", "/settings/infor", {"missing_item_warehouse_code": "WIT0103"})
    for warehouse in ("100", "110", "120"):
        site.sandbox.control("DELETE", f"/infor/item_warehouse/100|{number}|{warehouse}")
    summary = site.run(ORDERS)
    refused = letters(site, ORDERS)
    assert order in refused and len(refused) == summary.counts.rejected
    assert {"open"} == {each.state for each in refused.values()}
    assert f"WIT0103: Item {number} is not kept in warehouse" in refused[order].reason
    assert number == site.crosswalk.resolve("products_to_infor", "Item", [product])[product]
    assert ((), {}) == (summary.warnings, letters(site, "products_to_infor"))


@pytest.mark.parametrize("later", [False, True], ids=["in one run", "in a later run"])
def test_two_products_of_one_sku_are_not_one_item(bare_site: Site, later: bool) -> None:
    first, second = list(bare_site.here("product"))[:2]
    bare_site.patch(f"/brightpearl/product/{first}", {"identity": {"sku": "SHARED"}})
    if later:
        bare_site.run("products_to_infor", ids=(first,))
    bare_site.patch(f"/brightpearl/product/{second}", {"identity": {"sku": "SHARED"}})
    bare_site.run("products_to_infor")
    [letter] = letters(bare_site, "products_to_infor").values()
    assert (second, "open", "SHARED") == (letter.source_id, letter.state, letter.value)
    assert f"Item SHARED of infor is that of record {first}: two records cannot be one row" in letter.reason
    assert {first: "SHARED"} == bare_site.crosswalk.resolve("products_to_infor", "Item", [first, second])

    bare_site.patch(f"/brightpearl/product/{second}", {"identity": {"sku": "ITS-OWN"}})
    bare_site.run("products_to_infor", ids=(second,))
    assert {} == letters(bare_site, "products_to_infor")
    found = bare_site.crosswalk.resolve("products_to_infor", "Item", [first, second])
    assert {first: "SHARED", second: "ITS-OWN"} == found


def test_a_line_of_quantity_zero_is_named(site: Site) -> None:
    order, row = an_order(site)
    site.patch(f"/brightpearl/order/{order}", {"orderRows": {row: {"quantity": {"magnitude": "0.0000"}}}})
    summary = site.run(ORDERS)
    assert (1, summary.counts.extracted - 1) == (summary.counts.rejected, summary.counts.created)
    letter = letters(site, ORDERS)[order]
    assert ("OrderLine", row, "ORQT") == (letter.object, letter.row, letter.field)
    assert letter.reason.startswith("ORQT must be above 0")


def test_a_line_that_m3_refuses_leaves_nothing_of_the_order_and_all_of_it_follows(site: Site) -> None:
    order, row = an_order(site)
    product = str(site.here("order")[order]["orderRows"][row]["productId"])
    item = site.crosswalk.resolve("products_to_infor", "Item", [product])[product]
    m3 = client_for(site.sandbox, site.tokens)
    m3.write("MMS200MI", "UpdItmBasic", {"ITNO": item, "STAT": "90"})
    summary = site.run(ORDERS)
    refused = letters(site, ORDERS)
    assert order in refused
    assert (summary.counts.rejected, summary.counts.extracted) == (
        len(refused),
        len(refused) + summary.counts.created,
    )
    assert refused[order].reason.endswith("nothing of the order is in M3 and a replay sends all of it")
    assert {row["CUOR"] for row in site.m3("batch_orders")} == set(in_m3(site))
    assert not set(refused) & set(in_m3(site))

    m3.write("MMS200MI", "UpdItmBasic", {"ITNO": item, "STAT": "20"})
    assert len(refused) == site.run(ORDERS, ids=tuple(refused)).counts.created
    assert {} == letters(site, ORDERS)
    assert len(set(in_m3(site))) == len(in_m3(site)) == summary.counts.extracted


def test_a_warehouse_that_the_flow_does_not_name_is_warned_of(site: Site) -> None:
    file = site.mappings / "lookups" / "m3_warehouses.csv"
    whole = file.read_text()
    file.write_text("".join(line for line in whole.splitlines(keepends=True) if not line.startswith("3,")))
    summary = site.run("inventory_to_infor")
    assert any(text.startswith("StockCount.where: 3 is not in lookup warehouse") for text in summary.warnings)
    assert (0, True) == (summary.counts.rejected, summary.counts.updated > 0)
    file.write_text(whole)
    # stock of seconds, which is M3's to decide as shipped
    theirs = site.mappings / "lookups" / "m3_stock.csv"
    theirs.write_text(theirs.read_text().replace("200,5", "200,"))
    add_line(site, "m3_warehouses.csv", "5,110,A01,A0102,110")
    assert () == site.run("inventory_to_infor", full_resync=True).warnings


def a_payment(site: Site) -> tuple[str, dict[str, Any]]:
    found = site.here("customer-payment", "paymentId")
    return next((key, row) for key, row in sorted(found.items()) if row["paymentType"] == "RECEIPT")


def test_a_payment_for_an_unknown_order_is_named(site: Site) -> None:
    payment, _ = a_payment(site)
    site.patch(f"/brightpearl/customer-payment/{payment}", {"orderId": 99_999_999})
    summary = site.run(PAYMENTS)
    assert {payment} == set(letters(site, PAYMENTS))
    assert (
        "orderId 99999999: order-service/order has no record 99999999"
        in letters(site, PAYMENTS)[payment].reason
    )
    assert (1, summary.counts.extracted) == (
        summary.counts.rejected, summary.counts.created + summary.counts.unchanged + 1,
    )  # fmt: skip
    assert f"BP{payment}" not in {row["VTXT"].partition(" ")[0] for row in site.m3("vouchers")}


def test_an_account_that_m3_does_not_have_is_told_and_posted_once_it_is_there(site: Site) -> None:
    payment, row = a_payment(site)
    method = row["paymentMethodCode"]
    file = site.mappings / "lookups" / "m3_accounts.csv"
    lines = [
        f"{method},7777" if line.startswith(f"{method},") else line for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines) + "\n")
    summary = site.run(PAYMENTS)
    refused = letters(site, PAYMENTS)
    assert payment in refused
    assert summary.counts.rejected == len(refused)
    assert f"M3 accepted batch BP{payment} but created no voucher" in refused[payment].reason
    assert "such as an account or a period" in refused[payment].reason
    before = len(site.m3("vouchers"))
    account = {**site.m3("accounts")[0], "AITP": 1, "AITM": "7777", "DIVI": "AAA", "LCCD": 0}
    site.sandbox.control("POST", "/infor/accounts", account)
    assert len(refused) == site.run(PAYMENTS, ids=tuple(refused)).counts.created
    assert ({}, before + 2 * len(refused)) == (letters(site, PAYMENTS), len(site.m3("vouchers")))


def test_payments_of_a_closed_period_are_told_and_posted_when_it_is_open(site: Site) -> None:
    months = sorted(
        {
            row["paymentDate"][:7].replace("-", "")
            for row in site.here("customer-payment", "paymentId").values()
        }
    )
    site.sandbox.control("POST", "/settings/infor", {"closed_periods": [months[0]]})
    summary = site.run(PAYMENTS)
    refused = letters(site, PAYMENTS)
    assert 0 < summary.counts.rejected == len(refused)
    assert {row["ACDT"][:6] for row in site.m3("vouchers")} == {*months[1:]}
    site.sandbox.control("POST", "/settings/infor", {"closed_periods": []})
    assert len(refused) == site.run(PAYMENTS, ids=tuple(refused)).counts.created
    assert {} == letters(site, PAYMENTS)


def adds(site: Site) -> int:
    """How many customers M3 has been asked to add."""
    asked = [row for row in site.sandbox.snapshot("infor", "calls") if row["transaction"] == "Add"]
    return sum(row["times"] for row in asked if row["program"] == "CRS610MI")


def test_of_a_group_that_m3_refuses_one_record_is_replayed_first(bare_site: Site) -> None:
    """As with every target: M3 is sent one record until that goes through."""
    site, flow = bare_site, "customers_to_infor"
    refusal = {"program": "CRS610MI", "transaction": "Add", "times": 0, "code": "XIM0002", "message": "no"}
    site.sandbox.control("POST", "/settings/infor", {"transaction_faults": [refusal]})
    with contextlib.suppress(TooManyRefused):
        site.run(flow)
    waiting = letters_to_replay(site.environment)
    assert len(waiting) > 2
    before = adds(site)
    said: list[str] = []
    left = replay(site.environment, waiting, "again", site.wiring, said.append)
    assert (0, len(waiting)) == (left.closed, left.left)
    assert f"was tried first and did not go through: XIM0002: no; the other {len(waiting) - 1}" in said[0]
    assert 1 == adds(site) - before
    site.sandbox.control("POST", "/settings/infor", {"transaction_faults": []})
    assert len(waiting) == replay(site.environment, waiting, "mended", site.wiring, said.append).closed
