"""Values that the demonstration's check works out, against values worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from airflow_provider_brightpearl.flow.load import load_flow
from demo.compare import same
from demo.expected.infor_journals import journals, received
from demo.expected.records import Expected, OneOf, note_lines, rounded
from demo.expected.salesforce_goods import stock
from demo.flows import FLOWS, OUT
from demo.report import COUNTS, FlowResult, Pass, counts_table, money_table
from demo.systems import Money

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"


def _held(product: int, **warehouses: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": product,
        "warehouses": {
            name.removeprefix("w"): {
                "inStock": each, "allocated": promised, "onHand": each - promised, "inTransit": 0,
            }
            for name, (each, promised) in warehouses.items()
        },
    }  # fmt: skip


def _product(id: int, tracked: bool = True, **parts: int) -> dict[str, Any]:
    components = [
        {"productId": int(name.removeprefix("p")), "productQuantity": each} for name, each in parts.items()
    ]
    made_of = {"bundle": bool(parts), "bundleComponents": components}
    return {"id": id, "stock": {"stockTracked": tracked}, "composition": made_of}


def test_stock_is_what_can_be_sold_in_the_counted_warehouses() -> None:
    source = {
        "product": [_product(1), _product(2, tracked=False)],
        "product-availability": [_held(1, w2=(10, 3), w3=(2, 5), w5=(100, 0)), _held(2, w2=(7, 0))],
    }
    lines = "2: 10 in stock, 3 allocated, 0 in transit\n3: 2 in stock, 5 allocated, 0 in transit"
    assert {
        "1": {"AvailableStock__c": Decimal(7), "Brightpearl_Stock_Sources__c": lines}
    } == dict(stock(source))  # fmt: skip


def test_a_bundle_has_what_its_scarcest_component_allows() -> None:
    source = {
        "product": [_product(9, tracked=False, p1=2, p2=1)],
        "product-availability": [_held(1, w2=(9, 2), w3=(8, 0)), _held(2, w2=(5, 0))],
    }
    line = "2: 4 in stock, 1 allocated, 0 in transit, component 1 runs out first"
    assert {
        "9": {"AvailableStock__c": Decimal(3), "Brightpearl_Stock_Sources__c": line}
    } == dict(stock(source))  # fmt: skip


def test_a_repayment_in_euros_is_a_journal_in_pounds() -> None:
    payment = {
        "paymentId": 5, "paymentType": "PAYMENT", "paymentMethodCode": "BACS", "orderId": 77,
        "currencyCode": "EUR", "amountPaid": "10.00", "paymentDate": "2026-06-30T23:30:00.000Z",
    }  # fmt: skip
    currency = {"exchangeRate": "1.193283", "accountingCurrencyCode": "GBP"}
    wanted = Expected({})
    journals(
        {"customer-payment": [payment], "order": [{"id": 77, "currency": currency}]}, {"BACS": "1200"}, wanted
    )
    money, customer = wanted.records["JournalLine"]["BP5|1"], wanted.records["JournalLine"]["BP5|2"]
    assert Decimal("-10.00") == received(payment) == money["CUAM"]
    assert (Decimal("-8.38"), "C", "1200") == (money["ACAM"], money["DBCR"], money["AIT1"])
    assert (Decimal("8.38"), "D", "1590") == (customer["ACAM"], customer["DBCR"], customer["AIT1"])
    # half past eleven in Greenwich is the next day in London's summer
    assert "20260701" == money["ACDT"]
    assert "BP5 77 bacs" == money["VTXT"]


@pytest.mark.parametrize(
    ("amount", "places", "due"), [("0.005", 2, "0.01"), ("-0.005", 2, "-0.01"), ("2.5", 0, "3")]
)
def test_halves_are_rounded_away_from_zero(amount: str, places: int, due: str) -> None:
    assert Decimal(due) == rounded(Decimal(amount), places)


def test_shelves_of_one_order_row_are_added_up() -> None:
    parts = [
        {"productId": 1, "quantity": 2},
        {"productId": 3, "quantity": 1},
        {"productId": 1, "quantity": 4},
    ]
    assert {("8", 1): Decimal(6), ("8", 3): Decimal(1)} == note_lines({"orderRows": {"8": parts}})


@pytest.mark.parametrize(
    ("wanted", "found", "holds"),
    [
        (None, "", True),
        (None, None, True),
        ("x", "", False),
        (Decimal(0), "", False),
        (Decimal("1.50"), "1.500000", True),
        ("1", 1, True),
        (OneOf(frozenset({"A", "B"})), "B", True),
        (OneOf(frozenset({"A", "B"})), "C", False),
    ],
)
def test_values_are_the_same(wanted: Any, found: Any, holds: bool) -> None:
    assert holds is same(wanted, found, {})


def test_the_order_of_the_flows_is_that_of_their_files() -> None:
    read = [load_flow(path) for path in MAPPINGS.glob("*.yaml")]
    flows = {each.flow: set(each.after) for each in read if each.source_system == "brightpearl"}
    assert flows == {flow: set(parents) for flow, parents in OUT.items()}


def _pass(name: str) -> Pass:
    counts = dict.fromkeys(COUNTS, 12345)
    calls = {"brightpearl": 123, "salesforce": 123, "infor": 123}
    flows = tuple(FlowResult(flow, counts, calls, calls, [], 12.3, 123.4) for flow in FLOWS)
    out = Decimal("12.5")
    sides = (Money("credits_to_salesforce", "JPY", Decimal(1234567), out, Decimal("1234554.5")),)
    return Pass(name, flows, (), sides)


def test_the_tables_are_readable_in_120_columns() -> None:
    passes = [_pass("first load"), _pass("after changes"), _pass("all again")]
    with StringIO() as screen:
        console = Console(width=120, file=screen)
        console.print(counts_table(passes))
        console.print(money_table(passes[:-1]))
        said = screen.getvalue()
    lines = said.splitlines()
    assert "…" not in said
    assert 3 * len(FLOWS) == sum(line.count("12,345") == len(COUNTS) for line in lines)
    (money,) = (line for line in lines if "JPY" in line)
    assert 2 == money.count("1,234,567.00")
    assert 2 == money.count("12.50")
