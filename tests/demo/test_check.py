"""The demonstration's check has to be able to fail: each kind of mistake, planted, is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from demo.checks import nothing_written, only_these_written
from demo.compare import KEYS, Comparison, compare
from demo.expected import Expected, Link, expected
from demo.story import SOURCE

UNTIL = datetime(2026, 10, 1, tzinfo=UTC)
# a record is written after those it refers to
ORDER = ("Account", "Contact", "Product2", "PricebookEntry", "Order", "OrderItem")


@pytest.fixture(scope="module")
def loaded() -> Iterator[Sandbox]:
    """A sandbox whose Salesforce holds exactly what it has to."""
    with Sandbox(customers=12, products=6, orders=20, seed=5, until=UNTIL) as sandbox:
        _load(sandbox)
        yield sandbox


def _wanted(sandbox: Sandbox) -> Expected:
    return expected({name: sandbox.snapshot("brightpearl", name) for name in SOURCE})


def _target(sandbox: Sandbox) -> dict[str, list[dict[str, Any]]]:
    return {name: sandbox.snapshot("salesforce", name) for name in KEYS}


def _load(sandbox: Sandbox) -> None:
    ids = {("Pricebook2", each["Name"]): each["Id"] for each in sandbox.snapshot("salesforce", "Pricebook2")}
    wanted = _wanted(sandbox)
    for name in ORDER:
        for key, fields in wanted.records[name].items():
            plain = {field: _plain(value, ids) for field, value in fields.items()}
            ids[name, key] = sandbox.control("POST", f"/salesforce/{name}", plain | {KEYS[name]: key})["Id"]


def _plain(value: Any, ids: dict[tuple[str, str], str]) -> Any:
    if isinstance(value, Link):
        return ids[value.object, value.key]
    return str(value) if isinstance(value, Decimal) else value


def _check(sandbox: Sandbox) -> Comparison:
    return compare(_wanted(sandbox), _target(sandbox))


def _first(sandbox: Sandbox, name: str) -> dict[str, Any]:
    return next(each for each in sandbox.snapshot("salesforce", name) if each[KEYS[name]])


def test_what_is_right_passes(loaded: Sandbox) -> None:
    result = _check(loaded)
    assert () == result.differences
    assert result.records["Order"] > 0 < result.records["OrderItem"]
    assert result.values > 1000


@pytest.mark.parametrize(
    ("name", "field", "wrong"),
    [
        ("Account", "Name", "Somebody Else"),
        ("Account", "BillingPostalCode", None),
        ("Contact", "Email", "other@example.com"),
        ("Product2", "ProductCode", "WRONG"),
        ("PricebookEntry", "UnitPrice", "0.01"),
        ("Order", "EffectiveDate", "1999-12-31"),
        ("Order", "Status", "On the moon"),
        ("OrderItem", "Quantity", "17.00"),
    ],
)
def test_a_wrong_value_is_named(loaded: Sandbox, name: str, field: str, wrong: Any) -> None:
    record = _first(loaded, name)
    loaded.control("PATCH", f"/salesforce/{name}/{record['Id']}", {field: wrong})
    (difference,) = _check(loaded).differences
    loaded.control("PATCH", f"/salesforce/{name}/{record['Id']}", {field: record[field]})
    assert (name, record[KEYS[name]], field) == (difference.object, difference.key, difference.field)
    assert str(wrong) in str(difference)


def test_one_cent_is_named(loaded: Sandbox) -> None:
    order = _first(loaded, "Order")
    more = str(Decimal(order["Total__c"]) + Decimal("0.01"))
    loaded.control("PATCH", f"/salesforce/Order/{order['Id']}", {"Total__c": more})
    found = [each.field for each in _check(loaded).differences]
    loaded.control("PATCH", f"/salesforce/Order/{order['Id']}", {"Total__c": order["Total__c"]})
    assert ["Total__c"] == found


def test_a_link_to_another_record_is_named(loaded: Sandbox) -> None:
    order = _first(loaded, "Order")
    other = next(
        each["Id"] for each in loaded.snapshot("salesforce", "Account") if each["Id"] != order["AccountId"]
    )
    loaded.control("PATCH", f"/salesforce/Order/{order['Id']}", {"AccountId": other})
    found = [each.field for each in _check(loaded).differences]
    loaded.control("PATCH", f"/salesforce/Order/{order['Id']}", {"AccountId": order["AccountId"]})
    assert ["AccountId"] == found


def test_missing_and_surplus_records_are_named(loaded: Sandbox) -> None:
    wanted, target = _wanted(loaded), _target(loaded)
    contact = next(each for each in target["Contact"] if each[KEYS["Contact"]])
    target["Contact"] = [
        *(each for each in target["Contact"] if each is not contact),
        contact | {"Id": "003000000000XYZAAA", KEYS["Contact"]: "999999"},
    ]
    found = {(each.key, each.wanted, each.found) for each in compare(wanted, target).differences}
    assert {(contact[KEYS["Contact"]], "there", "missing"), ("999999", "absent", "there")} == found


def test_a_customer_without_a_sound_address_is_left_out_with_its_orders(loaded: Sandbox) -> None:
    source = {name: loaded.snapshot("brightpearl", name) for name in SOURCE}
    customer = source["order"][0]["parties"]["customer"]["contactId"]
    contact = next(each for each in source["contact"] if each["contactId"] == customer)
    contact["communication"]["emails"] = {"PRI": {"email": "address unknown"}}
    wanted = expected(source)
    assert {str(customer)} == wanted.rejected["customers_to_salesforce"]
    assert str(source["order"][0]["id"]) in wanted.parked["orders_to_salesforce"]
    assert str(customer) not in wanted.records["Account"]


def test_a_call_that_writes_is_named() -> None:
    call = "POST /services/data/v59.0/composite/sobjects"
    assert (f"Salesforce got {call}",) == nothing_written((), [call]).against
    assert nothing_written((), []).holds


def test_a_write_without_reason_is_named(loaded: Sandbox) -> None:
    before = _target(loaded)
    account = next(each for each in before["Account"] if each[KEYS["Account"]])
    after = before | {
        "Account": [
            each | {"SystemModstamp": "2099-01-01T00:00:00.000+0000"} if each is account else each
            for each in before["Account"]
        ]
    }
    key = account[KEYS["Account"]]
    check = only_these_written(before, after, dict.fromkeys(KEYS, set()))
    assert (f"Account {key} was written, and nothing happened to it",) == check.against
    assert only_these_written(before, after, dict.fromkeys(KEYS, set()) | {"Account": {key}}).holds
