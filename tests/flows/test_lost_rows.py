"""Rows that Salesforce has deleted or merged: what refers to them follows, and nothing is there twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.stores.tables import dead_letter
from tests.flows.site import MAPPINGS, Site
from tests.sandbox.salesforce_org import Api

CUSTOMERS, ORDERS = "customers_to_salesforce", "orders_to_salesforce"
ORDER_KEY = "Brightpearl_Order_Id__c"


@pytest.fixture
def site(site: Site, tmp_path: Path) -> Site:
    """Without the flow of the other direction, whose policy would count."""
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    (folder / "salesforce_customers_to_brightpearl.yaml").unlink()
    site.mappings = folder
    return site


def letters(site: Site, flow: str) -> dict[str, Any]:
    with site.database.connect() as connection:
        rows = connection.execute(sa.select(dead_letter).where(dead_letter.c.flow == flow)).all()
    return {row.source_id: row for row in rows}


def waiting(site: Site, flow: str) -> dict[str, str]:
    states = {name: row.state for name, row in letters(site, flow).items()}
    return {name: state for name, state in states.items() if state in ("open", "parked", "missing", "retry")}


def new_orders(site: Site) -> tuple[str, list[str]]:
    """A customer with an order that Salesforce does not have yet, and the numbers of such orders."""
    made = [str(each) for each in site.act(orders_created=3)["orders_created"]]
    first = site.here("order")[made[0]]["parties"]["customer"]["contactId"]
    mine = [each for each in made if site.here("order")[each]["parties"]["customer"]["contactId"] == first]
    return str(first), mine


def account_of(site: Site, contact: str) -> str:
    return str(site.there("Account")[contact]["Id"])


def accounts(site: Site) -> list[str]:
    return sorted(row["Id"] for row in site.sandbox.snapshot("salesforce", "Account"))


def owners(site: Site, orders: Sequence[str]) -> set[str]:
    there = site.there("Order", ORDER_KEY)
    return {there[each]["AccountId"] for each in orders}


def counts(summary: RunSummary) -> tuple[int, int, int, int]:
    found = summary.counts
    return found.created, found.updated, found.rejected, found.parked


def test_orders_of_a_deleted_account_wait_until_its_own_flow_has_sent_it_again(site: Site) -> None:
    contact, orders = new_orders(site)
    gone = account_of(site, contact)
    before = len(accounts(site))
    site.sandbox.control("DELETE", f"/salesforce/Account/{gone}")
    first = site.run(ORDERS)
    assert (3 - len(orders), 0, 0, len(orders)) == counts(first)
    assert set(orders) <= set(waiting(site, ORDERS)) and set(waiting(site, ORDERS).values()) == {"parked"}
    assert {contact: "retry"} == waiting(site, CUSTOMERS)
    (warning,) = first.warnings
    assert f"salesforce has deleted Account {gone} ({CUSTOMERS}, record {contact})" == warning

    # they wait until the account is there
    assert (0, 0, 0, len(orders)) == counts(site.run(ORDERS))
    site.run(CUSTOMERS)
    assert ({}, before) == (waiting(site, CUSTOMERS), len(accounts(site)))
    assert len(orders) == site.run(ORDERS).counts.created
    assert ({account_of(site, contact)}, {}) == (owners(site, orders), waiting(site, ORDERS))


def test_orders_of_a_merged_account_go_to_the_survivor(site: Site) -> None:
    contact, orders = new_orders(site)
    org = Api(site.sandbox)
    survivor = org.create("Account", Name="From the CRM")
    loser = account_of(site, contact)
    org.merge("Account", survivor, loser)
    before = accounts(site)
    first = site.run(ORDERS)
    assert (3, 0, 0, 0) == counts(first)
    assert {survivor} == owners(site, orders)
    (warning,) = first.warnings
    assert f"merged Account {loser} ({CUSTOMERS}, record {contact}) into {survivor}" in warning

    second = site.run(CUSTOMERS)
    assert (0, 1, 0, 0) == counts(second)
    assert (before, survivor) == (accounts(site), account_of(site, contact))
    assert (f"Account {loser} was merged into {survivor}",) == second.warnings
    # from now on all is as it was
    site.patch(f"/brightpearl/contact/{contact}", {"firstName": "Changed"})
    site.pass_time(5)
    assert ((0, 1, 0, 0), before, ()) == (
        counts(third := site.run(CUSTOMERS)),
        accounts(site),
        third.warnings,
    )


def test_a_merged_account_is_not_created_again_when_its_customer_changes(site: Site) -> None:
    contact = min(site.there("Account"), key=int)
    org = Api(site.sandbox)
    survivor = org.create("Account", Name="From the CRM")
    org.merge("Account", survivor, account_of(site, contact))
    before = accounts(site)
    site.patch(f"/brightpearl/contact/{contact}", {"firstName": "Changed"})
    site.pass_time(5)
    assert (0, 1, 0, 0) == counts(site.run(CUSTOMERS))
    assert (before, survivor) == (accounts(site), account_of(site, contact))


def test_two_customers_merged_into_one_account_are_named(site: Site) -> None:
    contact, orders = new_orders(site)
    other = next(each for each in sorted(site.there("Account")) if each != contact)
    loser, survivor = account_of(site, contact), account_of(site, other)
    Api(site.sandbox).merge("Account", survivor, loser)
    before = accounts(site)
    assert (3, 0, 0, 0) == counts(site.run(ORDERS))
    assert {survivor} == owners(site, orders)
    site.run(CUSTOMERS)
    (letter,) = [row for row in letters(site, CUSTOMERS).values() if row.state == "open"]
    assert contact == letter.source_id
    assert f"{loser} was merged into {survivor}" in letter.reason and other in letter.reason
    assert before == accounts(site)
    # orders still follow, and the letter stays what it is
    site.patch(f"/brightpearl/order/{orders[0]}", {"reference": "again"})
    site.pass_time(5)
    site.run(ORDERS)
    site.run(CUSTOMERS)
    assert ("open", before) == (letters(site, CUSTOMERS)[contact].state, accounts(site))


def test_an_order_that_was_deleted_by_hand_is_created_anew_once(site: Site) -> None:
    there = site.there("Order", ORDER_KEY)
    number = sorted(there)[0]
    items = [
        row
        for row in site.sandbox.snapshot("salesforce", "OrderItem")
        if row["OrderId"] == there[number]["Id"]
    ]
    for row in items:
        site.sandbox.control("DELETE", f"/salesforce/OrderItem/{row['Id']}")
    site.sandbox.control("DELETE", f"/salesforce/Order/{there[number]['Id']}")
    site.patch(f"/brightpearl/order/{number}", {"reference": "again"})
    site.pass_time(5)
    first = site.run(ORDERS)
    assert (0, 0, 1, 0) == counts(first)
    assert {number: "retry"} == waiting(site, ORDERS)
    assert "has deleted Order" in letters(site, ORDERS)[number].reason
    assert (1, 0, 0, 0) == counts(site.run(ORDERS))
    anew = site.there("Order", ORDER_KEY)[number]
    again = [row for row in site.sandbox.snapshot("salesforce", "OrderItem") if row["OrderId"] == anew["Id"]]
    assert (len(items), {}) == (len(again), waiting(site, ORDERS))
    site.pass_time(5)
    assert (0, 0, 0, 0) == counts(site.run(ORDERS))


def test_what_goes_with_a_deleted_account_is_created_anew_too(site: Site) -> None:
    contact = min(site.there("Account"), key=int)
    person = site.there("Contact")[contact]["Id"]
    site.sandbox.control("DELETE", f"/salesforce/Contact/{person}")
    site.sandbox.control("DELETE", f"/salesforce/Account/{account_of(site, contact)}")
    site.patch(f"/brightpearl/contact/{contact}", {"organisation": {"name": "Renamed Ltd"}})
    site.pass_time(5)
    site.run(CUSTOMERS)
    site.run(CUSTOMERS)
    assert account_of(site, contact) == site.there("Contact")[contact]["AccountId"]
    assert {} == waiting(site, CUSTOMERS)
