"""Customers that are deleted or merged on one side: the other side follows the declared policy, and nobody returns."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.reports import ReconcileState
from airflow_provider_brightpearl.runtime.reconcile import compare, repair
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.conftest import QUIET
from tests.flows.site import MAPPINGS
from tests.flows.test_salesforce_customers import BACK, THERE, Customers, linked
from tests.flows.world import World
from tests.sandbox.salesforce_org import Api


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Customers]]:
    def prepare(site: Customers) -> None:
        shutil.copytree(MAPPINGS, site.mappings)
        for row in site.sandbox.snapshot("salesforce", "Account"):
            site.sandbox.control("DELETE", f"/salesforce/Account/{row['Id']}")
        site.run(THERE)
        site.there_and_back()

    folder = tmp_path_factory.mktemp("world")
    with Sandbox(customers=4, products=1, orders=0, seed=3, settings=QUIET) as sandbox:
        yield World(sandbox, Customers(sandbox, folder, folder / "mappings"), prepare)


@pytest.fixture
def site(world: World[Customers], tmp_path: Path) -> Customers:
    return world.begin(tmp_path)


def declare(site: Customers, flow: str, policy: str) -> None:
    """Says what becomes of the other side's rows where this flow's source has deleted a record."""
    file = site.mappings / f"{flow}.yaml"
    text = file.read_text()
    assert "deleted: report" in text
    file.write_text(text.replace("deleted: report", f"deleted: {policy}"))


def reconcile(site: Customers, flow: str) -> ReconcileState:
    wiring = site.wiring(flow)
    report = compare(wiring, f"reconcile{site.runs}", full_resync=True)
    assert report is not None
    return repair(wiring, report).state if report.state is ReconcileState.DRIFT else report.state


def everybody(site: Customers) -> tuple[list[str], list[str]]:
    """The ids of all accounts and of all contacts of Brightpearl."""
    accounts = [row["Id"] for row in site.sandbox.snapshot("salesforce", "Account")]
    return sorted(accounts), sorted(site.here("contact", "contactId"))


def nights(site: Customers) -> None:
    """Rounds of both flows, and two nights with a reconciliation of each."""
    for _ in range(2):
        site.there_and_back()
        for flow in (THERE, BACK):
            reconcile(site, flow)
    site.there_and_back()


@pytest.mark.parametrize("policy", ["report", "detach"])
def test_an_account_that_salesforce_deleted_does_not_return(site: Customers, policy: str) -> None:
    declare(site, BACK, policy)
    key, account, _ = linked(site)
    site.sandbox.control("DELETE", f"/salesforce/Account/{account}")
    before = everybody(site)
    site.edit_here(key, "/firstName", "Still")
    nights(site)
    assert before == everybody(site)
    assert "Still" == site.contact(key)["firstName"]
    letters = site.letters_of(THERE)
    assert {key} == {*letters} if policy == "report" else {} == letters
    assert all("which is not created again" in reason for reason in letters.values())
    state = reconcile(site, THERE)
    assert (ReconcileState.NEEDS_REVIEW if policy == "report" else ReconcileState.CLEAN) == state


@pytest.mark.parametrize("policy", ["report", "detach", "propagate"])
def test_a_contact_that_brightpearl_deleted_does_not_return(site: Customers, policy: str) -> None:
    declare(site, THERE, policy)
    key, account, _ = linked(site)
    site.sandbox.control("DELETE", f"/brightpearl/contact/{key}")
    accounts, contacts = everybody(site)
    site.edit("Account", account, Phone="020 7946 0009")
    nights(site)
    gone = [account] if policy == "propagate" else []
    assert ([each for each in accounts if each not in gone], contacts) == everybody(site)
    if policy == "report":
        assert f"Brightpearl no longer has contact {key}" in site.letters_of(BACK)[account]
        assert ReconcileState.NEEDS_REVIEW is reconcile(site, THERE)
    if policy == "detach":
        assert ReconcileState.CLEAN is reconcile(site, BACK)


def test_before_the_night_nobody_returns_either(site: Customers) -> None:
    """Orders of a deleted account have it sent again by no flow."""
    declare(site, BACK, "detach")
    key, account, _ = linked(site)
    site.sandbox.control("DELETE", f"/salesforce/Account/{account}")
    before = everybody(site)
    for name in ("Once", "Twice"):
        site.edit_here(key, "/firstName", name)
        site.there_and_back()
    assert (before, {}) == (everybody(site), site.letters_of(THERE))


def test_two_linked_accounts_that_were_merged_are_named_and_stay_one(site: Customers) -> None:
    first, second = sorted(site.there("Account"))[:2]
    loser, survivor = (site.there("Account")[each]["Id"] for each in (first, second))
    Api(site.sandbox).merge("Account", survivor, loser)
    accounts, contacts = everybody(site)
    site.edit_here(first, "/firstName", "Merged")
    nights(site)
    assert (accounts, contacts) == everybody(site)
    reason = site.letters_of(THERE)[first]
    assert f"{loser} was merged into {survivor}" in reason and second in reason


def test_the_survivor_of_a_merge_takes_over_the_link(site: Customers) -> None:
    key = min(site.there("Account"))
    survivor = site.add("Account", Name="From the CRM", BillingCountryCode="GB")
    Api(site.sandbox).merge("Account", survivor, site.there("Account")[key]["Id"])
    before = everybody(site)
    nights(site)
    assert (before, survivor) == (everybody(site), site.there("Account")[key]["Id"])
    site.edit("Account", survivor, Phone="020 7946 0010")
    site.there_and_back()
    assert "+442079460010" == site.contact(key)["communication"]["telephones"]["PRI"]
