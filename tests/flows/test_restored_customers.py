"""Customers of Salesforce and Brightpearl after a backup of the state: nobody is created twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.restored import accept_restored
from tests.flows.backup import Backup
from tests.flows.conftest import QUIET
from tests.flows.test_salesforce_customers import BACK, HOME, THERE, Customers
from tests.flows.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Customers]]:
    def prepare(site: Customers) -> None:
        for row in site.sandbox.snapshot("salesforce", "Account"):
            site.sandbox.control("DELETE", f"/salesforce/Account/{row['Id']}")
        site.there_and_back()

    with Sandbox(customers=1, products=1, orders=0, seed=3, settings=QUIET) as sandbox:
        yield World(sandbox, Customers(sandbox, tmp_path_factory.mktemp("world")), prepare)


@pytest.fixture
def site(world: World[Customers], tmp_path: Path) -> Customers:
    return world.begin(tmp_path)


def contacts_of(site: Customers, account: str) -> list[str]:
    return [
        each["Id"] for each in site.sandbox.snapshot("salesforce", "Contact") if each["AccountId"] == account
    ]


@pytest.mark.parametrize("email", ["Ada@Example.com", None], ids=["by email", "by names"])
@pytest.mark.parametrize("order", [(THERE, BACK), (BACK, THERE)], ids=["forward first", "backward first"])
def test_the_contact_of_an_account_that_salesforce_had_first_stays_one(
    site: Customers, email: str | None, order: tuple[str, str]
) -> None:
    backup = Backup(site)
    address = {f"Billing{name}": value for name, value in HOME.items()}
    account = site.add("Account", Name="Analytical Engines", **address)
    [ada, _] = [
        site.add("Contact", AccountId=account, FirstName=first, LastName="L", Email=given)
        for first, given in (("Ada", email), ("Bob", None))
    ]
    site.pass_time(5)
    # it writes back to the account; the flow that gives the contact its key has not run
    site.run(BACK)
    before = len(site.here("contact", "contactId")), sorted(contacts_of(site, account))

    backup.restore()
    accept_restored(site.database, site.now())
    for _ in range(2):
        for flow in order:
            site.pass_time(30)
            site.run(flow)
    assert before == (len(site.here("contact", "contactId")), sorted(contacts_of(site, account)))
    assert ada == site.there("Contact")[site.newest()]["Id"]
    site.settle()


def test_a_person_whom_the_account_does_not_have_is_a_second_contact(site: Customers) -> None:
    backup = Backup(site)
    address = {f"Billing{name}": value for name, value in HOME.items()}
    account = site.add("Account", Name="Analytical Engines", **address)
    site.add("Contact", AccountId=account, FirstName="Ada", LastName="L", Email="ada@example.com")
    site.pass_time(5)
    site.run(BACK)
    key = site.newest()
    site.edit_here(key, "/communication/emails/PRI/email", "bob@example.com")
    backup.restore()
    accept_restored(site.database, site.now())
    site.there_and_back()
    site.there_and_back()
    assert 2 == len(contacts_of(site, account))
