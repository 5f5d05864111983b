"""States and countries as orgs take them: an address never keeps a record out."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from airflow_provider_brightpearl.core.changes import Change, RecordChange
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.salesforce.schema import schema_problems
from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from airflow_provider_brightpearl.systems.salesforce.target import SalesforceTarget
from tests.systems.live import salesforce, switch
from tests.systems.salesforce.org import ACCOUNT

ADDRESS = ("BillingCountryCode", "BillingStateCode")
FLOW = FlowSpec.model_validate(
    {
        "flow": "customers",
        "source": "brightpearl.contacts",
        "target": "salesforce",
        "objects": {
            "Account": {"key": {ACCOUNT: "contactId"}, "fields": {name: "'x'" for name in ("Name", *ADDRESS)}}
        },
        "reconcile": {"fields": "all"},
    }
)
CASES = {
    "1": ("US", "TX", "TX"),
    "2": ("US", "Texas", "TX"),
    "3": ("US", "Nowhere", None),
    "4": ("GB", "Avon", None),
    "5": (None, "Texas", None),
    "6": ("IE", "CO", "CO"),
    "7": ("IE", "Cork", "CO"),
    "8": ("GB", None, None),
}


def record(key: str, country: str | None, state: str | None, target_id: str | None = None) -> RecordChange:
    fields = {"Name": f"Customer {key}", "BillingCountryCode": country, "BillingStateCode": state}
    return RecordChange(key, (Change("Account", key, json.dumps(fields), "f", target_id=target_id),))


RECORDS = [record(key, country, state) for key, (country, state, _) in CASES.items()]


def written(sandbox: Sandbox, records: list[RecordChange], **more: Any) -> dict[str, dict[str, Any]]:
    """The accounts after a write that refuses nothing."""
    sink = SalesforceSink(salesforce(sandbox), FLOW, **more)
    results = [each for call in sink.write(records) for each in call]
    assert [] == [each for each in results if each.refused]
    assert len(records) == len(results)
    assert more or sink.calls == sink.min_calls(records)
    return {row[ACCOUNT]: row for row in sandbox.snapshot("salesforce", "Account") if row.get(ACCOUNT)}


@pytest.mark.parametrize("bulk_from", [1, 1000])
def test_a_state_goes_out_only_where_the_org_has_it(
    sandbox: Sandbox, bulk_from: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    accounts = written(sandbox, RECORDS, bulk_from=bulk_from)
    expected = {key: code for key, (_, _, code) in CASES.items()}
    assert expected == {key: accounts[key].get("BillingStateCode") or None for key in CASES}
    (line,) = caplog.messages
    assert "Account: 3 states left empty" in line
    for place in ("'Nowhere' (US)", "'Avon' (GB)", "'Texas' (no country)"):
        assert place in line


def test_a_customer_who_moves_to_a_country_without_states_loses_the_old_one(sandbox: Sandbox) -> None:
    before = written(sandbox, [record("1", "US", "TX")])["1"]
    after = written(sandbox, [record("1", "GB", "Avon", before["Id"])])["1"]
    assert ("GB", None) == (after["BillingCountryCode"], after["BillingStateCode"])


def test_an_org_without_picklists_gets_text(sandbox: Sandbox) -> None:
    switch(sandbox, "salesforce", country_picklists=False)
    assert [] == schema_problems(salesforce(sandbox), FLOW)
    accounts = written(sandbox, RECORDS)
    assert {key: case[:2] for key, case in CASES.items()} == {
        key: (accounts[key].get("BillingCountry"), accounts[key].get("BillingState")) for key in CASES
    }


@pytest.mark.parametrize("picklists", [True, False])
def test_reconciliation_expects_what_was_written(sandbox: Sandbox, picklists: bool) -> None:
    switch(sandbox, "salesforce", country_picklists=picklists)
    written(sandbox, RECORDS)
    target = SalesforceTarget(salesforce(sandbox), FLOW)
    held = {row.key: dict(row.fields) for row in target.read(list(CASES), ADDRESS, {})}
    sent = {
        each.source_id: json.loads(target.as_written("Account", each.changes[0].payload)) for each in RECORDS
    }
    assert {key: {name: fields[name] for name in ADDRESS} for key, fields in sent.items()} == held


def test_the_lists_are_asked_for_once(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    schema_problems(client, FLOW)
    sandbox.control("DELETE", "/log")
    sink = SalesforceSink(client, FLOW)
    for records in (RECORDS[:4], RECORDS[4:]):
        list(sink.write(records))
    assert 0 == sum("/describe" in each["path"] for each in sandbox.control("GET", "/log"))


def test_rows_without_codes_ask_for_nothing(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    list(
        SalesforceSink(client, FLOW).write(
            [RecordChange("1", (Change("Account", "1", '{"Name":"A"}', "f"),))]
        )
    )
    assert 0 == sum("/describe" in each["path"] for each in sandbox.control("GET", "/log"))
