"""The simulated org as simple-salesforce sees it: a client this project did not write (reference, 1.2)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.sandbox.salesforce_org import KEY, SECRET, Api, api, sandbox
from tests.sandbox.test_salesforce_jsforce import PACKAGE

simple_salesforce = pytest.importorskip("simple_salesforce")

__all__ = ["api", "sandbox"]


class ToSandbox(HTTPAdapter):
    """simple-salesforce knows https only; this sends its calls to a plain local address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.netloc = urlsplit(url).netloc

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        assert request.url
        parts = urlsplit(request.url)
        request.url = urlunsplit(("http", self.netloc, parts.path, parts.query, ""))
        return super().send(request, *args, **kwargs)


@pytest.fixture
def http(api: Api) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", ToSandbox(api.sandbox.url))
        yield session


@pytest.fixture
def client(http: requests.Session) -> Any:
    return simple_salesforce.Salesforce(
        consumer_key=KEY, consumer_secret=SECRET, domain="acme.my", session=http, version="59.0"
    )


def test_soap_and_password_login(http: requests.Session) -> None:
    user = {"username": "integration@acme.example", "password": "sandbox-password"}
    soap = simple_salesforce.Salesforce(**user, security_token="sandboxtoken", session=http)
    oauth = simple_salesforce.Salesforce(**user, consumer_key=KEY, consumer_secret=SECRET, session=http)
    assert 5 == soap.query("SELECT COUNT() FROM Account")["totalSize"]
    assert 5 == oauth.query("SELECT COUNT() FROM Account")["totalSize"]
    with pytest.raises(simple_salesforce.exceptions.SalesforceAuthenticationFailed):
        simple_salesforce.Salesforce(**{**user, "password": "x"}, security_token="y", session=http)


def test_describe_limits_and_usage(client: Any) -> None:
    assert "Account" in [one["name"] for one in client.describe()["sobjects"]]
    assert "Name" in [field["name"] for field in client.Account.describe()["fields"]]
    client.limits()
    assert 100_000 == client.api_usage["api-usage"].total


def test_records(client: Any) -> None:
    made = client.Account.create({"Name": "A", "Brightpearl_Id__c": "7"})
    assert made["success"]
    assert 204 == client.Account.update(made["id"], {"Name": "B"})
    assert "B" == client.Account.get_by_custom_id("Brightpearl_Id__c", "7")["Name"]
    assert 200 == client.Account.upsert("Brightpearl_Id__c/7", {"Name": "C"})
    assert 201 == client.Account.upsert("Brightpearl_Id__c/8", {"Name": "D"})
    assert 204 == client.Account.delete(made["id"])
    with pytest.raises(simple_salesforce.exceptions.SalesforceResourceNotFound):
        client.Account.get(made["id"])
    with pytest.raises(simple_salesforce.exceptions.SalesforceMalformedRequest, match="INVALID_FIELD"):
        client.Account.create({"Name": "A", "Nope__c": 1})


def test_keys_with_a_slash(client: Any) -> None:
    key = simple_salesforce.format.format_external_id("Brightpearl_Id__c", "a b/c#d")
    assert 201 == client.Account.upsert(key, {"Name": "A"})
    found = client.query("SELECT Brightpearl_Id__c FROM Account WHERE Name = 'A'")
    assert "a b/c#d" == found["records"][0]["Brightpearl_Id__c"]


def test_several_matches(client: Any) -> None:
    for name in ("A", "B"):
        client.Account.create({"Name": name, "Legacy_Code__c": "L"})
    with pytest.raises(simple_salesforce.exceptions.SalesforceMoreThanOneRecord):
        client.Account.upsert("Legacy_Code__c/L", {"Name": "C"})


def test_query_pages(client: Any, api: Api) -> None:
    api.settings(page_max=2)
    names = [row["Name"] for row in client.query_all_iter("SELECT Name FROM Account ORDER BY Name")]
    assert (5, "Harbour & Finch Ltd") == (len(names), names[0])
    text = simple_salesforce.format_soql(
        "SELECT Id FROM Account WHERE Name IN {}", ["O'Brien \\ Co", names[0]]
    )
    assert 1 == client.query(text)["totalSize"]


def test_collections(client: Any) -> None:
    records = [
        {"attributes": {"type": "Account"}, "Name": "A", "Brightpearl_Id__c": str(i)} for i in range(3)
    ]
    path = "composite/sobjects/Account/Brightpearl_Id__c"
    answer = client.restful(path, method="PATCH", json={"allOrNone": False, "records": records})
    assert [True] * 3 == [row["created"] for row in answer]


def test_search(client: Any) -> None:
    client.Contact.create({"LastName": "Finch", "Email": "finch@example.test"})
    found = client.quick_search("Finch")["searchRecords"]
    assert {"Account", "Contact"} == {each["attributes"]["type"] for each in found}
    sosl = "FIND {harb* AND} IN NAME FIELDS RETURNING Account(Id, Name WHERE Type = 'Trade' LIMIT 5)"
    (only,) = client.search(sosl.replace(" AND", ""))["searchRecords"]
    assert "Harbour & Finch Ltd" == only["Name"]
    assert [] == client.search("FIND {nobody at all}")["searchRecords"]
    with pytest.raises(simple_salesforce.exceptions.SalesforceMalformedRequest, match="MALFORMED_SEARCH"):
        client.search("SELECT Id FROM Account")


def test_deploy_by_soap(client: Any, api: Api, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for name, text in PACKAGE.items():
            archive.writestr(name, text)
    id, state = client.deploy(str(tmp_path / "package.zip"), sandbox=False)["asyncId"], "Pending"
    assert id.startswith("0Af")
    for _ in range(3):
        state = client.checkDeployStatus(id)["state"]
    assert "Succeeded" == state
    assert client.query("SELECT Id FROM Account LIMIT 1")["totalSize"] == 1


def test_texts_of_query_errors_have_the_place(client: Any) -> None:
    with pytest.raises(simple_salesforce.exceptions.SalesforceMalformedRequest) as refused:
        client.query("SELECT Id, Nme FROM Account")
    assert refused.value.content[0]["message"] == (
        "\nSELECT Id, Nme FROM Account\n           ^\nERROR at Row:1:Column:12\n"
        "No such column 'Nme' on entity 'Account'. If you are attempting to use a custom field, be sure to append "
        "the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )


def test_expired_session_logs_in_again(client: Any, api: Api) -> None:
    api.sandbox.control("POST", "/clock", {"advance_seconds": 8000})
    assert 5 == client.query("SELECT COUNT() FROM Account")["totalSize"]


def test_bulk2_upsert_with_failures(client: Any) -> None:
    records = [{"Brightpearl_Id__c": str(i), "Name": f"N{i}" if i % 5 else "x" * 300} for i in range(20)]
    job = client.bulk2.Account.upsert(records=records, external_id_field="Brightpearl_Id__c", wait=0.01)[0]
    assert (4, 20) == (job["numberRecordsFailed"], job["numberRecordsProcessed"])
    bad = list(csv.DictReader(io.StringIO(client.bulk2.Account.get_failed_records(job["job_id"]))))
    good = list(csv.DictReader(io.StringIO(client.bulk2.Account.get_successful_records(job["job_id"]))))
    assert {"0", "5", "10", "15"} == {row["Brightpearl_Id__c"] for row in bad}
    assert all("STRING_TOO_LONG" in row["sf__Error"] for row in bad)
    assert 16 == len(good)
    assert client.bulk2.Account.get_unprocessed_records(job["job_id"]) is not None


def test_bulk2_query_pages(client: Any) -> None:
    pages = list(client.bulk2.Account.query("SELECT Id, Name FROM Account", max_records=2, wait=0.01))
    assert [2, 2, 1] == [len(list(csv.DictReader(io.StringIO(page)))) for page in pages]
