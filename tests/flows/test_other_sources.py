"""Flows out of Salesforce and M3, run whole against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.contracts.org import RECORDS, fill_org
from tests.contracts.tenant import fill_tenant
from tests.flows.site import Site

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
OUT_OF_SALESFORCE = """
flow: accounts_to_infor
source: salesforce.accounts
target: infor
objects:
  Customer:
    key: {CUNO: "'S' || custom.Brightpearl_Id__c"}
    where: custom.Brightpearl_Id__c IS NOT NULL AND NOT IsDeleted
    fields:
      CUTM: "'WEB'"
      CUNM: left(text(Name), 36)
      CUA1: "'1 High Street'"
      YREF: join_rows(Contacts, row.LastName, ', ')
write_back:
  Customer: {fields: {AccountNumber: "{target_id}"}}
reconcile: {}
"""
INVOICES = """
flow: invoices_from_infor
source: infor.invoices
target: salesforce
objects:
  Brightpearl_Return__c:
    key: {Brightpearl_Id__c: id}
    fields: {Net__c: AMT1, Total__c: AMT2, Returned_On__c: IDAT, Reference__c: "join_rows(lines, row.ORNO, ', ')"}
reconcile: {}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Sandbox(customers=1, products=1, orders=1, until=NOW) as sandbox:
        sandbox.control("POST", "/settings/infor", {"limit_logins": False})
        fill_org(sandbox, NOW - timedelta(days=9))
        fill_tenant(sandbox, NOW - timedelta(days=9))
        for text in (OUT_OF_SALESFORCE, INVOICES):
            (tmp_path / f"{text.split()[1]}.yaml").write_text(text)
        yield Site(sandbox, tmp_path, tmp_path)


def test_accounts_become_customers_and_are_told_their_number(site: Site) -> None:
    first = site.run("accounts_to_infor")
    assert (RECORDS, "done") == (first.counts.created, first.state)
    customers = {row["CUNO"]: row for row in site.m3("customers") if row["CUNO"].startswith("SA")}
    assert {f"SA{number}" for number in range(RECORDS)} == set(customers)
    assert "Person 0, Person 1" == customers["SA2"]["YREF"]
    told = {key: row["AccountNumber"] for key, row in site.there("Account").items()}
    assert {key: f"S{key}" for key in told} == told
    # what was written back selects the accounts again, and changes nothing
    site.pass_time(5)
    again = site.run("accounts_to_infor")
    assert (RECORDS, 0, 0) == (again.counts.unchanged, again.counts.created, again.counts.updated)


def test_deleted_records_are_found_by_reconciliation(site: Site) -> None:
    for flow in ("accounts_to_infor", "invoices_from_infor"):
        site.run(flow)
    site.pass_time(5)
    account = site.there("Account")["A3"]["Id"]
    site.sandbox.control("DELETE", f"/salesforce/Account/{account}")
    site.sandbox.control("DELETE", "/infor/invoices/AAA|2026|900203")
    for flow, source_id in (("accounts_to_infor", account), ("invoices_from_infor", "2026|900203")):
        site.run(flow)
        report = compare(site.wiring(flow), "reconcile", full_resync=True)
        assert report is not None
        assert (source_id,) == report.ids["deleted"]


def test_invoices_arrive_with_their_amounts(site: Site) -> None:
    summary = site.run("invoices_from_infor")
    assert Counts(extracted=RECORDS, created=RECORDS) == summary.counts
    row = site.there("Brightpearl_Return__c")["2026|900203"]
    assert ("9.50", "11.40", "2026-03-10", "0010000003") == tuple(
        row[name] for name in ("Net__c", "Total__c", "Returned_On__c", "Reference__c")
    )
