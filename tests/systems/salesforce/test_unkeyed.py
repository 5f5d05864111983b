"""Contacts without a key that new contacts are, below an account of the sandbox."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_brightpearl.core.changes import Change
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.salesforce.unkeyed import unkeyed_contacts
from tests.systems.live import running_sandbox, salesforce, sandbox

__all__ = ["running_sandbox", "sandbox"]

KEY = "Brightpearl_Id__c"


def person(first: str, email: str | None) -> dict[str, Any]:
    return {"FirstName": first, "LastName": "Byron", "Email": email}


def new(key: str, first: str, email: str | None) -> Change:
    return Change("Contact", key, json.dumps(person(first, email)), "f", "1")


def test_a_contact_without_a_key_is_one_new_contact_at_most(sandbox: Sandbox) -> None:
    account = sandbox.control("POST", "/salesforce/Account", {"Name": "Engines", KEY: "1"})["Id"]

    def has(first: str, email: str | None, **more: Any) -> str:
        row = {"AccountId": account, **person(first, email), **more}
        return str(sandbox.control("POST", "/salesforce/Contact", row)["Id"])

    ada, bob, _ = has("Ada", "office@example.com"), has("Bob", None), has("Cy", None, **{KEY: "4"})
    client = salesforce(sandbox)

    def found(*wanted: Change, taken: tuple[str, ...] = ()) -> dict[str, str]:
        return unkeyed_contacts(client, KEY, wanted, {"1": account}, taken)

    # who shares the address of another comes after who has the name too
    assert {"2": ada} == found(new("1", "Dan", "office@example.com"), new("2", "Ada", "office@example.com"))
    assert {"1": bob} == found(new("1", "Bob", None), new("2", "Bob", "bob@example.com"))
    assert {} == found(new("1", "Bob", None), taken=(bob,))
    assert {} == found(new("4", "Bob", None))
