from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.changes import Removal, RowOutcome
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from tests.postgres import sqlite_url
from tests.systems.infor.m3 import Tenant, change, flow, record
from tests.systems.live import running_sandbox, sandbox

__all__ = ["running_sandbox", "sandbox"]

CUSTOMERS = flow("""
flow: customers_to_infor
source: brightpearl.contacts
target: infor
objects:
  Customer:
    key: {CUNO: contactId}
    fields: {CUTM: "1", CUNM: "1", CUA1: "1", TOWN: "1", MAIL: "1"}
    create_only: [CUTM]
  Delivery:
    object: CustomerAddress
    key: {CUNO_ADRT_ADID: contactId}
    fields: {CUA1: "1", PONO: "1", CSCD: "1", TOWN: "1"}
""")
STOCK = flow("""
flow: inventory_to_infor
source: brightpearl.products
target: infor
objects:
  StockCount:
    key: {WHLO_ITNO_WHSL: id}
    fields: {STQI: "1", STDI: "1"}
""")
ITEMS = flow("""
flow: products_to_infor
source: brightpearl.products
target: infor
objects:
  Item:
    key: {ITNO: id}
    fields: {STAT: "1", CITN: "1", ITDS: "1"}
  ItemPrice:
    key: {ITNO: id}
    fields: {SAPR: "1", CUCS: "1"}
  Main:
    object: ItemWarehouse
    key: {WHLO_ITNO: id}
    fields: {CWHL: "1", CITN: "1"}
""")
ADDRESS = {"CUA1": "2 Dock Road", "PONO": "HU1 1AA", "CSCD": "GB", "TOWN": "Hull"}


@pytest.fixture
def m3(sandbox: Sandbox, tmp_path: Path) -> Iterator[Tenant]:
    yield Tenant(sandbox, SqlIntents(open_engine(sqlite_url(tmp_path))))


def customer(number: int, target_id: str | None = None, **more: Any) -> Any:
    key = f"BP{number}"
    fields = {"CUTM": "WEB", "CUNM": f"Shop {number}", "CUA1": "1 High Street", "TOWN": None, **more}
    return record(str(number), change("Customer", key, fields, target_id=target_id))


def test_customers_are_added_with_their_addresses(m3: Tenant) -> None:
    both = record(
        "1",
        change("Customer", "BP1", {"CUTM": "WEB", "CUNM": "Shop", "CUA1": "1 High Street", "TOWN": "York"}),
        change("Delivery", "BP1|1|DEL", ADDRESS, parent="BP1"),
    )
    sink = m3.sink(CUSTOMERS)
    results = [result for results in sink.write([both]) for result in results]
    assert [("Customer", "BP1", RowOutcome.CREATED), ("Delivery", "BP1|1|DEL", RowOutcome.CREATED)] == [
        (each.object, each.target_id, each.outcome) for each in results
    ]
    assert (2, 2) == (sink.calls, sink.min_calls([both]))
    [there] = m3.rows("customers", CUNO="BP1")
    assert ("Shop", "York") == (there["CUNM"], there["TOWN"])
    assert ["2 Dock Road"] == [row["CUA1"] for row in m3.rows("addresses", CUNO="BP1")]


def test_a_thousand_customers_take_twenty_calls(m3: Tenant) -> None:
    sink = m3.sink(CUSTOMERS)
    records = [customer(number) for number in range(1000)]
    assert 1000 == sum(len(results) for results in sink.write(records))
    assert (20, 20) == (sink.calls, sink.min_calls(records))


def test_a_customer_that_is_bound_is_changed_and_keeps_its_template(m3: Tenant) -> None:
    m3.write(CUSTOMERS, [customer(1)])
    [result] = m3.write(CUSTOMERS, [customer(1, "BP1", CUNM="New name")])
    assert (RowOutcome.UPDATED, "BP1") == (result.outcome, result.target_id)
    assert ["New name"] == [row["CUNM"] for row in m3.rows("customers", CUNO="BP1")]


def test_a_customer_that_is_there_is_compared_and_changed_where_it_differs(m3: Tenant) -> None:
    m3.write(CUSTOMERS, [customer(1), customer(2)])
    [before] = m3.rows("customers", CUNO="BP1")
    results = m3.write(CUSTOMERS, [customer(1), customer(2, CUNM="Other"), customer(3)])
    assert {"BP1": RowOutcome.UPDATED, "BP2": RowOutcome.UPDATED, "BP3": RowOutcome.CREATED} == {
        each.key: each.outcome for each in results
    }
    assert [before] == m3.rows("customers", CUNO="BP1")
    assert ["Other"] == [row["CUNM"] for row in m3.rows("customers", CUNO="BP2")]


def test_a_customer_that_was_deleted_in_m3_is_added_again(m3: Tenant) -> None:
    [result] = m3.write(CUSTOMERS, [customer(1, "BP1")])
    assert ("", "BP1") == (result.reason, result.target_id)
    assert 1 == len(m3.rows("customers", CUNO="BP1"))


def test_a_lost_answer_is_asked_for_again_without_a_second_customer(m3: Tenant) -> None:
    m3.fault(path="/v2/execute", method="POST", drop="after")
    results = m3.write(CUSTOMERS, [customer(number) for number in range(60)])
    assert 60 == len({each.target_id for each in results if not each.refused})
    assert 60 == len([row for row in m3.rows("customers") if row["CUNO"].startswith("BP")])


def test_what_does_not_fit_is_refused_alone_and_names_the_field(m3: Tenant) -> None:
    results = m3.write(CUSTOMERS, [customer(1, CUNM="x" * 37), customer(2), customer(3, TOWN="y" * 21)])
    told = {each.source_id: (each.reason, each.field) for each in results}
    assert {
        "1": ("CRS610MI Add: CUNM is 37 characters long, at most 36 are allowed", "CUNM"),
        "2": ("", ""),
        "3": ("CRS610MI Add: TOWN is 21 characters long, at most 20 are allowed", "TOWN"),
    } == told


def test_rows_of_a_refused_record_are_not_sent(m3: Tenant) -> None:
    both = record(
        "1",
        change("Customer", "BP1", {"CUTM": "NONE", "CUNM": "Shop", "CUA1": "1 High Street"}),
        change("Delivery", "BP1|1|DEL", ADDRESS),
    )
    [result] = m3.write(CUSTOMERS, [both])
    assert ("Customer", True) == (result.object, result.refused)
    assert [] == m3.rows("addresses", CUNO="BP1")


def test_rows_that_stay_in_m3_are_forgotten(m3: Tenant) -> None:
    gone = record("1", removals=(Removal("Customer", "BP1", "BP1"),))
    [result] = m3.write(CUSTOMERS, [gone])
    assert (True, "") == (result.removed, result.reason)


def test_items_with_price_and_warehouse(m3: Tenant) -> None:
    def item(target: str | None = None, **more: Any) -> Any:
        return record(
            "1",
            change(
                "Item", "SKU-1", {"STAT": "20", "CITN": "TEMPLATE", "ITDS": "Lamp", **more}, target_id=target
            ),
            change("ItemPrice", "SKU-1", {"SAPR": 19.9900, "CUCS": "GBP"}, target_id=target),
            change("Main", "100|SKU-1", {"CWHL": "100", "CITN": "TEMPLATE"}, target_id=target),
        )

    assert [] == [each.reason for each in m3.write(ITEMS, [item()]) if each.refused]
    assert ("Lamp", "19.990000") == next((row["ITDS"], row["SAPR"]) for row in m3.rows("items", ITNO="SKU-1"))
    assert 1 == len(m3.rows("item_warehouse", ITNO="SKU-1", WHLO="100"))
    assert 3 == len(m3.write(ITEMS, [item(ITDS="Desk lamp")]))
    assert 3 == len(m3.write(ITEMS, [item("SKU-1", ITDS="Table lamp")]))
    assert ["Table lamp"] == [row["ITDS"] for row in m3.rows("items", ITNO="SKU-1")]


def test_stock_is_set_absolutely_and_may_be_sent_twice(m3: Tenant) -> None:
    m3.fault(path="/v2/execute", method="POST", drop="after")
    count = record("1", change("StockCount", "100|ITEM-1|A0101", {"STQI": 25, "STDI": "2026-11-20"}))
    [result] = m3.write(STOCK, [count])
    assert "" == result.reason
    assert ["25"] == [row["STQT"] for row in m3.rows("balances", ITNO="ITEM-1", WHLO="100")]


def test_an_unknown_warehouse_names_the_field(m3: Tenant) -> None:
    [result] = m3.write(STOCK, [record("1", change("StockCount", "999|ITEM-1|A0101", {"STQI": 25}))])
    assert ("WHLO", "999", True) == (result.field, result.value, result.reason.startswith("WWH0103"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Customr: {key: {CUNO: id}, fields: {}}", "M3 has no object 'Customr'"),
        (
            "Customer: {key: {CUNO: id}, fields: {CUNAME: id}}",
            "is not a field of CRS610MI Add or CRS610MI ChgBasicData",
        ),
    ],
)
def test_a_flow_that_names_what_m3_does_not_have(m3: Tenant, line: str, reason: str) -> None:
    spec = flow(f"flow: x\nsource: brightpearl.contacts\ntarget: infor\nobjects:\n  {line}\n")
    with pytest.raises(Misconfigured, match=reason):
        m3.sink(spec)
