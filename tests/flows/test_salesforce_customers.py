"""Customers are edited in Brightpearl and in Salesforce, and the shipped flows keep both in step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.tables import dead_letter
from tests.flows.conftest import QUIET
from tests.flows.site import Site
from tests.flows.world import World
from tests.sandbox.salesforce_org import Api

THERE, BACK = "customers_to_salesforce", "salesforce_customers_to_brightpearl"
HOME = {"Street": "1 High Street\nFlat 2\nRear", "City": "Bath", "PostalCode": "ba11aa", "CountryCode": "GB"}


class Customers(Site):
    """A site whose customers are in Salesforce already."""

    def there_and_back(self) -> tuple[RunSummary, RunSummary]:
        """A round: each flow once, with time between them."""
        self.pass_time(5)
        there = self.run(THERE)
        self.pass_time(5)
        return there, self.run(BACK)

    def add(self, name: str, **values: Any) -> str:
        return Api(self.sandbox).create(name, **values)

    def edit(self, name: str, row: str, **fields: Any) -> None:
        """Edits a row in Salesforce."""
        self.pass_time(5)
        getattr(self.salesforce().sf, name).update(row, fields)
        self.pass_time(5)

    def edit_here(self, key: str, path: str, value: Any) -> None:
        """Edits a contact in Brightpearl."""
        self.pass_time(5)
        operation = {"op": "replace", "path": path, "value": value}
        self.brightpearl().patch(f"contact-service/contact/{key}", [operation])
        self.pass_time(5)

    def contact(self, key: str) -> Mapping[str, Any]:
        return self.here("contact", "contactId")[key]

    def address(self, key: str, slot: str) -> Mapping[str, Any]:
        address = self.contact(key)["postAddressIds"][slot]
        return next(
            row
            for row in self.sandbox.snapshot("brightpearl", "postal-address")
            if row["addressId"] == address
        )

    def newest(self) -> str:
        return max(self.here("contact", "contactId"), key=int)

    def letters_of(self, flow: str) -> dict[str, str]:
        with self.database.connect() as connection:
            rows = connection.execute(sa.select(dead_letter).where(dead_letter.c.flow == flow)).all()
        return {row.source_id: row.reason for row in rows if row.state in ("open", "parked")}

    def writes(self) -> list[str]:
        """Writing calls since the log was cleared, tokens aside."""
        calls = self.sandbox.control("GET", "/log")
        sent = (each for each in calls if each["method"] not in ("GET", "OPTIONS"))
        return [f"{each['method']} {each['path']}" for each in sent if "token" not in each["path"]]

    def settle(self) -> None:
        """Two rounds, after which the third writes nothing."""
        for _ in range(2):
            self.there_and_back()
        self.sandbox.control("DELETE", "/log")
        self.there_and_back()
        assert [] == self.writes()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Customers]]:
    def prepare(site: Customers) -> None:
        # the org's own accounts
        for row in site.sandbox.snapshot("salesforce", "Account"):
            site.sandbox.control("DELETE", f"/salesforce/Account/{row['Id']}")
        site.run(THERE)

    with Sandbox(customers=8, products=1, orders=0, seed=3, settings=QUIET) as sandbox:
        yield World(sandbox, Customers(sandbox, tmp_path_factory.mktemp("world")), prepare)


@pytest.fixture
def site(world: World[Customers], tmp_path: Path) -> Customers:
    return world.begin(tmp_path)


def linked(site: Site) -> tuple[str, str, str]:
    """A contact, with its account and contact in Salesforce."""
    accounts = site.there("Account")
    key = min(each for each in accounts if accounts[each]["BillingCountryCode"] == "GB")
    return key, accounts[key]["Id"], site.there("Contact")[key]["Id"]


def test_accounts_that_came_from_brightpearl_are_linked_and_nothing_is_written(site: Customers) -> None:
    before = site.sandbox.snapshot("brightpearl", "contact")
    site.sandbox.control("DELETE", "/log")
    summary = site.run(BACK)
    assert (summary.counts.extracted, []) == (summary.counts.unchanged, site.writes())
    assert before == site.sandbox.snapshot("brightpearl", "contact")
    site.settle()


def test_an_account_with_its_contact_becomes_a_contact_with_addresses(site: Customers) -> None:
    account = site.add(
        "Account", Name="Analytical Engines", Phone="020 7946 0000",
        **{f"Billing{name}": value for name, value in HOME.items()},
    )  # fmt: skip
    site.add("Contact", AccountId=account, FirstName="Ada", LastName="L", Email="Ada@Example.com")
    site.pass_time(5)
    accounts = len(site.sandbox.snapshot("salesforce", "Account"))
    summary = site.run(BACK)
    assert (1, 0) == (summary.counts.created, summary.counts.rejected)
    key = site.newest()
    contact, home = site.contact(key), site.address(key, "BIL")
    assert ("Analytical Engines", "Ada", "L", "ada@example.com", "+442079460000") == (
        contact["organisation"]["name"], contact["firstName"], contact["lastName"],
        contact["communication"]["emails"]["PRI"]["email"], contact["communication"]["telephones"]["PRI"],
    )  # fmt: skip
    assert ("1 High Street", "Flat 2, Rear", "Bath", "BA1 1AA", "GBR") == tuple(
        home[name]
        for name in ("addressLine1", "addressLine2", "addressLine3", "postalCode", "countryIsoCode")
    )
    # its default address is that of billing, and its id is written back
    assert home["addressLine1"] == site.address(key, "DEF")["addressLine1"]
    assert account == site.there("Account")[key]["Id"]
    site.settle()
    assert accounts == len(site.sandbox.snapshot("salesforce", "Account"))


def test_an_edit_is_not_answered_by_an_id_that_the_account_has_already(site: Customers) -> None:
    site.there_and_back()
    key, account, _ = linked(site)
    site.edit("Account", account, Phone="020 7946 0001")
    site.sandbox.control("DELETE", "/log")
    assert 1 == site.run(BACK).counts.updated
    assert "+442079460001" == site.contact(key)["communication"]["telephones"]["PRI"]
    assert all("/public-api/" in each for each in site.writes())
    # an id that somebody has emptied is written again
    site.edit("Account", account, Brightpearl_Id__c=None)
    site.edit("Account", account, Phone="020 7946 0002")
    site.run(BACK)
    assert account == site.there("Account")[key]["Id"]


def test_edits_of_both_sides_meet(site: Customers) -> None:
    site.there_and_back()
    key, account, contact = linked(site)
    site.edit_here(key, "/communication/emails/PRI/email", "new@example.com")
    site.edit("Account", account, Phone="020 7946 0001", BillingCity="Wells")
    site.edit("Contact", contact, LastName="Byron")
    before = site.address(key, "BIL")
    site.settle()
    found, home = site.contact(key), site.address(key, "BIL")
    assert ("Byron", "+442079460001", "new@example.com") == (
        found["lastName"], found["communication"]["telephones"]["PRI"],
        found["communication"]["emails"]["PRI"]["email"],
    )  # fmt: skip
    # a changed city leaves the rest of the address as it was
    lines = ("addressLine1", "addressLine2", "addressLine4", "postalCode", "countryIsoCode")
    assert [*(before[name] for name in lines), "Wells"] == [
        *(home[name] for name in lines),
        home["addressLine3"],
    ]
    assert "new@example.com" == site.there("Contact")[key]["Email"]


def test_another_spelling_is_no_change(site: Customers) -> None:
    site.there_and_back()
    key, account, contact = linked(site)
    site.edit_here(key, "/communication/telephones/PRI", "020 7946 0002")
    site.settle()
    # as people type what is there already
    now = site.there("Account")[key]
    assert "+442079460002" == now["Phone"]
    site.edit(
        "Account", account, Phone="(020) 7946-0002", BillingPostalCode=str(now["BillingPostalCode"]).lower()
    )
    site.edit("Contact", contact, Email=str(site.there("Contact")[key]["Email"]).upper())
    before = site.contact(key)
    site.sandbox.control("DELETE", "/log")
    site.run(BACK)
    assert ([], before) == (site.writes(), site.contact(key))


def test_a_county_that_the_org_has_no_code_for_stays_in_brightpearl(site: Customers) -> None:
    key, account, _ = linked(site)
    address = site.contact(key)["postAddressIds"]["BIL"]
    site.sandbox.control("PATCH", f"/brightpearl/postal-address/{address}", {"addressLine4": "Somerset"})
    site.edit_here(key, "/firstName", "Augusta")
    site.settle()
    assert not site.there("Account")[key]["BillingStateCode"]
    site.edit("Account", account, BillingCity="Wells")
    site.settle()
    home = site.address(key, "BIL")
    assert ("Wells", "Somerset") == (home["addressLine3"], home["addressLine4"])


def test_a_state_goes_both_ways(site: Customers) -> None:
    account = site.add(
        "Account", Name="Lone Star", BillingStreet="1 Main", BillingCity="Austin", BillingStateCode="TX",
        BillingCountryCode="US",
    )  # fmt: skip
    site.pass_time(5)
    site.run(BACK)
    key = site.newest()
    assert "TX" == site.address(key, "BIL")["addressLine4"]
    site.settle()
    site.edit("Account", account, BillingStateCode="CA", BillingCity="Fresno")
    site.settle()
    assert ("CA", "Fresno") == tuple(
        site.address(key, "BIL")[name] for name in ("addressLine4", "addressLine3")
    )
    assert "CA" == site.there("Account")[key]["BillingStateCode"]


def test_a_field_that_both_changed_is_decided_by_its_rule(site: Customers) -> None:
    site.there_and_back()
    key, account, contact = linked(site)
    site.edit("Account", account, BillingCity="Wells")
    site.edit("Contact", contact, FirstName="Older")
    site.edit_here(key, "/firstName", "Newer")
    address = site.contact(key)["postAddressIds"]["BIL"]
    site.sandbox.control("PATCH", f"/brightpearl/postal-address/{address}", {"addressLine3": "Bristol"})
    warnings = [text for each in site.there_and_back() for text in each.warnings]
    assert [
        "Account.BillingCity was changed in brightpearl and in salesforce: brightpearl counts (1 rows)",
        "Contact.FirstName was changed in brightpearl and in salesforce: brightpearl counts (1 rows)",
    ] == sorted(warnings)
    site.settle()
    assert ("Bristol", "Newer") == (
        site.there("Account")[key]["BillingCity"],
        site.there("Contact")[key]["FirstName"],
    )


@pytest.mark.parametrize(
    ("account", "person", "made", "reason"),
    [
        pytest.param({"Type": "Supplier", "BillingCountryCode": "GB"}, None, 0, "", id="supplier"),
        pytest.param({"BillingCountryCode": "GB"}, None, 1, "", id="without contact"),
        pytest.param(
            {},
            {"LastName": "L", "Email": "l@example.com"},
            0,
            "its default address, with a country",
            id="no address",
        ),
        pytest.param({"BillingCountryCode": "GB"}, {"LastName": "L"}, 1, "", id="without email"),
        pytest.param(
            {"BillingCountryCode": "GB"},
            {"LastName": "L" * 40},
            0,
            "longer than the 32 characters",
            id="long name",
        ),
    ],
)
def test_accounts_of_other_kinds(
    site: Customers, account: dict[str, str], person: dict[str, str] | None, made: int, reason: str
) -> None:
    account_id = site.add("Account", Name="Odd one", **account)
    if person:
        site.add("Contact", AccountId=account_id, **person)
    site.pass_time(5)
    before = len(site.here("contact", "contactId"))
    summary = site.run(BACK)
    assert (made, bool(reason)) == (
        len(site.here("contact", "contactId")) - before,
        bool(summary.counts.rejected),
    )
    assert all(reason in str(each) for each in summary.reasons)
    if made:
        site.settle()
        assert before + 1 == len(site.here("contact", "contactId"))


def test_a_country_that_is_none_is_a_letter_of_its_account(site: Customers) -> None:
    site.sandbox.control("POST", "/settings/salesforce", {"country_picklists": False})
    account = site.add("Account", Name="Far away", BillingStreet="1 Crater Road", BillingCountry="Moon")
    site.pass_time(5)
    site.run(BACK)
    assert "'MOON' is not a country" in site.letters_of(BACK)[account]


def test_an_account_that_a_lost_state_does_not_know_waits_for_its_own_flow(
    site: Customers, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    fresh = Customers(site.sandbox, tmp_path / "new")
    summary = fresh.run(BACK)
    assert (0, 0, 8) == (summary.counts.created, summary.counts.rejected, summary.counts.parked)
    assert "waits for the Account of customers_to_salesforce" in next(iter(fresh.letters_of(BACK).values()))
    fresh.settle()
    assert {} == fresh.letters_of(BACK)


def test_a_contact_that_a_linked_account_gets_later_is_linked(site: Customers) -> None:
    account = site.add("Account", Name="Late Contacts Ltd", BillingCountryCode="GB")
    site.pass_time(5)
    site.run(BACK)
    key = site.newest()
    site.pass_time(5)
    person = site.add("Contact", AccountId=account, FirstName="Ada", LastName="L", Email="ada@example.com")
    site.pass_time(5)
    summary = site.run(BACK)
    assert 1 == summary.counts.updated
    found = site.contact(key)
    assert ("Ada", "L", "ada@example.com") == (
        found["firstName"], found["lastName"], found["communication"]["emails"]["PRI"]["email"],
    )  # fmt: skip
    site.settle()
    assert person == site.there("Contact")[key]["Id"]
    site.edit_here(key, "/firstName", "Augusta")
    site.edit("Contact", person, MobilePhone="+447700900123")
    site.settle()
    assert ("Augusta", "+447700900123") == (
        site.there("Contact")[key]["FirstName"], site.contact(key)["communication"]["telephones"]["MOB"],
    )  # fmt: skip
    assert [person] == [
        row["Id"] for row in site.sandbox.snapshot("salesforce", "Contact") if row["AccountId"] == account
    ]


def test_a_person_that_brightpearl_enters_later_becomes_the_contact_of_the_account(site: Customers) -> None:
    account = site.add("Account", Name="Late Persons Ltd", BillingCountryCode="GB")
    site.pass_time(5)
    site.run(BACK)
    key = site.newest()
    site.edit_here(key, "/firstName", "Ada")
    site.edit_here(key, "/lastName", "L")
    site.run(THERE)
    person = site.there("Contact")[key]
    assert (account, "Ada", "L") == (person["AccountId"], person["FirstName"], person["LastName"])
    site.settle()
    site.edit("Contact", person["Id"], LastName="Byron")
    site.settle()
    assert ("Ada", "Byron") == tuple(site.contact(key)[name] for name in ("firstName", "lastName"))


def test_an_address_that_either_side_gets_later_reaches_the_other(site: Customers) -> None:
    account = site.add("Account", Name="Late Addresses Ltd", BillingCountryCode="GB")
    site.pass_time(5)
    site.run(BACK)
    key = site.newest()
    site.settle()
    site.edit("Account", account, ShippingStreet="1 Quay", ShippingCity="Hull", ShippingCountryCode="GB")
    site.settle()
    assert ("1 Quay", "Hull") == tuple(
        site.address(key, "DEL")[name] for name in ("addressLine1", "addressLine3")
    )


def test_edits_of_the_linked_contact_go_to_brightpearl_though_another_is_older(site: Customers) -> None:
    other = site.add("Account", Name="Elsewhere", Type="Supplier")
    older = site.add("Contact", AccountId=other, FirstName="Older", LastName="One")
    account = site.add("Account", Name="Two Persons Ltd", BillingCountryCode="GB")
    person = site.add("Contact", AccountId=account, FirstName="Ada", LastName="L")
    site.pass_time(5)
    site.run(BACK)
    key = site.newest()
    site.settle()
    assert person == site.there("Contact")[key]["Id"]
    site.edit("Contact", older, AccountId=account)
    site.settle()
    assert "Ada" == site.contact(key)["firstName"]
    site.edit("Contact", person, LastName="Byron")
    site.settle()
    assert ("Ada", "Byron") == tuple(site.contact(key)[name] for name in ("firstName", "lastName"))
