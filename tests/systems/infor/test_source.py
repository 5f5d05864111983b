"""M3 as a source, against the sandbox over HTTP: records, windows, ends of lists, odd answers."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.ports.source import Read, Unread
from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.errors import Misconfigured, SyncError, Unavailable
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens
from airflow_provider_brightpearl.systems.infor.inventory import InforInventory
from airflow_provider_brightpearl.systems.infor.source import InforSource
from airflow_provider_brightpearl.systems.infor.streams.table import STREAMS
from tests.contracts.tenant import add, fill_tenant, stamp
from tests.systems.infor.m3 import client_for
from tests.systems.odd import ODD, altered, spoiled
from tests.systems.stub import Asked

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
FILLED = NOW - timedelta(days=9)
EXAMPLES = int(os.environ.get("BRIGHTPEARL_ODD_EXAMPLES", "20"))
ALL = Selection(None, full_resync=True)
NEW = Selection(Window(NOW - timedelta(minutes=10), NOW + timedelta(hours=1)))
Records = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1, until=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def m3(running: Sandbox) -> Sandbox:
    """A company that was filled nine days ago."""
    running.control("DELETE", "/settings/infor")
    running.reset()
    running.control("POST", "/settings/infor", {"limit_logins": False})
    running.control("POST", "/clock", {"now": NOW.isoformat()})
    fill_tenant(running, FILLED)
    return running


def source(m3: Sandbox, stream: str = "customers", **options: Any) -> InforSource:
    return InforSource(client_for(m3, MemoryTokens(), **options), stream)


def decoded(read: Iterable[Read]) -> Records:
    records = dict(read)
    assert not [record for record in records.values() if isinstance(record, Unread)]
    return {name: json.loads(record) for name, record in records.items() if isinstance(record, bytes)}


def unread(read: Iterable[Read]) -> dict[str, Unread]:
    return {name: record for name, record in read if isinstance(record, Unread)}


# what a record holds


def test_a_customer_holds_finance_order_defaults_and_addresses(m3: Sandbox) -> None:
    customer = decoded(source(m3).read_ids(["C003"]))["C003"]
    assert ("C003", "Customer 3", "GBP", "2026-03-22") == tuple(
        customer[name] for name in ("CUNO", "CUNM", "CUCD", "LMDT")
    )
    assert ["DEL01", "2 Low Road"] == [customer["addresses"][0][name] for name in ("ADID", "CUA1")]
    assert ("GBP", None) == (customer["finance"]["CUCD"], customer["orders"]["ORTP"])


def test_stock_of_an_item_in_a_warehouse(m3: Sandbox) -> None:
    stock = decoded(source(m3, "stock").read_ids(["100|SKU-001"]))["100|SKU-001"]
    assert ("100", "SKU-001", "12", "2", "10") == tuple(
        stock[name] for name in ("WHLO", "ITNO", "STQT", "ALQT", "AV01")
    )


def test_an_invoice_holds_its_lines_and_what_is_paid(m3: Sandbox) -> None:
    invoice = decoded(source(m3, "invoices").read_ids(["2026|900203"]))["2026|900203"]
    assert ("2026", "900203", "C003", "11.40", "2026-03-10") == tuple(
        invoice[name] for name in ("YEA4", "IVNO", "CUNO", "AMT2", "IDAT")
    )
    assert [("0010000003", "1.90")] == [(line["ORNO"], line["VTAM"]) for line in invoice["lines"]]
    assert ("0", "11.40", "0") == tuple(invoice["ledger"][name] for name in ("PCUA", "OCUA", "RECO"))


def test_a_delivery_holds_its_lines_and_packages(m3: Sandbox) -> None:
    delivery = decoded(source(m3, "deliveries").read_ids(["2000203"]))["2000203"]
    assert ("0010000003", "3", [("SKU-003", "2")], [("1", "2")], ["1Z9"]) == (
        delivery["RIDN"],
        delivery["order"]["CUOR"],
        [(line["ITNO"], line["TRQT"]) for line in delivery["lines"]],
        [(line["PONR"], line["QTY1"]) for line in delivery["delivered"]],
        [package["ETRN"] for package in delivery["packages"]],
    )


def test_an_item_holds_prices_and_aliases(m3: Sandbox) -> None:
    item = decoded(source(m3, "items").read_ids(["SKU-003"]))["SKU-003"]
    assert ("Item 3", ["5000000000003"], None) == (
        item["ITDS"], [alias["POPN"] for alias in item["aliases"]], item["LMDT"] and None,
    )  # fmt: skip


def test_a_delivery_of_an_order_that_m3_no_longer_has_lacks_what_was_delivered(m3: Sandbox) -> None:
    m3.control("DELETE", "/infor/orders/0010000003")
    delivery = decoded(source(m3, "deliveries").read_ids(["2000203"]))["2000203"]
    assert (None, None, "2") == (delivery["order"], delivery["delivered"], delivery["lines"][0]["TRQT"])


def test_stock_holds_what_a_piece_costs(m3: Sandbox) -> None:
    m3.control("PATCH", "/infor/items/SKU-001", {"PUPR": "4.25", "CUCD": "GBP"})
    stock = decoded(source(m3, "stock").read_ids(["100|SKU-001"]))["100|SKU-001"]
    assert ("4.25", "GBP") == (stock["prices"]["PUPR"], stock["prices"]["CUCD"])


# numbers that are missing in a series


def test_a_number_that_is_missing_among_those_read_is_named(m3: Sandbox) -> None:
    assert () == warnings(m3, ALL)
    for number in (900202, 900204, 900205):
        m3.control("DELETE", f"/infor/invoices/AAA|2026|{number}")
    [warning] = warnings(m3, ALL)
    assert "M3 has no invoices 900202, 900204 to 900205 of 2026, though" in warning


def test_a_number_right_below_those_read_is_named_once_it_is_missing(m3: Sandbox) -> None:
    stamp(m3, "invoices", "100|AAA|2026|900207", NOW)
    assert () == warnings(m3, NEW)
    m3.control("DELETE", "/infor/invoices/AAA|2026|900206")
    assert "no invoices 900206 of 2026" in warnings(m3, NEW)[0]


def test_a_number_of_another_division_and_an_old_invoice_that_was_changed_are_no_gap(m3: Sandbox) -> None:
    m3.control("DELETE", "/infor/invoices/AAA|2026|900206")
    add(m3, "invoices", FILLED, DIVI="BBB", YEA4=2026, IVNO=900206)
    add(m3, "invoices", NOW, DIVI="AAA", YEA4=2026, IVNO=900001, CUNO="C001")
    stamp(m3, "invoices", "100|AAA|2026|900207", NOW)
    assert () == warnings(m3, NEW)


def warnings(m3: Sandbox, selection: Selection) -> tuple[str, ...]:
    reading = source(m3, "invoices")
    assert list(reading.read(selection))
    return reading.warnings


def test_a_trailing_minus_is_a_sign(m3: Sandbox) -> None:
    m3.control("POST", "/settings/infor", {"trailing_minus": True})
    m3.control("PATCH", "/infor/item_warehouse/SKU-001|100", {"ALQT": "20.00"})
    assert "-8" == decoded(source(m3, "stock").read_ids(["100|SKU-001"]))["100|SKU-001"]["AV01"]


def test_an_older_interface_gives_the_same_records(m3: Sandbox) -> None:
    for stream in STREAMS:
        assert decoded(source(m3, stream).read(ALL)) == decoded(source(m3, stream, version="v1").read(ALL))


# what a window holds


@pytest.mark.parametrize("stream", STREAMS)
def test_a_round_without_edits_takes_one_call_a_list(m3: Sandbox, stream: str) -> None:
    reading = source(m3, stream)
    calls = 2 if stream == "customers" else 1
    assert ({}, calls, calls) == (decoded(reading.read(NEW)), reading.calls, reading.min_calls)


def test_a_change_is_found_by_its_timestamp(m3: Sandbox) -> None:
    edits = {
        "customers": ("customers", "C001", "C001"),
        "items": ("items", "SKU-001", "SKU-001"),
        "stock": ("item_warehouse", "SKU-001|200", "200|SKU-001"),
        "invoices": ("invoices", "AAA|2026|900201", "2026|900201"),
        "deliveries": ("deliveries", "2000201", "2000201"),
    }
    for stream, (table, key, source_id) in edits.items():
        stamp(m3, table, f"100|{key}", NOW)
        assert {source_id} == set(decoded(source(m3, stream).read(NEW)))


def test_a_changed_address_selects_its_customer(m3: Sandbox) -> None:
    stamp(m3, "addresses", "100|C001|1|DEL01", NOW)
    assert {"C001"} == set(decoded(source(m3).read(NEW)))


def test_invoices_of_other_divisions_and_companies_are_not_read(m3: Sandbox) -> None:
    for place in ({"DIVI": "BBB"}, {"CONO": "409", "DIVI": "AAA"}):
        m3.control("POST", "/infor/invoices", {**place, "YEA4": 2026, "IVNO": 999})
    assert 8 == len(decoded(source(m3, "invoices").read(ALL)))


# ends of lists


def many(m3: Sandbox, count: int) -> None:
    for number in range(count):
        add(m3, "customers", NOW, CUNO=f"D{number:04}", CUNM="x", CUA1="y")
        add(m3, "item_warehouse", NOW, ITNO="ITEM-1", WHLO=f"Z{number:02}")
        add(m3, "deliveries", NOW, DLIX=3_000_000 + number, RORC=3, RIDN="1")
        add(m3, "invoices", NOW, DIVI="AAA", YEA4=2025 + number // 60, IVNO=number, CUNO="C001", PYNO="C001")


@pytest.mark.parametrize("stream", STREAMS)
def test_a_list_that_ends_at_its_ceiling_is_asked_on(m3: Sandbox, stream: str) -> None:
    for number in range(99):
        m3.control("POST", "/infor/warehouses", {"WHLO": f"Z{number:02}", "FACI": "A01"})
    many(m3, 130 if stream != "stock" else 99)
    whole = source(m3, stream).stream.find.keys(client_for(m3, MemoryTokens()), None)
    m3.control(
        "POST", "/settings/infor", {"list_ceiling": 100, "list_ceilings": {"MMS200MI SelItemWhs": 100}}
    )
    assert whole == source(m3, stream).stream.find.keys(client_for(m3, MemoryTokens()), None)


def test_a_list_that_cannot_be_asked_on_is_not_believed(m3: Sandbox) -> None:
    def same(asked: Asked, content: bytes) -> bytes:
        if "LstByNumber" not in asked.path:
            return content
        rows = [{"CUNO": f"D{number:04}"} for number in range(100)]
        return json.dumps({"results": [{"transaction": "LstByNumber", "records": rows}]}).encode()

    with altered(m3, same) as odd, pytest.raises(Unavailable, match="the list ends after 100 records"):
        list(source(odd).read(ALL))


def test_a_joined_list_that_may_be_cut_is_not_taken_for_whole(m3: Sandbox) -> None:
    for number in range(99):
        add(m3, "addresses", NOW, CUNO="C001", ADRT=1, ADID=f"A{number}", CUA1="x")
    found = dict(source(m3).read_ids(["C001", "C002"]))
    assert (
        "addresses: CRS610MI LstAddresses lists 100 rows, where M3 may have cut the list"
        == unread(found.items())["C001"].reason
    )
    assert isinstance(found["C002"], bytes)


# named records


def test_an_id_is_one_in_its_own_case_only(m3: Sandbox) -> None:
    found = unread(source(m3).read_ids(["c001", "C0|1", " C001", "C001" * 5]))
    assert {"c001": "M3 has no record c001, but C001", "C0|1": "'C0|1' is not an id of this stream"} == {
        name: found[name].reason for name in ("c001", "C0|1")
    }
    assert {"c001", "C0|1", " C001"} == {name for name, each in found.items() if each.gone}


def test_text_that_is_no_id_is_refused_by_name(m3: Sandbox) -> None:
    with pytest.raises(
        Misconfigured, match=r"ids: '900201' is not an id of infor.invoices: its ids are YEA4\|IVNO"
    ):
        source(m3, "invoices").check_ids(["2026|900201", "900201"])


# estimates and lists


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("selection", [ALL, NEW], ids=["all", "nothing"])
def test_an_estimate_is_what_reading_takes(m3: Sandbox, stream: str, selection: Selection) -> None:
    reading = source(m3, stream)
    expected = reading.estimate_read(source(m3, stream).count(selection))
    read = len(decoded(reading.read(selection)))
    assert (expected.records, expected.calls, read or None) == (read, reading.calls, reading.announced)
    assert reading.counted(selection) == source(m3, stream).count(selection)


def test_records_are_listed_by_their_creation(m3: Sandbox) -> None:
    stamp(m3, "customers", "100|C001", NOW - timedelta(days=60))
    inventory = InforInventory(client_for(m3, MemoryTokens()), "customers")
    listed = {each.source_id for each in inventory.created(Window(NOW - timedelta(days=30), NOW))}
    assert "C002" in listed
    assert "C001" not in listed


def test_stock_cannot_be_reconciled() -> None:
    text = """
flow: f
source: infor.stock
target: salesforce
objects: {Product2: {key: {Brightpearl_Id__c: ITNO}, fields: {}}}
reconcile: {}
"""
    problem = "f.yaml: reconcile: infor.stock consists of figures and cannot be listed by id"
    with pytest.raises(Misconfigured, match=problem):
        registry.check_flow(parse_flow(text, "f.yaml"))


# odd answers


def test_one_record_that_m3_refuses_is_unread_under_its_id(m3: Sandbox) -> None:
    fault = {"program": "CRS610MI", "transaction": "GetFinancial", "record": {"CUNO": "C003"}, "kind": "nok"}
    m3.control(
        "POST", "/settings/infor", {"transaction_faults": [{**fault, "code": "XYZ0001", "message": "No"}]}
    )
    found = dict(source(m3).read(ALL))
    assert {"C003": "finance: CRS610MI GetFinancial: XYZ0001: No"} == {
        name: each.reason for name, each in unread(found.items()).items()
    }


def test_one_record_that_cannot_be_decoded_is_unread_under_its_id(m3: Sandbox) -> None:
    def spoil(asked: Asked, content: bytes) -> bytes:
        return content.replace(b"Customer 3", b"Customer \xff")

    with altered(m3, spoil) as odd:
        found = dict(source(odd, backoff=Backoff(tries=1)).read(ALL))
    assert {"C003"} == set(unread(found.items()))
    assert len(found) == len(decoded(source(m3).read(ALL)))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.integers(1, 4), seed=st.integers(0, 10**6), value=st.sampled_from(ODD))
def test_an_odd_value_stops_with_a_sentence_or_spoils_one_record(
    m3: Sandbox, call: int, seed: int, value: Any
) -> None:
    for stream in STREAMS:
        calls = iter(range(1, 10_000))

        def spoil(asked: Asked, content: bytes) -> bytes:
            return spoiled(content, random.Random(seed), value) if next(calls) == call else content  # noqa: B023

        with altered(m3, spoil) as odd:
            try:
                dict(source(odd, stream, backoff=Backoff(tries=1)).read(ALL))
            except SyncError as error:
                assert error.message
