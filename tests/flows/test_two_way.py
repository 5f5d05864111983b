"""Customers that are edited in Brightpearl and in Salesforce, and two flows that keep both in step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.runtime.state_check import check_state
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.site import Site

THERE = """
flow: people_to_salesforce
source: brightpearl.contacts
target: salesforce
window: {lookback: 0m, delay: 0m}
objects:
  Account:
    key: {Brightpearl_Id__c: contactId}
    fields:
      Name: coalesce(text(organisation.name), text(concat_ws(' ', firstName, lastName)))
      Phone: text(communication.telephones.PRI)
      Type: "'Customer'"
  Contact:
    key: {Brightpearl_Id__c: contactId}
    parent: {AccountId: Account}
    fields:
      FirstName: text(firstName)
      LastName: coalesce(text(lastName), 'Unknown')
      Email: lower(text(communication.emails.PRI.email))
authority:
  default: newest
  fields: {Account.Phone: salesforce, Contact.LastName: brightpearl}
"""
BACK = """
flow: people_to_brightpearl
source: salesforce.accounts
target: brightpearl
window: {lookback: 0m, delay: 0m}
objects:
  Contact:
    where: NOT IsDeleted
    key: {sf: Id}
    fields:
      companyName: Name
      telephone: Phone
      firstName: Contacts[1].FirstName
      lastName: Contacts[1].LastName
      primaryEmail: lower(Contacts[1].Email)
  Address:
    key: {sf: Id}
    parent: {contactId: Contact}
    fields: {type: "'DEF'", countryIsoCode: "'GBR'"}
    create_only: [type, countryIsoCode]
reverse:
  of: people_to_salesforce
  objects: {Account: Id, Contact: Contacts.0.Id}
  fields:
    Contact.companyName: Account.Name
    Contact.telephone: Account.Phone
    Contact.firstName: Contact.FirstName
    Contact.lastName: Contact.LastName
    Contact.primaryEmail: Contact.Email
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Sandbox(customers=6, products=1, orders=0, seed=3) as sandbox:
        sandbox.control("POST", "/settings/brightpearl", {"throttle": False})
        mappings = tmp_path / "mappings"
        mappings.mkdir()
        (mappings / "people_to_salesforce.yaml").write_text(THERE)
        (mappings / "people_to_brightpearl.yaml").write_text(BACK)
        yield Site(sandbox, tmp_path, mappings)


def there(site: Site) -> Any:
    site.pass_time(1)
    return site.run("people_to_salesforce")


def back(site: Site) -> Any:
    site.pass_time(1)
    return site.run("people_to_brightpearl")


def writes(site: Site) -> list[str]:
    """Writing calls since the log was cleared, tokens aside."""
    calls = site.sandbox.control("GET", "/log")
    sent = (
        each for each in calls if each["method"] not in ("GET", "OPTIONS") and "token" not in each["path"]
    )
    return [f"{each['method']} {each['path']}" for each in sent]


def linked(site: Site) -> tuple[str, str, str]:
    """A contact, with its account and contact in Salesforce."""
    key = min(site.there("Account"))
    return key, site.there("Account")[key]["Id"], site.there("Contact")[key]["Id"]


def edit_here(site: Site, key: str, **fields: str) -> None:
    """Edits a contact in Brightpearl."""
    paths = {
        "phone": "/communication/telephones/PRI",
        "email": "/communication/emails/PRI/email",
        "last": "/lastName",
        "first": "/firstName",
    }
    site.pass_time(1)
    operations = [{"op": "replace", "path": paths[name], "value": value} for name, value in fields.items()]
    site.brightpearl().patch(f"contact-service/contact/{key}", operations)


def edit_there(site: Site, name: str, row: str, **fields: str) -> None:
    """Edits a row in Salesforce."""
    site.pass_time(1)
    getattr(site.salesforce().sf, name).update(row, fields)


def here(site: Site, key: str) -> tuple[Any, ...]:
    contact = site.here("contact", "contactId")[key]
    lines = contact["communication"]
    return (
        contact["firstName"],
        contact["lastName"],
        lines["telephones"].get("PRI"),
        lines["emails"]["PRI"]["email"],
    )


def yonder(site: Site, key: str) -> tuple[Any, ...]:
    account, contact = site.there("Account")[key], site.there("Contact")[key]
    return contact["FirstName"], contact["LastName"], account["Phone"], contact["Email"]


def settle(site: Site) -> None:
    """Two rounds, after which a third one writes nothing and both sides agree."""
    for _ in range(2):
        there(site)
        back(site)
    site.sandbox.control("DELETE", "/log")
    there(site)
    back(site)
    assert [] == writes(site)


def test_what_one_side_wrote_causes_no_write_back(site: Site) -> None:
    there(site)
    settle(site)
    key, account, _ = linked(site)
    edit_here(site, key, email="new@example.com")
    assert 1 == there(site).counts.updated
    site.sandbox.control("DELETE", "/log")
    assert (1, []) == (back(site).counts.unchanged, writes(site))
    edit_there(site, "Account", account, Phone="17")
    assert 1 == back(site).counts.updated
    site.sandbox.control("DELETE", "/log")
    assert (1, []) == (there(site).counts.unchanged, writes(site))


def test_edits_of_different_fields_meet(site: Site) -> None:
    there(site)
    key, account, contact = linked(site)
    edit_here(site, key, email="new@example.com")
    edit_there(site, "Account", account, Phone="020 7946 0000")
    edit_there(site, "Contact", contact, FirstName="Ann")
    settle(site)
    assert here(site, key) == yonder(site, key)
    assert ("Ann", "020 7946 0000", "new@example.com") == (here(site, key)[0], *here(site, key)[2:])


@pytest.mark.parametrize("first", [there, back], ids=["forward first", "backward first"])
def test_a_field_that_both_changed_is_decided_by_its_rule(site: Site, first: Any) -> None:
    there(site)
    key, account, contact = linked(site)
    edit_there(site, "Account", account, Phone="1")
    edit_there(site, "Contact", contact, LastName="Salesforce", FirstName="Older")
    edit_here(site, key, phone="2", last="Brightpearl", first="Newer")
    summary = first(site)
    sides = "was changed in brightpearl and in salesforce"
    assert {
        f"Account.Phone {sides}: salesforce counts (1 rows)",
        f"Contact.LastName {sides}: brightpearl counts (1 rows)",
        f"Contact.FirstName {sides}: brightpearl counts (1 rows)",
    } == set(summary.warnings)
    settle(site)
    assert here(site, key)[:3] == yonder(site, key)[:3] == ("Newer", "Brightpearl", "1")


def test_a_new_account_becomes_one_contact_and_stays_one_account(site: Site) -> None:
    there(site)
    back(site)
    site.pass_time(1)
    org = site.salesforce().sf
    account = org.Account.create({"Name": "Analytical Engines", "Phone": "17"})["id"]
    org.Contact.create(
        {"AccountId": account, "FirstName": "Ada", "LastName": "L", "Email": "ada@example.com"}
    )
    accounts = len(site.sandbox.snapshot("salesforce", "Account"))
    assert 1 == back(site).counts.created
    settle(site)
    [made] = [each for each in site.here("contact", "contactId").values() if each["firstName"] == "Ada"]
    assert "Analytical Engines" == made["organisation"]["name"]
    assert accounts == len(site.sandbox.snapshot("salesforce", "Account"))
    assert account == site.there("Account")[str(made["contactId"])]["Id"]


def test_a_check_of_the_state_finds_fields_that_both_sides_have_left(site: Site) -> None:
    settle(site)
    wiring = site.wiring("people_to_salesforce")
    assert [] == check_state(site.environment, [wiring], None).findings
    key, account, _ = linked(site)
    edit_here(site, key, phone="+44 20 7946 0001")
    assert [] == check_state(site.environment, [wiring], None).findings
    edit_there(site, "Account", account, Phone="+44 20 7946 0002")
    [found] = check_state(site.environment, [wiring], None).findings
    what = f"Account.Phone of record {key}: neither side holds what both last agreed on"
    assert ("bases", what) == (found.check, found.what)
