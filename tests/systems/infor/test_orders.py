from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Lost, RowOutcome
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.errors import TimedOut
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import open_engine, writing
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.restored import accept_restored
from airflow_provider_brightpearl.systems.infor.answers import Answer
from airflow_provider_brightpearl.systems.infor.client import Transaction
from tests.postgres import sqlite_url
from tests.systems.infor.m3 import Tenant, change, flow, record
from tests.systems.live import running_sandbox, sandbox

__all__ = ["running_sandbox", "sandbox"]

ORDERS = flow("""
flow: orders_to_infor
source: brightpearl.sales_orders
target: infor
objects:
  Order:
    key: {CUOR: id}
    fields: {CUNO: "1", ORTP: "1", FACI: "1", WHLO: "1", RLDT: "1", CUCD: "1", NTAM: "1"}
  OrderAddress:
    key: {id: id}
    parent: {ORNO: Order}
    fields: {ADRT: "1", CUNM: "1", CUA1: "1", PONO: "1", TOWN: "1", CSCD: "1"}
  OrderLine:
    key: {row: id}
    parent: {ORNO: Order}
    fields: {ITNO: "1", ORQT: "1", SAPR: "1", CUPO: "1"}
  OrderCharge:
    key: {row: id}
    parent: {ORNO: Order}
    fields: {CRID: "1", CRAM: "1"}
""")
DELIVER = {"ADRT": 1, "CUNM": "A B", "CUA1": "2 Dock Road", "PONO": "HU1 1AA", "TOWN": "Hull", "CSCD": "GB"}


@pytest.fixture
def m3(sandbox: Sandbox, tmp_path: Path) -> Iterator[Tenant]:
    tenant = Tenant(sandbox, SqlIntents(open_engine(sqlite_url(tmp_path))))
    tenant.customer("BP1", "BP2")
    yield tenant


def order(number: int, lines: int = 2, item: str = "ITEM-1", **more: Any) -> Any:
    key = str(number)
    head = {
        "CUNO": "BP1", "ORTP": "W01", "FACI": "A01", "WHLO": "100", "RLDT": "2026-11-25", "CUCD": "GBP",
        "NTAM": round(19.99 * lines, 2), **more,
    }  # fmt: skip
    rows = [
        change(
            "OrderLine", f"{number}-{n}",
            {"ITNO": item if n == 0 else "ITEM-2", "ORQT": 1.0000, "SAPR": 19.990000, "CUPO": str(n + 1)},
            key,
        )
        for n in range(lines)
    ]  # fmt: skip
    return record(key, change("Order", key, head), change("OrderAddress", key, DELIVER, key), *rows)


def errors(results: Any) -> dict[str, str]:
    return {each.source_id: each.reason for each in results if each.refused}


def lines_of(results: Any) -> dict[str, str]:
    """Target id by key of all lines."""
    return {each.key: each.target_id for each in results if each.object == "OrderLine"}


def lines_there(m3: Tenant) -> dict[str, str]:
    numbers = {row["ORNO"]: row["CUOR"] for row in m3.rows("orders")}
    return {
        f"{numbers[row['ORNO']]}-{int(row['CUPO']) - 1}": f"{row['ORNO']}|{row['PONR']}"
        for row in m3.rows("order_lines")
    }


def orders_per_number(m3: Tenant) -> Counter[str]:
    return Counter(row["CUOR"] for row in m3.rows("orders"))


def test_an_order_is_written_with_lines_and_address_and_its_number_comes_back(m3: Tenant) -> None:
    results = m3.write(ORDERS, [order(500123)])
    [there] = m3.rows("orders")
    number = there["ORNO"]
    assert ("500123", "BP1") == (there["CUOR"], there["CUNO"])
    assert [
        ("Order", number, RowOutcome.CREATED), ("OrderAddress", number, RowOutcome.UPDATED),
        ("OrderLine", f"{number}|1", RowOutcome.UPDATED), ("OrderLine", f"{number}|2", RowOutcome.UPDATED),
    ] == [(each.object, each.target_id, each.outcome) for each in results]  # fmt: skip
    assert [("ITEM-1", "1"), ("ITEM-2", "2")] == [(r["ITNO"], r["CUPO"]) for r in m3.rows("order_lines")]
    assert IntentState.DONE == m3.intents.of("orders_to_infor", "Order", ["500123"])["500123"].state


@pytest.mark.slow
def test_a_thousand_orders_of_three_lines_take_the_fewest_bulk_calls(m3: Tenant) -> None:
    sink = m3.sink(ORDERS)
    records = [order(number, 3) for number in range(1000)]
    assert 5000 == sum(len(results) for results in sink.write(records))
    # one of them lists the customer's orders, as the flow has never gone through
    assert (141, 141) == (sink.calls, sink.min_calls(records))
    assert {1} == set(orders_per_number(m3).values())


def test_a_refused_head_is_told_and_the_others_pass(m3: Tenant) -> None:
    results = m3.write(ORDERS, [order(1), order(2, CUNO="NOBODY"), order(3)])
    assert {"2": "WCU0203"} == {source_id: told[:7] for source_id, told in errors(results).items()}
    assert ["1", "3"] == sorted(orders_per_number(m3))


def test_a_refused_line_leaves_no_half_order(m3: Tenant) -> None:
    results = m3.write(ORDERS, [order(1, item="NO-SUCH"), order(2)])
    told = errors(results)["1"]
    assert told.startswith("WIT0103")
    assert told.endswith("so nothing of the order is in M3 and a replay sends all of it")
    assert ["2"] == sorted(orders_per_number(m3))
    assert {"2"} == {row["CUOR"] for row in m3.rows("batch_orders")}

    assert {} == errors(m3.write(ORDERS, [order(1)]))
    assert {"1": 1, "2": 1} == orders_per_number(m3)


@pytest.mark.parametrize(
    ("answers", "lost", "passing"),
    [({}, (Lost("OrderLine", "ITNO", "NO-SUCH"),), False), ({"code": "XO_1130"}, (), True)],
    ids=["M3 has no such item", "M3 does not say"],
)
def test_what_a_refused_line_refers_to_is_lost_when_m3_has_no_such_row(
    m3: Tenant, answers: dict[str, str], lost: tuple[Lost, ...], passing: bool
) -> None:
    if answers:
        m3.switch(
            transaction_faults=[{"program": "MMS200MI", "transaction": "GetItmBasic", "times": 0, **answers}]
        )
    *_, result = m3.write(ORDERS, [order(2), order(1, item="NO-SUCH")])
    assert ("1", lost, passing) == (result.source_id, result.lost, result.passing)


def test_an_order_that_is_there_already_is_not_changed(m3: Tenant) -> None:
    bound = record("1", change("Order", "1", {"CUNO": "BP1"}, target_id="0010000456"))
    new_line = record("2", change("OrderLine", "2-9", {"ITNO": "ITEM-1"}, "2"))
    told = errors(m3.write(ORDERS, [bound, new_line]))
    assert "Order is in M3 already as 0010000456 and flows do not change it" in told["1"]
    assert {"1", "2"} == set(told)


def test_totals_are_compared(m3: Tenant) -> None:
    [result] = m3.write(ORDERS, [order(1, NTAM=50)])
    assert ("NTAM", "50") == (result.field, result.value)
    assert "totals differ by -10.02 GBP: NTAM is 39.98 in M3 order 0010000456 and 50 at the" in result.reason
    m3.write(ORDERS, [order(1, NTAM=50)])
    assert {"1": 1} == orders_per_number(m3)


def test_a_total_with_a_decimal_comma_is_refused_by_name_and_the_order_not_sent_again(m3: Tenant) -> None:
    """A user of the API whose decimal format is the comma, as M3 sets it up in most of Europe."""
    sink = m3.sink(ORDERS)

    def with_comma(answer: requests.Response, **_: Any) -> None:
        answer._content = answer.content.replace(b'"39.98', b'"39,98')

    sink.client.session.hooks["response"].append(with_comma)
    [result] = [each for results in sink.write([order(1)]) for each in results if each.refused]
    assert ("NTAM", "39.98") == (result.field, result.value)
    assert "returns its NTAM as '39,98', while the flow gives '39.98'" in result.reason
    assert "set a decimal point for the user of the API (MNS150)" in result.reason
    # put right, the order that M3 has is taken
    assert {} == errors(m3.write(ORDERS, [order(1)]))
    assert {"1": 1} == orders_per_number(m3)


@pytest.mark.parametrize("skip", range(6))
@pytest.mark.parametrize("answer", [{"drop": "after"}, {"drop": "before"}, {"status": 504}])
def test_a_lost_answer_at_any_call_makes_no_second_order(
    m3: Tenant, skip: int, answer: dict[str, Any]
) -> None:
    """Heads, parts, confirmations, read-back: whatever is lost, the next try settles it."""
    m3.fault(path="/v2/execute", method="POST", skip=skip, **answer)
    records = [order(number) for number in range(1, 6)]
    try:
        results = m3.write(ORDERS, records)
    except TimedOut:
        results = m3.write(ORDERS, records)
    assert ({}, 5) == (errors(results), sum(each.object == "Order" for each in results))
    assert lines_there(m3) == lines_of(results)
    assert {str(number): 1 for number in range(1, 6)} == orders_per_number(m3)
    assert {str(number): 1 for number in range(1, 6)} == Counter(
        row["CUOR"] for row in m3.rows("batch_orders")
    )
    assert [] == m3.intents.in_doubt()


def test_a_lost_answer_repeats_no_more_orders_than_a_call_holds(m3: Tenant) -> None:
    """Six orders, two a call: the answer to the parts of the second pair is lost."""
    # a list of the customer's orders, then heads, two calls of parts, confirmations, read-back and numbers of a pair
    records = [order(number, lines=1) for number in range(1, 7)]
    m3.fault(path="/v2/execute", method="POST", skip=8, drop="after")
    with pytest.raises(TimedOut):
        m3.write(ORDERS, records, bulk_size=2)
    assert {"1": 1, "2": 1} == orders_per_number(m3)
    begun = [row["CUOR"] for row in m3.rows("batch_orders") if row["STAT"] != "90"]
    assert ["3", "4"] == begun
    assert {} == errors(m3.write(ORDERS, records, bulk_size=2))
    assert {str(number): 1 for number in range(1, 7)} == orders_per_number(m3)


def test_a_confirmed_order_whose_binding_was_lost_is_recognised(m3: Tenant) -> None:
    first = m3.write(ORDERS, [order(1)])
    again = m3.write(ORDERS, [order(1)])
    assert [each.target_id for each in first] == [each.target_id for each in again]
    told = errors(m3.write(ORDERS, [order(1, YREF="x", RLDT="2026-12-01")]))["1"]
    assert "is in M3 already with other content" in told
    assert {"1": 1} == orders_per_number(m3)


def test_orders_are_found_again_after_all_state_was_lost(m3: Tenant, tmp_path: Path) -> None:
    records = [order(1), order(2, CUNO="BP2"), order(3)]
    first = m3.write(ORDERS, records)
    m3.intents = SqlIntents(open_engine(sqlite_url(tmp_path, "new.db")))
    again = m3.write(ORDERS, [*records, order(4)])
    assert {each.key: each.target_id for each in first}.items() <= {e.key: e.target_id for e in again}.items()
    assert {"1": 1, "2": 1, "3": 1, "4": 1} == orders_per_number(m3)
    # and what was taken over is known from then on
    assert [] == m3.intents.in_doubt()
    assert {"1", "2", "3", "4"} == set(m3.intents.of(ORDERS.flow, "Order", ["1", "2", "3", "4"]))


def test_an_order_that_a_list_may_have_cut_off_is_not_sent_again(m3: Tenant, tmp_path: Path) -> None:
    records = [order(number) for number in range(1, 103)]
    m3.write(ORDERS, records)
    new = open_engine(sqlite_url(tmp_path, "new.db"))
    m3.intents = SqlIntents(new)
    m3.switch(list_ceilings={"OIS100MI LstBatchHead": 100})
    try:
        refused = [each for each in m3.write(ORDERS, records) if each.refused]
        # also once the run that could not see them is settled
        mark = {"pair": "", "flow": ORDERS.flow, "instant": datetime.now(UTC), "run": "run1"}
        with writing(new) as connection:
            tables.replace(connection, tables.watermark, mark)
        refused += [each for each in m3.write(ORDERS, records) if each.refused]
    finally:
        m3.switch(list_ceilings={})
    assert 4 == len(refused)
    assert all(each.passing and "cannot be seen" in each.reason for each in refused)
    assert {str(number): 1 for number in range(1, 103)} == orders_per_number(m3)
    assert {} == errors(m3.write(ORDERS, records))
    assert {str(number): 1 for number in range(1, 103)} == orders_per_number(m3)


@pytest.mark.parametrize("skip", range(4))
def test_an_order_sent_again_after_a_backup_is_found_whatever_the_backup_knew(
    m3: Tenant, tmp_path: Path, skip: int
) -> None:
    """Its answer was lost at this call when the backup was taken, and the state that settled it is gone."""
    m3.fault(path="/v2/execute", method="POST", skip=skip, drop="before")
    with suppress(TimedOut):
        m3.write(ORDERS, [order(1)])
    with (
        closing(sqlite3.connect(tmp_path / "state.db")) as old,
        closing(sqlite3.connect(tmp_path / "restored.db")) as copy,
    ):
        old.backup(copy)
    first = m3.write(ORDERS, [order(1)])
    restored = open_engine(sqlite_url(tmp_path, "restored.db"))
    accept_restored(restored)
    m3.intents = SqlIntents(restored)
    again = m3.write(ORDERS, [order(1)])
    assert [each.target_id for each in first] == [each.target_id for each in again]
    assert {"1": 1} == orders_per_number(m3)


def test_orders_younger_than_the_state_are_not_looked_for(m3: Tenant) -> None:
    m3.intents.start(ORDERS.flow)

    def calls(sent: Any) -> tuple[int, int]:
        sink = m3.sink(ORDERS)
        assert {} == errors(each for results in sink.write([sent]) for each in results)
        return sink.calls - sink.looks, sink.min_calls([sent])

    young = replace(order(1), created_at=datetime.now(UTC) + timedelta(hours=1))
    made, fewest = calls(young)
    assert made == fewest
    assert (made + 1, fewest + 1) == calls(order(2))
    assert (made + 1, fewest + 1) == calls(replace(order(3), created_at=None))


def test_an_unconfirmed_order_that_nobody_knows_is_left_to_a_person(m3: Tenant, tmp_path: Path) -> None:
    head = {"CUNO": "BP1", "ORTP": "W01", "FACI": "A01", "CUOR": "1", "RLDT": "20261125"}
    m3.client().write("OIS100MI", "AddBatchHead", head)
    told = errors(m3.write(ORDERS, [order(1)]))["1"]
    assert (
        "unconfirmed, and the state database knows nothing of it: release it in OIS275 or delete it" in told
    )
    assert {} == orders_per_number(m3)


def test_a_row_without_a_line_in_m3_is_refused_once_the_line_numbers_are_lost(m3: Tenant) -> None:
    m3.write(ORDERS, [order(1), order(2)])
    first = next(row for row in m3.rows("orders") if row["CUOR"] == "1")["ORNO"]
    m3.client().write("OIS100MI", "DelLine", {"ORNO": first, "PONR": "2"})
    told = errors(m3.write(ORDERS, [order(1), order(2)]))
    assert {"1"} == set(told)
    assert told["1"].startswith(f"M3 order {first} has no line for this row; correct it there")


@pytest.mark.parametrize("step", ["AddBatchLine", "Confirm"])
def test_a_batch_order_that_another_run_deleted_is_tried_again(
    m3: Tenant, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run sends the order itself: a letter that waits for a person would never be closed."""
    sink = m3.sink(ORDERS)
    bulk = sink.client.bulk

    def after_another_run(program: str, sent: Sequence[Transaction], **more: Any) -> list[Answer]:
        numbers = {each.record["ORNO"] for each in sent if each.name == step}
        if numbers:
            bulk(program, [Transaction("DelBatchHead", {"ORNO": number}) for number in numbers])
        return bulk(program, sent, **more)

    monkeypatch.setattr(sink.client, "bulk", after_another_run)
    [result] = [each for results in sink.write([order(1)]) for each in results]
    assert (True, True) == (result.refused, result.passing)
    assert {} == orders_per_number(m3)
    assert {} == errors(m3.write(ORDERS, [order(1)]))
    assert {"1": 1} == orders_per_number(m3)


def test_an_order_under_credit_stop_waits_and_is_taken_when_released(m3: Tenant) -> None:
    m3.client().write("CRS610MI", "ChgFinancial", {"CUNO": "BP2", "BLCD": "1"})
    told = errors(m3.write(ORDERS, [order(1, CUNO="BP2")]))["1"]
    assert "credit stop" in told
    assert "waits in OIS275; release it there, the next try takes its number" in told
    assert 1 == len(m3.rows("batch_orders", CUOR="1"))
    assert "credit stop" in errors(m3.write(ORDERS, [order(1, CUNO="BP2")]))["1"]
    assert 1 == len(m3.rows("batch_orders", CUOR="1"))


def test_a_job_that_ends_early_is_continued(m3: Tenant) -> None:
    m3.switch(
        transaction_faults=[
            {"program": "OIS100MI", "transaction": "AddBatchLine", "kind": "terminate", "skip": 2}
        ]
    )
    try:
        results = m3.write(ORDERS, [order(number) for number in (1, 2, 3)])
    finally:
        m3.switch(transaction_faults=[])
    assert {} == errors(results)
    assert {"1": 1, "2": 1, "3": 1} == orders_per_number(m3)
    assert 6 == len(m3.rows("order_lines"))
