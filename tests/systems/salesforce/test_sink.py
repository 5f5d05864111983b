"""Salesforce as a target over HTTP: graphs, collections and bulk, and what a refusal leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.changes import Change, RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.salesforce.client import Graph, GraphAnswer
from airflow_provider_brightpearl.systems.salesforce.rows import relationship
from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from tests.systems.live import switch
from tests.systems.salesforce.org import ACCOUNT, ITEM, ORDER, Org

MAPPINGS = Path(__file__).parents[3] / "include" / "mappings"


@pytest.fixture
def org(sandbox: Sandbox) -> Org:
    return Org(sandbox)


ORDERS = load_flow(MAPPINGS / "orders_to_salesforce.yaml")
CUSTOMERS = load_flow(MAPPINGS / "customers_to_salesforce.yaml")
PRODUCTS = load_flow(MAPPINGS / "products_to_salesforce.yaml")
WAYS: dict[str, dict[str, Any]] = {"graphs": {}, "objects": {"bulk_from": 1, "whole_below": 1}}


@pytest.fixture(params=WAYS)
def orders(request: pytest.FixtureRequest, org: Org) -> SalesforceSink:
    """The sink of orders, once by graphs and once in bulk."""
    return SalesforceSink(org.client, ORDERS, **WAYS[request.param])


def errors(results: Iterable[RowResult]) -> dict[str, str]:
    return {result.source_id: result.reason for result in results if result.refused}


def created(results: Iterable[RowResult]) -> set[tuple[str, str]]:
    return {(result.object, result.key) for result in results if result.outcome is RowOutcome.CREATED}


def finished(results: Iterable[RowResult]) -> set[tuple[str, str]]:
    """Rows whose last word is that they are there and complete."""
    last = {(result.object, result.key): result for result in results}
    return {
        place for place, result in last.items() if not (result.refused or result.unfinished or result.removed)
    }


def test_an_order_is_written_with_its_rows_and_activated_last(org: Org, orders: SalesforceSink) -> None:
    results = org.write(
        orders, org.order(1, {"11": {}, "12": {"Quantity": 3}}), org.order(2, {"21": {}}, "Draft")
    )
    assert {"1": ("Activated", ["11", "12"]), "2": ("Draft", ["21"])} == org.orders()
    assert {
        ("Order", "1"),
        ("Order", "2"),
        ("OrderItem", "11"),
        ("OrderItem", "12"),
        ("OrderItem", "21"),
    } == created(results)
    assert created(results) == finished(results)
    ids = {
        (name, key): row["Id"]
        for name, field in (("Order", ORDER), ("OrderItem", ITEM))
        for key, row in org.rows(name, field).items()
    }
    assert ids == {(each.object, each.key): each.target_id for each in results}


def test_an_answer_to_fewer_rows_of_a_graph_leaves_the_others_unanswered(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(graphs: Sequence[Graph]) -> list[GraphAnswer]:
        answers = [replace(each, nodes=each.nodes[:2]) for each in whole(graphs)]
        nameless = replace(answers[0].nodes[0], id="")
        return [replace(answers[0], nodes=(nameless, *answers[0].nodes[1:])), *answers[1:]]

    sink, whole = SalesforceSink(org.client, ORDERS), org.client.graph
    monkeypatch.setattr(org.client, "graph", cut)
    results = org.write(sink, org.order(1, {"11": {}, "12": {}}), org.order(2, {"21": {}, "22": {}}))
    assert {("OrderItem", "11"), ("Order", "2"), ("OrderItem", "21")} == created(results)


def test_an_activated_order_takes_changes_and_new_rows(org: Org, orders: SalesforceSink) -> None:
    org.write(orders, org.order(1, {"11": {}}))
    results = org.write(orders, org.order(1, {"11": {"Quantity": 7}, "12": {}}, OrderReferenceNumber="new"))
    assert ({}, {("OrderItem", "12")}) == (errors(results), created(results))
    assert {"1": ("Activated", ["11", "12"])} == org.orders()
    assert ("new", 7) == (
        org.rows("Order", ORDER)["1"]["OrderReferenceNumber"],
        float(org.rows("OrderItem", ITEM)["11"]["Quantity"]),
    )


def test_a_row_that_is_gone_leaves_an_activated_order(org: Org, orders: SalesforceSink) -> None:
    org.write(orders, org.order(1, {"11": {}, "12": {}}))
    results = org.write(orders, org.order(1, {"12": {}}))
    assert [("OrderItem", "11")] == [(each.object, each.key) for each in results if each.removed]
    assert ({}, {"1": ("Activated", ["12"])}) == (errors(results), org.orders())


def test_a_row_somebody_else_deleted_counts_as_removed(org: Org, orders: SalesforceSink) -> None:
    org.write(orders, org.order(1, {"11": {}, "12": {}, "13": {}}, "Draft"))
    for key in ("11", "12"):
        org.client.request("DELETE", f"sobjects/OrderItem/{org.bound['OrderItem', key]}")
    results = org.write(orders, org.order(1, {"13": {"Quantity": 9}}, "Draft"))
    assert {"11", "12"} == {each.key for each in results if each.removed}
    assert ({}, {"1": ("Draft", ["13"])}) == (errors(results), org.orders())


def test_a_refused_row_keeps_its_order_from_being_finished_and_no_other(
    org: Org, orders: SalesforceSink
) -> None:
    bad = org.order(2, {"21": {}, "22": {"Quantity": 0}})
    results = org.write(orders, org.order(1, {"11": {}}), bad, org.order(3, {"31": {}}))
    assert ["2"] == list(errors(results))
    assert "Quantity (zero quantities are not enabled)" in errors(results)["2"]
    (refused,) = (each for each in results if each.refused)
    assert ("OrderItem", "22", "Quantity", "0") == (refused.object, refused.key, refused.field, refused.value)
    assert {"1": ("Activated", ["11"]), "3": ("Activated", ["31"])} == {
        key: order for key, order in org.orders().items() if key != "2"
    }
    assert ("Order", "2") not in finished(results)
    assert "Activated" != org.orders().get("2", ("", []))[0]


def test_a_refused_order_keeps_its_rows_out(org: Org, orders: SalesforceSink) -> None:
    results = org.write(
        orders, org.order(1, {"11": {}}, AccountId="001000000000000AAA"), org.order(2, {"21": {}})
    )
    assert (["1"], {"2": ("Activated", ["21"])}) == (list(errors(results)), org.orders())
    assert {("Order", "2"), ("OrderItem", "21")} == finished(results)
    assert "AccountId" == next(each.field for each in results if each.refused)


def test_an_order_that_cannot_be_activated_is_not_finished(org: Org, orders: SalesforceSink) -> None:
    results = org.write(orders, org.order(1, {}), org.order(2, {"21": {}}))
    assert {"1": "FAILED_ACTIVATION: An order must have at least one product."} == errors(results)
    assert {("Order", "2"), ("OrderItem", "21")} == finished(results)


def test_a_refused_change_leaves_an_order_whole_as_it_was(org: Org) -> None:
    sink = SalesforceSink(org.client, ORDERS)
    org.write(sink, org.order(1, {"11": {}, "12": {}}, OrderReferenceNumber="before"))
    before = org.sandbox.snapshot("salesforce", "Order"), org.sandbox.snapshot("salesforce", "OrderItem")
    results = org.write(sink, org.order(1, {"11": {"Quantity": 0}}, OrderReferenceNumber="after"))
    assert ["1"] == list(errors(results))
    assert before == (
        org.sandbox.snapshot("salesforce", "Order"),
        org.sandbox.snapshot("salesforce", "OrderItem"),
    )
    assert [] == [each for each in results if each.removed]


def test_many_orders_go_by_few_graph_calls(org: Org) -> None:
    sink = SalesforceSink(org.client, ORDERS)
    records = [org.order(n, {f"{n}-1": {}, f"{n}-2": {}}) for n in range(160)]
    calls = sink.calls
    results = org.write(sink, *records)
    assert ({}, 160) == (errors(results), len(org.orders()))
    # 4 nodes each, 75 graphs and 500 nodes a call
    assert 3 == sink.calls - calls == sink.min_calls(records)


def test_an_order_too_large_for_a_graph_is_written_all_the_same(org: Org) -> None:
    sink = SalesforceSink(org.client, ORDERS)
    records = [org.order(1, {f"1-{n}": {} for n in range(520)}), org.order(2, {"2-1": {}})]
    calls = sink.calls
    results = org.write(sink, *records)
    assert {} == errors(results)
    assert [520, 1] == [len(org.orders()[key][1]) for key in ("1", "2")]
    assert {"Activated"} == {status for status, _ in org.orders().values()}
    assert 6 == sink.calls - calls == sink.min_calls(records)


def test_bulk_jobs_take_what_reaches_their_threshold(org: Org) -> None:
    sink = SalesforceSink(org.client, ORDERS, bulk_from=3, whole_below=3)
    org.write(sink, *(org.order(n, {f"{n}1": {}}) for n in range(4)))
    jobs = [
        each
        for each in org.sandbox.control("GET", "/log?system=salesforce")
        if each["path"].endswith("/jobs/ingest")
    ]
    assert 3 == len(jobs), "orders, rows, and the orders' status"
    assert {str(n): ("Activated", [f"{n}1"]) for n in range(4)} == org.orders()


def test_people_find_the_last_job_or_record(org: Org) -> None:
    by_graph, in_bulk = (SalesforceSink(org.client, ORDERS, **way) for way in WAYS.values())
    assert "" == by_graph.page
    results = org.write(by_graph, org.order(1, {"11": {}}))
    instance = org.client.sf.sf_instance
    assert f"https://{instance}/{results[0].target_id}" == by_graph.page
    org.write(in_bulk, org.order(2, {"21": {}}))
    assert in_bulk.page.startswith(
        f"https://{instance}/lightning/setup/AsyncApiJobStatus/page?address=%2F750"
    )


def test_results_come_before_the_next_call(org: Org) -> None:
    sink = SalesforceSink(org.client, ORDERS, bulk_from=1, whole_below=1)
    org.write(sink, org.order(1, {"11": {}, "12": {}}))
    calls = []
    for results in sink.write([org.order(1, {"11": {}})]):
        calls.append((sink.calls, [(each.object, each.removed, each.unfinished) for each in results]))
    assert [("Order", False, True)] == calls[0][1]
    assert [("OrderItem", True, False)] == calls[1][1]
    assert [("Order", False, False)] == calls[-1][1]
    assert sorted({made for made, _ in calls}) == [made for made, _ in calls]


# flows without a field written last go object by object


def change(
    name: str, key: str, fields: dict[str, Any], parent: str = "", target_id: str | None = None
) -> Change:
    return Change(name, key, json.dumps(fields), "f", parent, target_id)


def customer(number: int, name: str | None, **contact: Any) -> RecordChange:
    key = str(number)
    person = change("Contact", key, {"LastName": f"L{number}", **contact}, key)
    return RecordChange(key, (change("Account", key, {"Name": name}), person))


@pytest.mark.parametrize("bulk_from", [2_000, 2], ids=["collections", "bulk"])
def test_rows_find_their_parent_by_its_key(org: Org, bulk_from: int) -> None:
    sink = SalesforceSink(org.client, CUSTOMERS, bulk_from)
    results = org.write(sink, *(customer(n, f"A{n}") for n in range(10, 13)))
    assert {} == errors(results)
    accounts, contacts = org.rows("Account", ACCOUNT), org.rows("Contact", ACCOUNT)
    assert {key: accounts[key]["Id"] for key in contacts} == {
        key: row["AccountId"] for key, row in contacts.items()
    }
    assert {"10", "11", "12"} == set(contacts)


@pytest.mark.parametrize("bulk_from", [2_000, 2], ids=["collections", "bulk"])
def test_a_refused_parent_keeps_its_rows_out_and_no_others(org: Org, bulk_from: int) -> None:
    sink = SalesforceSink(org.client, CUSTOMERS, bulk_from)
    results = org.write(
        sink, customer(10, "A"), customer(11, None), customer(12, "C", Email="no address"), customer(13, "D")
    )
    assert {"11", "12"} == set(errors(results))
    assert "REQUIRED_FIELD_MISSING" in errors(results)["11"]
    assert "INVALID_EMAIL_ADDRESS" in errors(results)["12"]
    assert {"10", "13"} == set(org.rows("Contact", ACCOUNT))
    refused = {each.source_id: (each.object, each.field, each.value) for each in results if each.refused}
    assert {"11": ("Account", "Name", "null"), "12": ("Contact", "Email", '"no address"')} == refused


@pytest.mark.parametrize(("bad", "expected"), [(None, 9), (4, 10)])
def test_bulk_jobs_take_the_fewest_calls(org: Org, bad: int | None, expected: int) -> None:
    sink = SalesforceSink(org.client, CUSTOMERS)
    records = [customer(n, None if n == bad else f"A{n}") for n in range(1_002)]
    calls = sink.calls
    assert len(errors(org.write(sink, *records))) == (bad is not None)
    # two jobs of create, upload, close, results, and a look below accounts that were there for contacts without a key;
    # one more call tells why a row was refused
    assert expected == sink.calls - sink.looks - calls == sink.min_calls(records)
    assert sink.looks >= 2


def test_orders_that_were_not_reached_behind_refused_ones_are_sent_again(org: Org) -> None:
    # after 14 graphs that failed, the org leaves out the others of a call
    sink = SalesforceSink(org.client, ORDERS)
    wrong: dict[str, Any] = {"Nope__c": 1}
    orders = [org.order(n, {f"{n}-1": {}}, **(wrong if n < 160 else {})) for n in range(100, 170)]
    refused = errors(org.write(sink, *orders))
    assert {str(n) for n in range(100, 160)} == set(refused)
    assert all("INVALID_FIELD" in reason for reason in refused.values())
    assert {str(n) for n in range(160, 170)} == set(org.orders())


def test_several_hundred_rows_take_the_fewest_collections(org: Org) -> None:
    sink = SalesforceSink(org.client, CUSTOMERS)
    records = [customer(n, f"A{n}") for n in range(10, 510)]
    calls = sink.calls
    assert {} == errors(org.write(sink, *records))
    assert 6 == sink.calls - calls == sink.min_calls(records)


def price(org: Org, key: str, amount: str, target_id: str | None = None) -> Change:
    fields = {
        "Pricebook2Id": org.book,
        "CurrencyIsoCode": "GBP",
        "UnitPrice": float(amount),
        "IsActive": True,
    }
    return change("StandardPrice", key, fields, "77", target_id)


def test_fields_for_creation_only_are_left_out_of_a_change(org: Org) -> None:
    sink = SalesforceSink(org.client, PRODUCTS)
    product = change("Product2", "77", {"Name": "Lamp", "IsActive": True})
    assert {} == errors(org.write(sink, RecordChange("77", (product, price(org, "77|GBP", "1")))))
    bound = org.rows("PricebookEntry", ACCOUNT)["77|GBP"]["Id"]
    again = RecordChange("77", (price(org, "77|GBP", "2", bound),))
    assert {} == errors(org.write(sink, again))
    assert 2 == float(org.rows("PricebookEntry", ACCOUNT)["77|GBP"]["UnitPrice"])


def test_numbers_and_keys_go_out_as_they_are(org: Org) -> None:
    switch(org.sandbox, "salesforce", unit_price_scale=4)
    sink = SalesforceSink(org.client, ORDERS)
    item = org.order(1, {'a/b "ü"+?': {}}).changes[1]
    exact = Change(**{name: getattr(item, name) for name in ("object", "key", "fingerprint", "parent")},
                   payload=item.payload.replace("1.5", "12345678901234.1234"))  # fmt: skip
    record = RecordChange("1", (org.order(1, {}).changes[0], exact))
    assert {} == errors(org.write(sink, record))
    (row,) = org.rows("OrderItem", ITEM).values()
    assert 'a/b "ü"+?' == row[ITEM]
    sent = next(org.client.query("SELECT UnitPrice FROM OrderItem WHERE Brightpearl_Row_Id__c != null"))
    assert "12345678901234.1234" == str(sent["UnitPrice"])


def test_nothing_to_write_takes_no_call(org: Org) -> None:
    for flow in (ORDERS, CUSTOMERS):
        sink = SalesforceSink(org.client, flow)
        calls = sink.calls
        assert ([], 0, 0) == (list(sink.write([])), sink.calls - calls, sink.min_calls([]))


@pytest.mark.parametrize(
    ("field", "expected"),
    [("AccountId", "Account"), ("Product2Id", "Product2"), ("Shop__c", "Shop__r"), ("OrderId", "Order")],
)
def test_a_lookup_field_has_its_relationships_name(field: str, expected: str) -> None:
    assert expected == relationship(field)
