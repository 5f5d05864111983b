"""Certificates of real comparisons: closed only where both systems agree and nothing waits."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.certificate_check import Checked, check_certificate
from airflow_provider_brightpearl.core.ports.stores import Intent
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.core.reports import Certified, ReconcileReport
from airflow_provider_brightpearl.runtime import reconcile
from airflow_provider_brightpearl.runtime.certify import last_month
from airflow_provider_brightpearl.runtime.desk import find_letters
from airflow_provider_brightpearl.runtime.desk_decisions import discard_letters
from airflow_provider_brightpearl.runtime.reconcile_report import reconcile_lines
from airflow_provider_brightpearl.stores.desk import LetterFilter
from airflow_provider_brightpearl.stores.signing import SigningKey, verifies
from tests.flows.site import Site

pytestmark = pytest.mark.slow

ORDERS = "orders_to_salesforce"
KEY = SigningKey.of("07" * 32, "key")


def certify(site: Site, name: str = ORDERS, end: datetime | None = None) -> tuple[Certified, Checked]:
    wiring = site.wiring(name)
    signed = replace(wiring, environment=replace(wiring.environment, signing_key=lambda: KEY))
    found = reconcile.compare(signed, "books", full_resync=end is None, end=end, certificate=True)
    assert found
    assert found.certificate
    assert ReconcileReport.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert found.certificate.path in reconcile_lines(found)[-1]
    with Path(found.certificate.path).open("rb") as lines:
        checked = check_certificate("it", lines, verifies, [KEY.public_key])
    assert found.certificate.digest == checked.digest
    return found.certificate, checked


def test_after_a_sync_the_books_are_closed_and_the_sums_are_those_of_each_system(site: Site) -> None:
    issued, checked = certify(site)
    said = checked.statement
    assert ("closed", (), 110) == (issued.state, issued.reasons, said.matched)
    held: dict[str, float] = {}
    for row in site.there("Order", "Brightpearl_Order_Id__c").values():
        held[row["CurrencyIsoCode"]] = held.get(row["CurrencyIsoCode"], 0) + float(row["Net__c"])
    assert held == pytest.approx({name: float(text) for name, text in said.target.sums.items()})
    assert "brightpearl:acmetest" == said.source.instance
    again, later = certify(site)
    assert (2, issued.digest) == (again.number, later.statement.previous)


def test_records_that_the_flow_adds_by_itself_are_no_difference(site: Site) -> None:
    for name in ("customers_to_salesforce", "products_to_salesforce"):
        assert "closed" == certify(site, name)[0].state


def test_differences_letters_and_doubts_keep_the_books_open(site: Site) -> None:
    row = site.there("Order", "Brightpearl_Order_Id__c")["100003"]
    changed = {"Brightpearl_Order_Id__c": "100003", "Status": "Draft", "Net__c": float(row["Net__c"]) + 5}
    [answer] = site.salesforce().upsert("Order", "Brightpearl_Order_Id__c", [json.dumps(changed)])
    assert answer.success
    wiring = site.wiring(ORDERS)
    wiring.letters.keep(ORDERS, "r", "v", [(Rejection("100005", Stage.LOAD, "no"), b"{}")])
    # of another period, or of no record that is listed
    wiring.letters.keep(ORDERS, "r", "v", [(Rejection("999999", Stage.LOAD, "no"), b"{}")])
    wiring.intents.begin([Intent(ORDERS, "Order.note", "100006", "d", "r")])
    issued, checked = certify(site)
    assert (
        "open",
        (
            "1 in both with another amount or other fields",
            "1 dead letters wait",
            "1 writes are in doubt",
        ),
    ) == (issued.state, issued.reasons)
    assert {"differing": ("100003",)} == checked.statement.differences


def test_discarded_records_are_named_so_that_the_sides_add_up(site: Site) -> None:
    row = site.there("Order", "Brightpearl_Order_Id__c")["100003"]
    site.sandbox.control("DELETE", f"/salesforce/Order/{row['Id']}")
    site.wiring(ORDERS).letters.keep(ORDERS, "r", "v", [(Rejection("100003", Stage.LOAD, "no"), b"{}")])
    discard_letters(site.environment, find_letters(site.environment, LetterFilter()), "Ada", "a duplicate")
    issued, checked = certify(site)
    said = checked.statement
    assert ("open", 1, said.source.count - said.target.count) == (
        issued.state, said.discarded.count, said.discarded.count,
    )  # fmt: skip
    assert "1 dead letters of the period were discarded" in issued.reasons
    assert '["100003","discarded","' in Path(issued.path).read_text()


def test_a_period_that_the_flow_has_not_read_to_its_end_is_open(site: Site) -> None:
    issued, checked = certify(site, end=site.now() + timedelta(days=1))
    assert "open" == issued.state
    assert "the flow has read until" in issued.reasons[0]
    assert checked.statement.read_until == checked.statement.period_end


def test_where_the_target_cannot_be_asked_nothing_is_closed(site: Site) -> None:
    for name in ("customers_to_infor", "products_to_infor", "orders_to_infor", "payments_to_infor_gl"):
        site.run(name)
    issued, _ = certify(site, "payments_to_infor_gl")
    assert "M3 is not queried: its rows are those that the crosswalk records as written" in issued.reasons


def test_the_month_before_is_that_of_the_calendar_in_utc() -> None:
    early = datetime.fromisoformat("2026-03-01T00:30:00+02:00")
    month = last_month(early)
    assert month.start
    assert ("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00") == (
        month.start.isoformat(),
        month.end.isoformat(),
    )
