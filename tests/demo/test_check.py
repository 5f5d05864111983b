"""The demonstration's check has to be able to fail: each kind of mistake, planted, is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from demo import checks, found
from demo.compare import compare
from demo.expected import infor, salesforce
from demo.expected.infor_journals import ACCOUNTS
from demo.expected.records import NOWHERE
from demo.report import FlowResult
from demo.systems import SOURCE, State, money
from tests.demo.planted import fill_salesforce, in_salesforce, m3_tables, salesforce_tables

UNTIL = datetime(2026, 10, 1, tzinfo=UTC)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def loaded() -> Iterator[Sandbox]:
    """A sandbox whose Salesforce holds exactly what it has to."""
    with Sandbox(customers=12, products=12, orders=60, seed=5, until=UNTIL) as sandbox:
        sandbox.control("POST", "/brightpearl/activity", {"credits_created": 2, "drop_shipped": 1})
        fill_salesforce(sandbox, salesforce.expected(_source(sandbox)))
        yield sandbox


def _source(sandbox: Sandbox) -> dict[str, list[Row]]:
    return {name: sandbox.snapshot("brightpearl", name) for name in SOURCE}


@pytest.fixture
def state(loaded: Sandbox) -> State:
    """All three systems in agreement, M3's records as plain rows."""
    source = _source(loaded)
    wanted = {"salesforce": salesforce.expected(source), "infor": infor.expected(source, ACCOUNTS)}
    there = {"salesforce": in_salesforce(loaded), "infor": found.in_infor(m3_tables(wanted["infor"]))}
    return State(source, wanted, there)


def _differences(state: State, system: str) -> list[tuple[str, str, str]]:
    result = compare(state.wanted[system], state.found[system])
    return [(each.object, each.key, each.field) for each in result.differences]


def _spoiled(state: State, system: str, object: str, **wrong: Any) -> tuple[State, str]:
    """The same with other values in the first record of an object of M3 or Salesforce, and its key."""
    before = state.found[system]
    key, record = next(iter(before.records[object].items()))
    records = before.records | {object: before.records[object] | {key: {**record, **wrong}}}
    return replace(state, found=state.found | {system: replace(before, records=records)}), key


def test_what_is_right_passes(state: State) -> None:
    for system in ("salesforce", "infor"):
        result = compare(state.wanted[system], state.found[system])
        assert () == result.differences
        assert {} == {name: count for name, count in result.records.items() if not count}
        assert result.values > 1000


@pytest.mark.parametrize(
    ("name", "field", "wrong"),
    [
        ("Account", "Name", "Somebody Else"),
        ("Account", "BillingPostalCode", None),
        ("Contact", "Email", "other@example.com"),
        ("Product2", "ProductCode", "WRONG"),
        ("Product2", "AvailableStock__c", "100000.000"),
        ("PricebookEntry", "UnitPrice", "0.01"),
        ("Order", "EffectiveDate", "1999-12-31"),
        ("Order", "Status", "On the moon"),
        ("OrderItem", "Quantity", "17.00"),
        ("Brightpearl_Shipment__c", "Released_On__c", "2001-01-01T00:00:00.000+0000"),
        ("Brightpearl_Shipment_Line__c", "Quantity__c", "99.0000"),
        ("Brightpearl_Return__c", "Total__c", "0.01"),
        ("Brightpearl_Return_Line__c", "Order_Product__c", None),
    ],
)
def test_a_wrong_value_in_salesforce_is_named(state: State, name: str, field: str, wrong: Any) -> None:
    spoiled, key = _spoiled(state, "salesforce", name, **{field: wrong})
    assert [(name, key, field)] == _differences(spoiled, "salesforce")


@pytest.mark.parametrize(
    ("name", "field", "wrong"),
    [
        ("Customer", "CUNM", "Somebody Else"),
        ("CustomerAddress", "PONO", ""),
        ("Item", "ITDS", "Wrong"),
        ("ItemAlias", "ITNO", "WRONG"),
        ("StockCount", "STQT", "100000"),
        ("Order", "ORDT", "19991231"),
        ("Order", "CUNO", "BP1"),
        ("OrderAddress", "TOWN", "Elsewhere"),
        ("OrderLine", "SAPR", "0.000001"),
        ("OrderLine", "DLQT", "100000"),
        ("OrderCharge", "CRAM", "-0.01"),
        ("Pick", "QTYP", "100000"),
        ("Delivery", "ETRN", "SOMEBODY-ELSES"),
        ("Journal", "STAT", "15"),
        ("JournalLine", "AIT1", "9999"),
        ("Voucher", "ACAM", "0.01"),
    ],
)
def test_a_wrong_value_in_m3_is_named(state: State, name: str, field: str, wrong: Any) -> None:
    spoiled, key = _spoiled(state, "infor", name, **{field: wrong})
    assert [(name, key, field)] == _differences(spoiled, "infor")


def test_a_price_that_makes_the_order_another_total_is_named_twice(state: State) -> None:
    tables = m3_tables(state.wanted["infor"])
    line = tables["order_lines"][0]
    line["SAPR"] = str(Decimal(line["SAPR"]) + 1)
    wrong = replace(state, found=state.found | {"infor": found.in_infor(tables)})
    line_key = f"{line['ORNO']}|{line['CUPO']}"
    assert {("Order", line["ORNO"], "TOTAL"), ("OrderLine", line_key, "SAPR")} == set(
        _differences(wrong, "infor")
    )


def test_a_cent_in_salesforce_is_named_as_value_and_as_money(state: State) -> None:
    order = next(iter(state.found["salesforce"].records["Order"].values()))
    more = {"Net__c": str(Decimal(order["Net__c"]) + Decimal("0.01"))}
    spoiled, key = _spoiled(state, "salesforce", "Order", **more)
    assert [("Order", key, "Net__c")] == _differences(spoiled, "salesforce")
    (said,) = checks.agrees(money(spoiled)).against
    assert f"orders_to_salesforce: {'':.0}" in said
    assert order["CurrencyIsoCode"] in said


def test_money_agrees_with_what_is_left_out(state: State) -> None:
    customer = state.source["order"][0]["parties"]["customer"]["contactId"]  # type: ignore[index]
    source = dict(state.source)
    source["contact"] = [
        {**each, "communication": each["communication"] | {"emails": {"PRI": {"email": "unknown"}}}}
        if each["contactId"] == customer
        else each
        for each in state.source["contact"]
    ]
    without = salesforce.expected(source)
    tables = m3_tables(state.wanted["infor"])
    crm = state.found["salesforce"]
    kept = {
        name: {
            key: each
            for key, each in crm.records[name].items()
            if key in without.records.get(name, crm.records[name])
        }
        for name in crm.records
    }
    left = State(
        source,
        state.wanted | {"salesforce": without},
        {"salesforce": replace(crm, records=kept), "infor": found.in_infor(tables)},
    )
    sides = [each for each in money(left) if each.flow == "orders_to_salesforce" and each.held_back]
    assert sides
    assert checks.agrees(money(left)).holds
    assert all(each.source == each.target + each.held_back for each in sides)


def test_a_journal_that_is_not_zero_in_sum_is_named(state: State) -> None:
    spoiled, key = _spoiled(state, "infor", "Voucher", CUAM="1.00")
    journal = key.partition("|")[0]
    assert checks.balanced(state).holds
    assert any(said.startswith(f"{journal}: CUAM adds up to") for said in checks.balanced(spoiled).against)


def test_an_order_that_does_not_say_its_m3_number_is_named(state: State) -> None:
    numbers = {key: order["ORNO"] for key, order in state.found["infor"].records["Order"].items()}
    orders = [
        {**each, "customFields": {"PCF_M3ORDER": numbers[str(each["id"])]}}
        if str(each["id"]) in numbers
        else dict(each)
        for each in state.source["order"]
    ]
    corrected = replace(state, source={**state.source, "order": orders})
    assert checks.written_back(corrected).holds
    wrong = next(each for each in orders if str(each["id"]) in numbers)
    wrong["customFields"] = {}
    assert (f"order {wrong['id']} says M3 order None, and it is {wrong['id']}",) == checks.written_back(
        corrected
    ).against


def test_a_link_to_another_record_is_named(state: State) -> None:
    crm = state.found["salesforce"]
    order = next(iter(crm.records["Order"].values()))
    other = next(each["Id"] for each in crm.records["Account"].values() if each["Id"] != order["AccountId"])
    spoiled, key = _spoiled(state, "salesforce", "Order", AccountId=other)
    assert [("Order", key, "AccountId")] == _differences(spoiled, "salesforce")


def test_missing_and_surplus_records_are_named(loaded: Sandbox, state: State) -> None:
    target = salesforce_tables(loaded)
    contact = next(each for each in target["Contact"] if each["Brightpearl_Id__c"])
    target["Contact"] = [
        *(each for each in target["Contact"] if each is not contact),
        contact | {"Id": "003000000000XYZAAA", "Brightpearl_Id__c": "999999"},
    ]
    result = compare(state.wanted["salesforce"], found.in_salesforce(target, state.source)).differences
    assert {
        (contact["Brightpearl_Id__c"], "there", "missing"),
        ("999999", "absent", "there"),
    } == {(each.key, each.wanted, each.found) for each in result}


def test_a_customer_without_a_sound_address_is_left_out_with_its_orders(loaded: Sandbox) -> None:
    source = _source(loaded)
    customer = source["order"][0]["parties"]["customer"]["contactId"]
    contact = next(each for each in source["contact"] if each["contactId"] == customer)
    contact["communication"]["emails"] = {"PRI": {"email": "address unknown"}}
    wanted = salesforce.expected(source)
    assert {str(customer)} == wanted.rejected["customers_to_salesforce"]
    assert str(source["order"][0]["id"]) in wanted.parked["orders_to_salesforce"]
    assert str(customer) not in wanted.records["Account"]
    assert f"BP{customer}" in infor.expected(source, ACCOUNTS).records["Customer"]


def test_a_customer_of_no_country_is_left_out_of_both_targets(loaded: Sandbox) -> None:
    source = _source(loaded)
    order = source["order"][0]
    customer = order["parties"]["customer"]["contactId"]
    contact = next(each for each in source["contact"] if each["contactId"] == customer)
    for address in source["postal-address"]:
        if address["addressId"] == contact["postAddressIds"]["BIL"]:
            address["countryIsoCode"] = NOWHERE
    wanted = infor.expected(source, ACCOUNTS)
    assert {str(customer)} == wanted.rejected["customers_to_infor"]
    assert str(order["id"]) in wanted.parked["orders_to_infor"]
    assert str(order["id"]) not in wanted.records["Order"]
    assert {str(customer)} == salesforce.expected(source).rejected["customers_to_salesforce"]


def test_a_payment_without_an_account_is_left_out_until_it_has_one(loaded: Sandbox) -> None:
    source = _source(loaded)
    payment = source["customer-payment"][0]
    payment["paymentMethodCode"] = "KLARNA"
    key = str(payment["paymentId"])
    assert {key} == infor.expected(source, ACCOUNTS).rejected["payments_to_infor_gl"]
    later = infor.expected(source, ACCOUNTS | {"KLARNA": "1240"})
    assert set() == later.rejected["payments_to_infor_gl"]
    assert "1240" == later.records["JournalLine"][f"BP{key}|1"]["AIT1"]


def _result(**counts: int) -> FlowResult:
    zero = dict.fromkeys(("extracted", "created", "updated", "unchanged", "rejected", "parked"), 0)
    return FlowResult("customers_to_infor", zero | counts, {}, {}, [], 0.0, 0.0)


def test_a_call_that_writes_is_named() -> None:
    call = "M3 got 1 CRS610MI Add, ok"
    assert (call,) == checks.nothing_written((), [call]).against
    assert checks.nothing_written((_result(extracted=3, unchanged=3),), []).holds
    assert not checks.nothing_written((_result(extracted=3, unchanged=2, updated=1),), []).holds


def test_a_rejection_without_a_reason_is_named(state: State) -> None:
    assert checks.counted(state, (_result(extracted=3, created=3),)).holds
    (said,) = checks.counted(state, (_result(extracted=3, created=2, rejected=1),)).against
    assert "customers_to_infor: 1 rejected, and 0 have a reason to be" == said


@pytest.mark.parametrize(
    ("system", "name", "stamp"),
    [
        ("salesforce", "Account", {"SystemModstamp": "2099-01-01T00:00:00.000+0000"}),
        ("infor", "Order", {"LMTS": 2}),
    ],
)
def test_a_write_without_reason_is_named(state: State, system: str, name: str, stamp: Row) -> None:
    after, key = _spoiled(state, system, name, **stamp)
    check = checks.only_these_written(system, state, after)
    assert (f"{name} {key} was written, and nothing of it has changed",) == check.against
    assert checks.only_these_written(system, state, state).holds
    before = replace(state, wanted={system: _without(state.wanted[system], name, key)})
    assert checks.only_these_written(system, before, after).holds


def _without(wanted: Any, name: str, key: str) -> Any:
    kept = {each: fields for each, fields in wanted.records[name].items() if each != key}
    return replace(wanted, records=wanted.records | {name: kept})
