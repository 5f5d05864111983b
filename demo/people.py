"""What people do in Salesforce and M3, by the systems' own APIs: customers, orders and returns, items, picks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from demo.sandbox import CONNECTIONS, Sandbox

SALESFORCE = "services/data/v62.0"
COMPANY = 100


class Salesforce:
    """A user of the org."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.root = f"{sandbox.url}/{SALESFORCE}"
        self._session = requests.Session()
        self._session.trust_env = False
        login = CONNECTIONS["salesforce_default"]["extra"]
        form = {
            "grant_type": "client_credentials",
            "client_id": login["consumer_key"],
            "client_secret": login["consumer_secret"],
        }
        token = self._session.post(f"{sandbox.url}/services/oauth2/token", data=form, timeout=30).json()
        self._session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def create(self, name: str, **values: Any) -> str:
        """The id of a new record."""
        return str(self._ask("POST", f"sobjects/{name}", values)["id"])

    def update(self, name: str, row: str, **values: Any) -> None:
        """Changes a record."""
        self._ask("PATCH", f"sobjects/{name}/{row}", values)

    def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        answer = self._session.request(method, f"{self.root}/{path}", json=body, timeout=30)
        if not answer.ok:
            raise RuntimeError(
                f"Salesforce answered {method} {path} with {answer.status_code}: {answer.text}"
            )
        return answer.json() if answer.content else None


class M3:
    """A user of the company."""

    def __init__(self, sandbox: Sandbox) -> None:
        file = sandbox.control("GET", "/infor/ionapi")
        self.root = f"{file['iu']}/{file['ti']}/M3/m3api-rest/v2/execute"
        self._session = requests.Session()
        self._session.trust_env = False
        form = {"grant_type": "password", "username": file["saak"], "password": file["sask"]}
        form |= {"client_id": file["ci"], "client_secret": file["cs"]}
        token = self._session.post(file["pu"] + file["ot"], data=form, timeout=30).json()
        self._session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def run(self, program: str, transaction: str, **fields: Any) -> list[dict[str, Any]]:
        """The records that a transaction answers."""
        record = {name: str(value) for name, value in fields.items()}
        body = {
            "program": program,
            "cono": COMPANY,
            "transactions": [{"transaction": transaction, "record": record}],
        }
        answer = self._session.post(self.root, json=body, timeout=30)
        answer.raise_for_status()
        [result] = answer.json()["results"]
        if "errorMessage" in result:
            raise RuntimeError(f"M3 answered {program} {transaction}: {result['errorMessage']}")
        return list(result.get("records", ()))
