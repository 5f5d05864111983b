"""The check of the state finds what was broken on purpose, in the state and in both systems, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.runtime.state_check import StateReport, check_state
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.state_check import check_database, check_links
from tests.flows.site import Site

pytestmark = pytest.mark.slow

ORDERS = "orders_to_salesforce"
FLOWS = ("products_to_salesforce", "customers_to_salesforce", ORDERS)


def check(site: Site, *flows: str, sample: int | None = None) -> StateReport:
    wirings = [replace(site.wiring(flow), read_only=True) for flow in flows or FLOWS]
    return check_state(site.environment, wirings, sample)


def change(site: Site, *statements: sa.sql.Executable) -> None:
    with writing(site.database) as connection:
        for statement in statements:
            connection.execute(statement)


def order(key: str) -> tuple[sa.ColumnElement[bool], ...]:
    table = tables.binding.c
    return table.flow == ORDERS, table.object == "Order", table.key == key


def test_a_sound_state_has_no_findings_and_a_sample_takes_few_calls(site: Site) -> None:
    whole = check(site)
    assert [] == whole.findings
    assert 110 + 338 == whole.checked[ORDERS]
    some = check(site, sample=2)
    assert ([], {}) == (some.findings, some.not_asked)
    assert (2 * 7, True) == (some.checked.total(), some.calls.total() <= 16), some.calls
    assert {"inventory_to_salesforce": "it has not run yet"} == check(
        site, "inventory_to_salesforce"
    ).not_asked


def _drop_link(site: Site) -> None:
    change(
        site,
        tables.binding.delete().where(
            tables.binding.c.source_id == "100003", tables.binding.c.flow == ORDERS
        ),
    )


def _link_to_nothing(site: Site) -> None:
    change(site, tables.binding.update().where(*order("100003")).values(target_id="801000000000999AAA"))


def _swap(site: Site) -> None:
    rows = {row.key: row.target_id for row in site.crosswalk.of_records(ORDERS, ["100003", "100004"])}
    change(
        site,
        tables.binding.update().where(*order("100003")).values(target_id=rows["100004"]),
        tables.binding.update().where(*order("100004")).values(target_id=rows["100003"]),
    )


def _two_on_one(site: Site) -> None:
    rows = {row.key: row.target_id for row in site.crosswalk.of_records(ORDERS, ["100004"])}
    change(site, tables.binding.update().where(*order("100003")).values(target_id=rows["100004"]))


def _delete_in_target(site: Site) -> None:
    row = site.there("Order", "Brightpearl_Order_Id__c")["100003"]
    draft = {"Brightpearl_Order_Id__c": "100003", "Status": "Draft"}
    client = site.salesforce()
    client.upsert("Order", "Brightpearl_Order_Id__c", [json.dumps(draft)])
    assert client.delete([row["Id"]])[0].success


def _delete_at_source(site: Site) -> None:
    site.sandbox.control("DELETE", "/brightpearl/order/100003")


def _letter_of_nothing(site: Site) -> None:
    site.wiring(ORDERS).letters.keep(ORDERS, "r", "v", [(Rejection("999999", Stage.LOAD, "no"), b"{}")])


@pytest.mark.parametrize(
    ("harm", "found", "remedy"),
    [
        (_drop_link, [("history", "record 100003 was written by run3")], "state rebuild orders_to_salesforce --merge"),
        (_link_to_nothing, [("links", "801000000000999AAA of salesforce: its key 100003 is that of 801")], "--merge"),
        (_swap, [("links", "its key 100003 is"), ("links", "its key 100004 is")], "state rebuild"),
        (_two_on_one, [("unique", "linked to records 100003 and 100004"), ("links", "its key 100003")], "delete"),
        (_delete_in_target, [("links", "record 100003 is linked to Order"), ("links", "OrderItem")], "DAG"),
        (_delete_at_source, [("links", "record 100003 is linked, and brightpearl does not have it")], "reconcile"),
        (_letter_of_nothing, [("dead letters", "the letter of record 999999 waits")], "discard"),
    ],
)  # fmt: skip
def test_what_was_broken_is_found_with_what_to_do(
    site: Site, harm: Callable[[Site], None], found: list[tuple[str, str]], remedy: str
) -> None:
    harm(site)
    findings = check(site, ORDERS).findings
    for name, text in found:
        assert any(name == each.check and text in each.what for each in findings), findings
    assert {name for name, _ in found} == {each.check for each in findings}
    assert any(remedy in each.remedy for each in findings)


def test_a_watermark_in_the_future_and_a_missing_index_are_found_without_a_call(site: Site) -> None:
    change(
        site,
        tables.watermark.update().values(instant=site.now() + timedelta(days=1)),
        sa.text("DROP INDEX bp_binding_target"),
    )
    found = {each.check: each.what for each in check_database(site.database, site.now())}
    assert "index bp_binding_target of bp_binding is missing" == found["integrity"]
    assert "is in the future" in found["watermark"]
    assert [] == list(check_links(site.database, site.wiring(ORDERS).pair, ORDERS, "Order"))
