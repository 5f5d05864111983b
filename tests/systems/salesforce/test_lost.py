"""Refusals by every way of writing: of rows that were deleted or merged, and such that pass by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_brightpearl.core.changes import Lost, RowResult
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from tests.sandbox.salesforce_org import Api
from tests.systems.live import switch
from tests.systems.salesforce.org import ORDER, Org
from tests.systems.salesforce.test_sink import ORDERS

WAYS: dict[str, dict[str, Any]] = {
    "graphs": {}, "collections": {"whole_below": 1}, "bulk": {"bulk_from": 1, "whole_below": 1},
}  # fmt: skip


@pytest.fixture
def org(sandbox: Sandbox) -> Iterator[Org]:
    yield Org(sandbox)
    switch(sandbox, "salesforce", row_faults=[])


@pytest.fixture(params=WAYS)
def orders(request: pytest.FixtureRequest, org: Org) -> SalesforceSink:
    """The sink of orders, once by each way."""
    return SalesforceSink(org.client, ORDERS, **WAYS[request.param])


def delete(org: Org, name: str, record_id: str) -> None:
    org.sandbox.control("DELETE", f"/salesforce/{name}/{record_id}")


def refusals(results: list[RowResult]) -> dict[str, tuple[Lost, ...]]:
    return {each.source_id: each.lost for each in results if each.refused}


def test_a_deleted_account_is_named(org: Org, orders: SalesforceSink) -> None:
    gone = Api(org.sandbox).create("Account", Name="Gone")
    delete(org, "Account", gone)
    results = org.write(orders, org.order(1, {"11": {}}, AccountId=gone), org.order(2, {"21": {}}))
    assert {"1": (Lost("Order", "AccountId", gone),)} == refusals(results)
    assert {"2": ("Activated", ["21"])} == org.orders()


def test_an_account_that_the_org_has_forgotten_is_named(org: Org, orders: SalesforceSink) -> None:
    forgotten = full_id("001" + "z" * 12)
    results = org.write(orders, org.order(1, {"11": {}}, AccountId=forgotten))
    assert {"1": (Lost("Order", "AccountId", str(forgotten)),)} == refusals(results)


def test_orders_of_a_merged_account_go_to_the_survivor_of_all_merges(
    org: Org, orders: SalesforceSink
) -> None:
    api = Api(org.sandbox)
    first, second, last = (api.create("Account", Name=name) for name in ("A", "B", "C"))
    api.merge("Account", second, first)
    api.merge("Account", last, second)
    results = org.write(orders, org.order(1, {"11": {}}, AccountId=first), org.order(2, {"21": {}}))
    assert {} == refusals(results)
    assert {"1": ("Activated", ["11"]), "2": ("Activated", ["21"])} == org.orders()
    assert last == org.rows("Order", ORDER)["1"]["AccountId"]
    noted = {each.source_id: each.lost for each in results if each.lost}
    assert {"1": (Lost("Order", "AccountId", first, last),)} == noted


def test_an_order_that_was_deleted_is_named(org: Org, orders: SalesforceSink) -> None:
    org.write(orders, org.order(1, {"11": {}}), org.order(2, {"21": {}}))
    gone = org.bound["Order", "1"]
    delete(org, "OrderItem", org.bound["OrderItem", "11"])
    delete(org, "Order", gone)
    results = org.write(orders, org.order(1, {"11": {"Quantity": 3}}), org.order(2, {"21": {"Quantity": 3}}))
    (lost,) = {losses[0] for losses in refusals(results).values()}
    assert (["1"], Lost("Order", "", gone)) == (list(refusals(results)), lost)


def test_another_refusal_asks_for_nothing(org: Org, orders: SalesforceSink, monkeypatch: Any) -> None:
    def listed(client: SalesforceClient) -> Any:
        raise AssertionError("the objects were listed")

    monkeypatch.setattr(SalesforceClient, "objects", listed)
    results = org.write(orders, org.order(1, {"11": {}}, "No such status"))
    assert {"1": ()} == refusals(results)


PASSING = [
    ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records: 001"),
    (
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "OrderTrigger: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access",
    ),
    ("CANNOT_EXECUTE_FLOW_TRIGGER", "UNABLE_TO_LOCK_ROW: unable to obtain exclusive access"),
    ("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded"),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: System.LimitException: Apex CPU time limit exceeded"),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: System.LimitException: Too many DML rows: 10001"),
    ("UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId"),
]


@pytest.mark.parametrize(("code", "message"), PASSING)
def test_what_time_mends_is_passing_by_every_way(
    org: Org, orders: SalesforceSink, code: str, message: str
) -> None:
    fault = {"object": "Order", "code": code, "message": message, "times": 1_000}
    switch(org.sandbox, "salesforce", row_faults=[fault])
    results = org.write(orders, org.order(1, {"11": {}}))
    assert results and all(each.refused and each.passing for each in results)


def test_a_rule_of_the_org_does_not_pass(org: Org, orders: SalesforceSink) -> None:
    fault = {"object": "Order", "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no", "times": 1_000}
    switch(org.sandbox, "salesforce", row_faults=[fault])
    results = org.write(orders, org.order(1, {"11": {}}))
    assert results and all(each.refused and not each.passing for each in results)
