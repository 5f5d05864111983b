"""A small client for the simulated org, written from the reference and not from the product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_brightpearl.sandbox.server import Sandbox

KEY, SECRET = "sandbox-consumer-key", "sandbox-consumer-secret"
VERSION = "v62.0"


class Api:
    """Calls below /services/data/vNN.N with a token; answers are requests' own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = requests.Session()
        self.http.trust_env = False
        self.login()

    def login(self) -> None:
        answer = self.token({"grant_type": "client_credentials"}, auth=(KEY, SECRET))
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def token(self, form: dict[str, str], **more: Any) -> requests.Response:
        return requests.post(f"{self.sandbox.url}/services/oauth2/token", data=form, timeout=10, **more)

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        root = self.sandbox.url if path.startswith("/") else f"{self.sandbox.url}/services/data/{VERSION}/"
        return self.http.request(method, root + path, json=body, timeout=30, **more)

    def query(self, text: str, resource: str = "query") -> Any:
        return self("GET", f"{resource}/", params={"q": text}).json()

    def rows(self, text: str, resource: str = "query") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.query(text, resource)["records"]
        return found

    def create(self, name: str, **values: Any) -> str:
        answer = self("POST", f"sobjects/{name}", values)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def refusal(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
        answer = self(method, path, body, **more)
        return answer.status_code, answer.json()[0]["errorCode"]

    def upsert(self, name: str, key: str, rows: list[dict[str, Any]], whole: bool = False) -> Any:
        records = [{"attributes": {"type": name}, **row} for row in rows]
        path = f"composite/sobjects/{name}/{key}"
        return self("PATCH", path, {"allOrNone": whole, "records": records}).json()

    def merge(self, name: str, master: str, *losers: str, **values: str) -> requests.Response:
        """merge() of the SOAP API, which REST does not have."""
        token = str(self.http.headers["Authorization"]).removeprefix("Bearer ")
        fields = "".join(f"<o:{field}>{value}</o:{field}>" for field, value in values.items())
        merged = "".join(f"<u:recordToMergeIds>{each}</u:recordToMergeIds>" for each in losers)
        body = (
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:u="urn:partner.soap.sforce.com" xmlns:o="urn:sobject.partner.soap.sforce.com"><soapenv:Header>'
            f"<u:SessionHeader><u:sessionId>{token}</u:sessionId></u:SessionHeader></soapenv:Header><soapenv:Body>"
            f"<u:merge><u:request><u:masterRecord><o:type>{name}</o:type><o:Id>{master}</o:Id>{fields}</u:masterRecord>"
            f"{merged}</u:request></u:merge></soapenv:Body></soapenv:Envelope>"
        )
        return requests.post(f"{self.sandbox.url}/services/Soap/u/59.0", data=body, timeout=10)

    def settings(self, **values: Any) -> None:
        self.sandbox.control("POST", "/settings/salesforce", values)

    def standard_book(self) -> str:
        return str(self.rows("SELECT Id FROM Pricebook2 WHERE IsStandard = true")[0]["Id"])

    def book(self, name: str) -> str:
        return str(self.rows(f"SELECT Id FROM Pricebook2 WHERE Name = '{name}'")[0]["Id"])

    def priced_product(self, price: str = "10.00", **more: Any) -> tuple[str, str]:
        """A product with a standard price; ids of the product and of the entry."""
        product = self.create("Product2", Name="Lamp", IsActive=True, **more)
        book = self.standard_book()
        entry = self.create(
            "PricebookEntry", Product2Id=product, Pricebook2Id=book, UnitPrice=price, IsActive=True
        )
        return product, entry

    def draft_order(self, **more: Any) -> str:
        account = self.create("Account", Name="Buyer")
        values = {"AccountId": account, "EffectiveDate": "2026-01-31", "Status": "Draft", **more}
        values.setdefault("Pricebook2Id", self.standard_book())
        return self.create("Order", **values)

    def bulk(
        self, name: str, text: str, operation: str = "upsert", key: str = "Brightpearl_Id__c", **more: Any
    ) -> dict[str, Any]:
        """Run an ingest job to its end and give it."""
        body = {"object": name, "operation": operation, **more}
        if operation == "upsert":
            body["externalIdFieldName"] = key
        job = self("POST", "jobs/ingest", body).json()
        path = f"jobs/ingest/{job['id']}"
        put = self("PUT", f"{path}/batches", data=text.encode(), headers={"Content-Type": "text/csv"})
        assert put.status_code == 201, put.text
        self("PATCH", path, {"state": "UploadComplete"})
        for _ in range(100):
            job = self("GET", path).json()
            if job["state"] in ("JobComplete", "Failed", "Aborted"):
                break
        return dict(job)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1, check_addresses=False) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    sandbox.reset()
    sandbox.control("DELETE", "/settings/salesforce")
    return Api(sandbox)
