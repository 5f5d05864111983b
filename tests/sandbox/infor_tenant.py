"""A small client for the simulated tenant, written from the reference and not from the product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_brightpearl.sandbox.server import Sandbox

Record = dict[str, Any]


class M3:
    """Calls below the gateway with a token of the service account; answers are requests' own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.file = sandbox.control("GET", "/infor/ionapi")
        self.root = f"{self.file['iu']}/{self.file['ti']}/M3/m3api-rest"
        self.http = requests.Session()
        self.http.trust_env = False
        self.login()

    def login(self) -> None:
        self.http.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def token(self, **changes: str) -> requests.Response:
        form = {
            "grant_type": "password",
            "username": self.file["saak"],
            "password": self.file["sask"],
            "client_id": self.file["ci"],
            "client_secret": self.file["cs"],
        }
        form.update(changes)
        return requests.post(self.file["pu"] + self.file["ot"], data=form, timeout=10)

    def get(self, path: str, version: str = "v2/", **more: Any) -> requests.Response:
        return self.http.get(f"{self.root}/{version}execute/{path}", timeout=30, **more)

    def single(self, program: str, transaction: str, **fields: Any) -> Record:
        answer = self.get(f"{program}/{transaction}", params=fields)
        assert answer.status_code == 200, answer.text
        found: Record = answer.json()
        return found

    def rows(self, program: str, transaction: str, **fields: Any) -> list[Record]:
        result = self.single(program, transaction, maxrecs=0, **fields)["results"][0]
        assert "errorMessage" not in result, result
        records: list[Record] = result["records"]
        return records

    def row(self, program: str, transaction: str, **fields: Any) -> Record:
        (found,) = self.rows(program, transaction, **fields)
        return found

    def code(self, program: str, transaction: str, **fields: Any) -> tuple[str, str]:
        """Code and field of a refusal."""
        result = self.single(program, transaction, **fields)["results"][0]
        return result.get("errorCode", "none"), result.get("errorField", "none")

    def post(self, body: Any, **more: Any) -> requests.Response:
        return self.http.post(f"{self.root}/v2/execute", json=body, timeout=30, **more)

    def bulk(self, program: str, *items: tuple[str, Record], **more: Any) -> Record:
        transactions = [{"transaction": name, "record": record} for name, record in items]
        answer = self.post({"program": program, "cono": 100, **more, "transactions": transactions})
        assert answer.status_code == 200, answer.text
        found: Record = answer.json()
        return found

    def settings(self, **values: Any) -> None:
        self.sandbox.control("POST", "/settings/infor", values)

    def fault(self, **rule: Any) -> None:
        self.settings(transaction_faults=[rule])

    def stored(self, collection: str) -> list[Record]:
        return [row for row in self.sandbox.snapshot("infor", collection) if row.get("CONO", "100") == "100"]

    def order(self, *lines: Record, **head: Any) -> str:
        """A temporary order with its lines; ITEM-1 twice when none are given."""
        (made,) = self.rows("OIS100MI", "AddBatchHead", **{"CUNO": "ACME01", "CUCD": "GBP", **head})
        orno = str(made["ORNO"])
        for line in lines or ({"ITNO": "ITEM-1", "ORQT": "2", "SAPR": "19.99"},):
            self.rows("OIS100MI", "AddBatchLine", ORNO=orno, **line)
        return orno

    def confirmed(self, *lines: Record, **head: Any) -> str:
        """An order; its real number."""
        row = self.row("OIS100MI", "Confirm", ORNO=self.order(*lines, **head))
        assert row["STAT"] == "90", row
        return str(row["ORNO"])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1, check_addresses=False) as running:
        yield running


@pytest.fixture
def m3(sandbox: Sandbox) -> M3:
    sandbox.reset()
    sandbox.control("DELETE", "/settings/infor")
    return M3(sandbox)
