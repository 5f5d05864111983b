"""Person accounts (reference, section 4.1)."""

from __future__ import annotations

import pytest

from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]


@pytest.fixture
def person(api: Api) -> str:
    """The record type of persons."""
    api.settings(person_accounts=True)
    api.sandbox.reset()
    api.login()
    return str(api.rows("SELECT Id FROM RecordType WHERE IsPersonType = true")[0]["Id"])


def test_a_contact_comes_and_changes_with_the_account(api: Api, person: str) -> None:
    body = {
        "RecordTypeId": person,
        "FirstName": "Ada",
        "LastName": "Marsh",
        "PersonEmail": "ada@example.test",
    }
    id = api.create("Account", **body)
    account = api("GET", f"sobjects/Account/{id}").json()
    assert ("Ada Marsh", True) == (account["Name"], account["IsPersonAccount"])
    contact = account["PersonContactId"]
    assert "ada@example.test" == api("GET", f"sobjects/Contact/{contact}").json()["Email"]
    api("PATCH", f"sobjects/Account/{id}", {"LastName": "Moss"})
    assert "Ada Moss" == api("GET", f"sobjects/Account/{id}").json()["Name"]
    assert "Moss" == api("GET", f"sobjects/Contact/{contact}").json()["LastName"]
    assert (400, "DELETE_FAILED") == api.refusal("DELETE", f"sobjects/Contact/{contact}")


def test_persons_and_businesses_have_other_names(api: Api, person: str) -> None:
    refused = "INVALID_FIELD_FOR_INSERT_UPDATE"
    body = {"RecordTypeId": person, "LastName": "Marsh", "Name": "Marsh"}
    assert (400, refused) == api.refusal("POST", "sobjects/Account", body)
    assert (400, "REQUIRED_FIELD_MISSING") == api.refusal(
        "POST", "sobjects/Account", {"RecordTypeId": person}
    )
    assert (400, refused) == api.refusal("POST", "sobjects/Account", {"Name": "A", "LastName": "Marsh"})
    assert api.create("Account", Name="A")


def test_orgs_without_them_do_not_know_the_fields(api: Api) -> None:
    names = [field["name"] for field in api("GET", "sobjects/Account/describe").json()["fields"]]
    assert "IsPersonAccount" not in names
    assert (400, "INVALID_FIELD") == api.refusal("POST", "sobjects/Account", {"Name": "A", "LastName": "B"})
