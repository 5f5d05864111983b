from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import TimedOut
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.systems.infor.client import Transaction
from tests.postgres import sqlite_url
from tests.systems.infor.m3 import Tenant, change, flow, record
from tests.systems.live import running_sandbox, sandbox

__all__ = ["running_sandbox", "sandbox"]

SHIPMENTS = flow("""
flow: shipments_to_infor
source: brightpearl.goods_out_notes
target: infor
objects:
  Tracking:
    key: {id: id}
    fields: {RIDN: "1", INOU: "1", ETRN: "1"}
  Pick:
    key: {PMSN: id}
    fields:
      {E0PA: "1", E065: "1", PRFL: "1", WHLO: "1", WHSL: "1", RIDN: "1", RIDL: "1", ITNO: "1", QTYP: "1"}
""")


@pytest.fixture
def m3(sandbox: Sandbox, tmp_path: Path) -> Iterator[Tenant]:
    tenant = Tenant(sandbox, SqlIntents(open_engine(sqlite_url(tmp_path))))
    tenant.customer("BP1")
    yield tenant


def sold(m3: Tenant) -> str:
    """An order of five ITEM-1 and one ITEM-2, released to a delivery."""
    client = m3.client()
    head = {"CUNO": "BP1", "ORTP": "W01", "FACI": "A01", "WHLO": "100", "CUOR": "1", "CUCD": "GBP"}
    batch = client.write("OIS100MI", "AddBatchHead", head)["ORNO"]
    lines = [{"ITNO": "ITEM-1", "ORQT": "5"}, {"ITNO": "ITEM-2", "ORQT": "1"}]
    client.bulk(
        "OIS100MI", [Transaction("AddBatchLine", {**each, "SAPR": "1", "ORNO": batch}) for each in lines]
    )
    return client.write("OIS100MI", "Confirm", {"ORNO": batch})["ORNO"]


def note(number: int, order: str, quantity: int = 2, **more: Any) -> Any:
    pick = {
        "E0PA": "BRIGHTPEARL", "E065": "BPSHP", "PRFL": "*EXE", "WHLO": "100", "WHSL": "A0101", "RIDN": order,
        "ITNO": "ITEM-1", "QTYP": quantity, **more,
    }  # fmt: skip
    tracking = {"RIDN": order, "INOU": "1", "ETRN": f"1Z{number}"}
    return record(
        str(number), change("Tracking", str(number), tracking), change("Pick", f"BPG{number}-1", pick)
    )


def picked(m3: Tenant) -> list[tuple[str, str]]:
    return [(row["ITNO"], str(row["DLQT"])) for row in m3.rows("delivery_lines")]


def test_partial_shipments_are_reported_with_their_tracking_reference(m3: Tenant) -> None:
    order = sold(m3)
    results = m3.write(SHIPMENTS, [note(1, order), note(2, order, 3)])
    assert [] == [each.reason for each in results if each.refused]
    assert [("ITEM-1", "5"), ("ITEM-2", "0")] == picked(m3)
    assert [True] == [row["ETRN"].startswith("1Z") for row in m3.rows("deliveries")]


def test_calls_are_the_fewest(m3: Tenant) -> None:
    order = sold(m3)
    sink = m3.sink(SHIPMENTS)
    records = [note(1, order)]
    assert 2 == sum(len(results) for results in sink.write(records))
    assert (4, 4) == (sink.calls, sink.min_calls(records))


@pytest.mark.parametrize("answer", [{"drop": "after"}, {"drop": "before"}, {"status": 504}])
def test_a_lost_answer_picks_nothing_twice(m3: Tenant, answer: dict[str, Any]) -> None:
    order = sold(m3)
    m3.fault(path="/v2/execute", method="POST", skip=3, **answer)
    with pytest.raises(TimedOut):
        m3.write(SHIPMENTS, [note(1, order)])
    assert ["BPG1-1"] == [each.key for each in m3.intents.in_doubt()]
    results = m3.write(SHIPMENTS, [note(1, order)])
    assert [] == [each.reason for each in results if each.refused]
    assert [("ITEM-1", "2"), ("ITEM-2", "0")] == picked(m3)


def test_a_repeat_is_recognised_without_the_state_database(m3: Tenant, tmp_path: Path) -> None:
    order = sold(m3)
    m3.write(SHIPMENTS, [note(1, order)])
    m3.intents = SqlIntents(open_engine(sqlite_url(tmp_path, "other.db")))
    results = m3.write(SHIPMENTS, [note(1, order)])
    assert [] == [each.reason for each in results if each.refused]
    assert [("ITEM-1", "2"), ("ITEM-2", "0")] == picked(m3)


def test_more_than_was_ordered_and_an_order_without_delivery_are_refused(m3: Tenant) -> None:
    order = sold(m3)
    results = m3.write(SHIPMENTS, [note(1, order, 6), note(2, "0099999999"), note(3, order, ITNO="ITEM-3")])
    told = {each.source_id: each.reason for each in results if each.refused}
    assert "MH85008" in told["1"]
    assert told["2"] == "M3 has no delivery of anything for order 0099999999 yet"
    assert told["3"] == f"M3 has no delivery of item ITEM-3 for order {order} yet"


@pytest.mark.parametrize("bound_to", ["", "1"], ids=["id of today", "id of an earlier release"])
def test_a_tracking_reference_is_bound_to_its_delivery_and_stays_there(m3: Tenant, bound_to: str) -> None:
    order = sold(m3)
    results = {each.object: each.target_id for each in m3.write(SHIPMENTS, [note(1, order)])}
    [delivery] = m3.rows("deliveries")
    assert f"{delivery['DLIX']}|{order}" == results["Tracking"]
    later = {"RIDN": order, "INOU": "1", "ETRN": "1Z-LATER"}
    bound = change("Tracking", "1", later, target_id=bound_to or results["Tracking"])
    [result] = m3.write(SHIPMENTS, [record("1", bound)])
    assert (f"{delivery['DLIX']}|{order}", ["1Z-LATER"]) == (
        result.target_id, [row["ETRN"] for row in m3.rows("deliveries")],
    )  # fmt: skip
