"""Salesforce as a source, against the sandbox over HTTP: windows, rows, deletions, odd answers, write-backs."""

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

from airflow_provider_brightpearl.core.ports.source import Message, Read, Unread
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.errors import Misconfigured, SchemaMismatch, SyncError, Unavailable
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.salesforce.inventory import SalesforceInventory
from airflow_provider_brightpearl.systems.salesforce.source import SalesforceSource
from airflow_provider_brightpearl.systems.salesforce.streams.table import STREAMS
from airflow_provider_brightpearl.systems.salesforce.write_back import SalesforceWriteBack
from tests.contracts.org import fill_org
from tests.systems.live import salesforce
from tests.systems.odd import ODD, altered, spoiled
from tests.systems.stub import Asked

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
FILLED = NOW - timedelta(days=9)
EXAMPLES = int(os.environ.get("BRIGHTPEARL_ODD_EXAMPLES", "20"))
ALL = Selection(None, full_resync=True)
Records = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1, until=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def org(running: Sandbox) -> Sandbox:
    """An org that was filled nine days ago."""
    running.control("DELETE", "/settings/salesforce")
    running.reset()
    running.control("POST", "/clock", {"now": NOW.isoformat()})
    fill_org(running, FILLED)
    return running


def source(org: Sandbox, stream: str = "accounts") -> SalesforceSource:
    return SalesforceSource(salesforce(org), stream)


def found(made: SalesforceSource, selection: Selection = ALL) -> Records:
    return decoded(made.read(selection))


def decoded(read: Iterable[Read]) -> Records:
    records = dict(read)
    assert not [record for record in records.values() if isinstance(record, Unread)]
    return {name: json.loads(record) for name, record in records.items() if isinstance(record, bytes)}


def since(minutes: int) -> Selection:
    """From some minutes before now to an hour after it."""
    return Selection(Window(NOW - timedelta(minutes=minutes), NOW + timedelta(hours=1)))


def rows(org: Sandbox, name: str) -> list[dict[str, Any]]:
    return list(org.snapshot("salesforce", name))


def edit(org: Sandbox, name: str, record_id: str, **values: Any) -> None:
    org.control("PATCH", f"/salesforce/{name}/{record_id}", values)


def delete(org: Sandbox, name: str, record_id: str) -> None:
    org.control("DELETE", f"/salesforce/{name}/{record_id}")


# what a record holds


def test_an_order_holds_its_lines_products_account_and_custom_fields(org: Sandbox) -> None:
    records = found(source(org, "orders"))
    order = min(records.values(), key=lambda each: str(each["OrderNumber"]))
    line = order["OrderItems"][0]
    product = {"Id": line["Product2Id"], "Name": "Chair", "ProductCode": "CHAIR", "StockKeepingUnit": None}
    assert {**product, "custom": {"Brightpearl_Id__c": "1001"}} == line["Product2"]
    assert {"Brightpearl_Id__c": "A0", "Legacy_Code__c": None} == order["Account"]["custom"]
    assert ("2.00", "9.50", "19.00") == (line["Quantity"], line["UnitPrice"], line["TotalPrice"])
    assert (False, "Activated", None) == (
        order["IsReductionOrder"],
        order["StatusCode"],
        order["custom"]["Net__c"],
    )
    assert order["SystemModstamp"].endswith(".000Z")


def test_a_contact_holds_its_account_and_follows_it(org: Sandbox) -> None:
    contact = rows(org, "Contact")[0]
    record = found(source(org, "contacts"))[contact["Id"]]
    assert (contact["AccountId"], "A1") == (
        record["Account"]["Id"],
        record["Account"]["custom"]["Brightpearl_Id__c"],
    )
    edit(org, "Account", contact["AccountId"], BillingCity="Bath")
    read = found(source(org, "contacts"), since(1))
    assert {each["Id"] for each in rows(org, "Contact") if each["AccountId"] == contact["AccountId"]} == set(
        read
    )
    assert "Bath" == read[contact["Id"]]["Account"]["BillingCity"]


def test_custom_fields_are_text(org: Sandbox) -> None:
    account = rows(org, "Account")[0]["Id"]
    edit(org, "Account", account, Brightpearl_Synced_At__c="2026-03-01T10:00:00.000+0000", Legacy_Code__c="é")
    custom = found(source(org))[account]["custom"]
    assert ("2026-03-01T10:00:00.000Z", "é") == (custom["Brightpearl_Synced_At__c"], custom["Legacy_Code__c"])


def test_rows_of_further_pages_are_followed(org: Sandbox) -> None:
    org.control("POST", "/settings/salesforce", {"child_page_size": 2, "page_size": 3})
    accounts = found(source(org))
    contacts = rows(org, "Contact")
    assert sorted(each["Id"] for each in contacts) == sorted(
        each["Id"] for account in accounts.values() for each in account["Contacts"]
    )
    assert 3 in {len(account["Contacts"]) for account in accounts.values()}


def test_deleted_rows_vanish_from_their_record(org: Sandbox) -> None:
    contact = rows(org, "Contact")[0]
    delete(org, "Contact", contact["Id"])
    accounts = found(source(org), since(1))
    assert {contact["AccountId"]} == set(accounts)
    assert contact["Id"] not in {each["Id"] for each in accounts[contact["AccountId"]]["Contacts"]}


def test_deleted_and_merged_records_are_read_with_what_became_of_them(org: Sandbox) -> None:
    winner, loser, dropped = (row["Id"] for row in rows(org, "Account")[-3:])
    edit(org, "Account", loser, MasterRecordId=winner)
    delete(org, "Account", loser)
    delete(org, "Account", dropped)
    records = found(source(org), since(1))
    assert {loser: (True, winner), dropped: (True, None)} == {
        name: (record["IsDeleted"], record["MasterRecordId"]) for name, record in records.items()
    }
    assert records == decoded(source(org).read_ids([loser, dropped]))


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("selection", [ALL, since(60 * 24 * 8)], ids=["all", "window"])
def test_bulk_queries_give_the_same_records(org: Sandbox, stream: str, selection: Selection) -> None:
    loser = rows(org, "Account")[-1]["Id"]
    edit(org, "Account", loser, MasterRecordId=rows(org, "Account")[0]["Id"], Description='a\n"b", é')
    delete(org, "Account", loser)
    in_bulk = SalesforceSource(salesforce(org), stream, bulk_from=1)
    assert found(source(org, stream), selection) == found(in_bulk, selection)
    assert in_bulk.min_calls == in_bulk.calls


def test_one_odd_row_of_a_bulk_query_spoils_its_record_only(org: Sandbox) -> None:
    def spoil(asked: Asked, content: bytes) -> bytes:
        return content.replace(b"Person 0", b"Person \xff", 1)

    with altered(org, spoil) as odd:
        read = dict(SalesforceSource(salesforce(odd), "accounts", bulk_from=1).read(ALL))
    unread = {name for name, record in read.items() if isinstance(record, Unread)}
    assert 1 == len(unread)
    assert {row["Id"] for row in rows(org, "Account")} == set(read)


# what a window holds


def test_a_changed_row_selects_its_record_once(org: Sandbox) -> None:
    item = next(row for row in rows(org, "OrderItem") if row["OriginalOrderItemId"] is None)
    edit(org, "OrderItem", item["Id"], Description="changed")
    assert {item["OrderId"]} == set(found(source(org, "orders"), since(1)))
    assert {} == found(source(org, "reduction_orders"), since(1))
    edit(org, "Order", item["OrderId"], PoNumber="7")
    reading = source(org, "orders")
    assert [item["OrderId"]] == [name for name, _ in reading.read(since(1))]
    assert 1 == reading.announced


@pytest.mark.parametrize("stream", STREAMS)
def test_a_round_without_edits_takes_two_calls(org: Sandbox, stream: str) -> None:
    reading = source(org, stream)
    assert ({}, 2, 2) == (found(reading, since(1)), reading.calls, reading.min_calls)


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_is_wrong_by_ten_minutes_loses_nothing(org: Sandbox, minutes: int) -> None:
    """Runs every quarter of an hour, with the default look-back, by a clock that differs from the org's."""
    seen: set[str] = set()
    changed: set[str] = set()
    accounts = [row["Id"] for row in rows(org, "Account")]
    for number, account in enumerate(accounts):
        org.control("POST", "/clock", {"now": (NOW + timedelta(minutes=5 * number)).isoformat()})
        edit(org, "Account", account, Site=str(number))
        changed.add(account)
        if number % 3 == 2:
            here = NOW + timedelta(minutes=5 * number + minutes)
            window = Window(here - timedelta(minutes=15 + 2 + 30), here - timedelta(minutes=2))
            seen |= set(found(source(org), Selection(window)))
    org.control("POST", "/clock", {"now": (NOW + timedelta(minutes=90)).isoformat()})
    late = Window(NOW + timedelta(minutes=5 * len(accounts) - 47), NOW + timedelta(minutes=90))
    assert changed <= seen | set(found(source(org), Selection(late)))


# named records


def test_ids_of_15_and_18_characters_are_one(org: Sandbox) -> None:
    account = rows(org, "Account")[0]["Id"]
    read = list(source(org).read_ids([account[:15], account]))
    assert [account] == [name for name, _ in read]
    assert {"bad", "001", account[:15] + "AAB"} == {
        name
        for name, record in source(org).read_ids(["bad", "001", account[:15] + "AAB"])
        if isinstance(record, Unread) and record.gone
    }


def test_text_that_is_no_id_is_refused_by_name(org: Sandbox) -> None:
    with pytest.raises(Misconfigured, match="ids: '00000100' is not an id of salesforce.orders"):
        source(org, "orders").check_ids([rows(org, "Order")[0]["Id"], "00000100"])


def test_named_records_of_another_stream_are_no_records_of_this_one(org: Sandbox) -> None:
    reduction = next(row["Id"] for row in rows(org, "Order") if row["IsReductionOrder"])
    account = rows(org, "Account")[0]["Id"]
    unread = dict(source(org, "orders").read_ids([reduction, account]))
    assert {
        reduction: Unread(f"{reduction} is not of salesforce.orders: its IsReductionOrder is true"),
        account: Unread(
            f"the org has no Order {account}: deleted for good, of another object, or hidden from this user",
            gone=True,
        ),
    } == unread


def test_many_named_records_are_read_by_400(org: Sandbox) -> None:
    ids = [f"001{number:012}" for number in range(401)]
    reading = source(org)
    assert 401 == len(list(reading.read_ids(ids)))
    assert reading.min_calls == reading.calls


def test_an_org_with_hundreds_of_custom_fields_is_read(org: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that is too long for an address goes into the body of a call."""
    monkeypatch.setattr("airflow_provider_brightpearl.systems.salesforce.pages.LONGEST_ADDRESS", 500)
    org.control("POST", "/settings/salesforce", {"page_size": 3})
    assert {row["Id"] for row in rows(org, "Account")} == set(found(source(org)))


# fields that an org lacks


def test_fields_of_features_that_an_org_lacks_are_left_out(org: Sandbox) -> None:
    org.control("POST", "/settings/salesforce", {"multi_currency": False, "country_picklists": False})
    for stream in STREAMS:
        assert not {"CurrencyIsoCode", "BillingCountryCode"} & {
            name for record in found(source(org, stream)).values() for name in record
        }


def test_a_field_that_the_user_may_not_see_is_not_taken_for_empty(org: Sandbox) -> None:
    org.control("POST", "/settings/salesforce", {"invisible_fields": ["Contact.Email"]})
    with pytest.raises(
        SchemaMismatch, match="Contact has no field Email for this user: grant the integration user"
    ):
        found(source(org))


# estimates and lists


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("selection", [ALL, since(60 * 24 * 30), since(1)], ids=["all", "month", "nothing"])
def test_an_estimate_is_what_reading_takes(org: Sandbox, stream: str, selection: Selection) -> None:
    reading = source(org, stream)
    expected = reading.estimate_read(reading.count(selection))
    before = reading.calls
    read = len(found(reading, selection))
    assert reading.counted(selection) == source(org, stream).count(selection)
    assert (expected.records, expected.calls) == (read, reading.calls - before)


def test_deleted_records_are_not_listed(org: Sandbox) -> None:
    order = next(row["Id"] for row in rows(org, "Order") if not row["IsReductionOrder"])
    delete(org, "Order", order)
    inventory = SalesforceInventory(salesforce(org), "orders")
    listed = {each.source_id for each in inventory.created(Window(None, NOW))}
    assert order not in listed
    assert {order, "x"} == inventory.deleted_ids([order, "x", *listed])
    assert len(listed) == len(list(inventory.records([order, *listed])))


def test_many_deleted_records_are_found_by_one_bulk_query(
    org: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_brightpearl.systems.salesforce.inventory.QUERY_THRESHOLD", 2)
    accounts = [row["Id"] for row in rows(org, "Account")]
    delete(org, "Account", accounts[0])
    inventory = SalesforceInventory(salesforce(org), "accounts")
    assert {accounts[0], "x"} == inventory.deleted_ids([*accounts, "x"])


# odd answers


def records_of(asked: Asked) -> bool:
    return "queryAll" in asked.path and "COUNT" not in asked.raw_query and "Contacts" in asked.raw_query


def test_one_odd_record_is_unread_under_its_id(org: Sandbox) -> None:
    account = rows(org, "Account")[0]

    def spoil(asked: Asked, content: bytes) -> bytes:
        name = account["Name"].encode()
        return content.replace(name, name[:-1] + b"\xff", 1) if records_of(asked) else content

    with altered(org, spoil) as odd:
        read = dict(source(odd).read(ALL))
    unread = {name: record for name, record in read.items() if isinstance(record, Unread)}
    assert ({row["Id"] for row in rows(org, "Account")}, {account["Id"]}) == (set(read), set(unread))
    assert "is not UTF-8" in unread[account["Id"]].reason


def test_a_page_that_does_not_add_up_is_not_believed(org: Sandbox) -> None:
    def cut(asked: Asked, content: bytes) -> bytes:
        page = json.loads(content)
        return json.dumps({**page, "records": page["records"][1:]}).encode() if records_of(asked) else content

    with (
        altered(org, cut) as odd,
        pytest.raises(Unavailable, match="announces 13 records and its pages hold 12"),
    ):
        found(source(odd))


def test_rows_of_a_record_that_do_not_add_up_are_not_believed(org: Sandbox) -> None:
    def cut(asked: Asked, content: bytes) -> bytes:
        page = json.loads(content)
        for record in page["records"] if records_of(asked) else ():
            if record["Contacts"]:
                record["Contacts"]["records"].pop()
        return json.dumps(page).encode()

    with (
        altered(org, cut) as odd,
        pytest.raises(Unavailable, match="announces 1 records and its pages hold 0"),
    ):
        found(source(odd))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.integers(1, 6), seed=st.integers(0, 10**6), value=st.sampled_from(ODD))
def test_an_odd_value_stops_with_a_sentence_or_spoils_one_record(
    org: Sandbox, call: int, seed: int, value: Any
) -> None:
    calls = iter(range(1, 100))

    def spoil(asked: Asked, content: bytes) -> bytes:
        return spoiled(content, random.Random(seed), value) if next(calls) == call else content

    expected = set(found(source(org)))
    for selection in (ALL, since(60 * 24 * 30)):
        with altered(org, spoil) as odd:
            try:
                read = dict(source(odd).read(selection))
            except SyncError as error:
                assert error.message
            else:
                assert selection is not ALL or call > 2 or set(read) in (expected, set())


# write-backs


def test_fields_are_written_back_and_again_without_harm(org: Sandbox) -> None:
    accounts = [row["Id"] for row in rows(org, "Account")][:3]
    writer = SalesforceWriteBack(salesforce(org), "accounts")
    messages = [Message(each, {"Brightpearl_Customer_Group__c": "Placed"}) for each in accounts]
    for _ in range(2):
        assert [IntentState.DONE] * 3 == [reply.state for reply in writer.send(messages)]
    assert {"Placed"} == {
        row["Brightpearl_Customer_Group__c"] for row in rows(org, "Account") if row["Id"] in accounts
    }
    assert (2, 1) == (writer.calls, writer.min_calls(3))


def test_a_record_that_two_messages_name_is_in_two_calls(org: Sandbox) -> None:
    writer = SalesforceWriteBack(salesforce(org), "orders")
    named = ["a", "b", "a", *map(str, range(201))]
    groups = [list(group) for group in writer.groups([Message(each, {"X__c": "1"}) for each in named])]
    assert list(range(len(named))) == [place for group in groups for place in group]
    assert [2, 200, 2] == list(map(len, groups))


def test_what_cannot_be_written_back_is_refused_or_stops(org: Sandbox) -> None:
    first, second = (row["Id"] for row in rows(org, "Order")[:2])
    delete(org, "Order", second)
    writer = SalesforceWriteBack(salesforce(org), "orders")
    (gone,) = writer.send([Message(second, {"Brightpearl_Status__c": "x"})])
    (lacking,) = writer.send([Message(first, {"Nowhere__c": "x"})])
    assert (IntentState.REFUSED, False) == (gone.state, gone.stops)
    assert (IntentState.DUE, True) == (lacking.state, lacking.stops)
    assert "Nowhere__c" in lacking.reason


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("note: hello", "note: records of salesforce.orders take no notes; set a field of theirs instead"),
        ("fields: {Id: id}", "fields.Id: is not a field that can be set, such as Brightpearl_Status__c"),
    ],
)
def test_a_flow_that_writes_back_what_cannot_be_is_refused(spec: str, problem: str) -> None:
    text = f"""
flow: f
source: salesforce.orders
target: infor
objects: {{Customer: {{key: {{CUNO: Id}}, fields: {{CUNM: Name}}}}}}
write_back: {{Customer: {{{spec}}}}}
"""
    with pytest.raises(Misconfigured, match=f"f.yaml: write_back.Customer: {problem}"):
        registry.check_flow(parse_flow(text, "f.yaml"))
