"""Fields of the simulated org change while it runs, and describe says whether anything has changed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]


def changed(sandbox: Sandbox, **changes: Any) -> None:
    """Changes fields, by ``Object__Field``."""
    given = {name.replace("__", ".", 1): change for name, change in changes.items()}
    sandbox.control("POST", "/settings/salesforce", {"field_changes": given})


def described(api: Api, name: str = "Account") -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in api("GET", f"sobjects/{name}/describe").json()["fields"]}


def test_a_field_is_changed_removed_or_added(api: Api, sandbox: Sandbox) -> None:
    changed(
        sandbox,
        Account__Phone={"removed": True},
        Account__Site={"length": 3, "required": True},
        account__type={"restricted": True, "without_values": ["Customer"]},
        Account__Loyalty__c={"type": "string", "length": 5},
    )
    fields = described(api)
    assert "Phone" not in fields
    assert (3, False) == (fields["Site"]["length"], fields["Site"]["nillable"])
    assert "Customer" not in {each["value"] for each in fields["Type"]["picklistValues"]}
    assert ("string", 5) == (fields["Loyalty__c"]["type"], fields["Loyalty__c"]["length"])
    refused = api.refusal("POST", "sobjects/Account", {"Name": "A"})
    assert (400, "REQUIRED_FIELD_MISSING") == refused
    assert (400, "STRING_TOO_LONG") == api.refusal("POST", "sobjects/Account", {"Name": "A", "Site": "four"})
    api.create("Account", Name="A", Site="S", Loyalty__c="12345")
    changed(sandbox)
    assert "Phone" in described(api)


def test_describe_is_conditional_over_the_whole_org(api: Api, sandbox: Sandbox) -> None:
    def status(since: str) -> int:
        headers = {"If-Modified-Since": since}
        return api("GET", "sobjects/Account/describe", headers=headers).status_code

    api("GET", "sobjects")
    sandbox.control("POST", "/clock", {"now": "2027-01-01T12:00:00Z"})
    api.login()
    assert (304, 200) == (status("Fri, 01 Jan 2027 12:00:00 GMT"), status("Tue, 01 Jan 2019 00:00:00 GMT"))
    assert 200 == status("no date")
    changed(sandbox, Order__Description={"length": 10})
    sandbox.control("POST", "/clock", {"advance_seconds": 5})
    assert 200 == status("Fri, 01 Jan 2027 12:00:00 GMT")
    assert 304 == status("Fri, 01 Jan 2027 13:00:00 GMT")


@pytest.mark.parametrize("wrong", [{"Account.Name": {"lenght": 3}}, {"Account.Name": {"values": 3}}])
def test_a_change_that_is_none_is_an_error(api: Api, sandbox: Sandbox, wrong: dict[str, Any]) -> None:
    sandbox.control("POST", "/settings/salesforce", {"field_changes": wrong})
    assert 500 == api("GET", "sobjects/Account/describe").status_code
