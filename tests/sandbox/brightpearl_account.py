"""Calls to the simulated account, as plainly as `requests` makes them."""

from __future__ import annotations

from typing import Any

import requests

PRIVATE = {"brightpearl-app-ref": "acmetest_sandbox", "brightpearl-staff-token": "sandbox-staff-token"}
TOKEN_FORM = {
    "grant_type": "refresh_token",
    "client_id": "sandbox-oauth-app",
    "client_secret": "sandbox-oauth-secret",
    "refresh_token": "sandbox+refresh/token==",
}


class Account:
    def __init__(self, url: str) -> None:
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False
        self.session.headers.update(PRIVATE)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}/public-api/acmetest/{path}", json=body, **more)

    def get(self, path: str) -> requests.Response:
        return self.call("GET", path)

    def read(self, path: str) -> Any:
        found = self.get(path)
        assert found.status_code == 200, found.text
        return found.json()["response"]

    def make(self, path: str, body: Any) -> Any:
        found = self.call("POST", path, body)
        assert found.status_code == 200, found.text
        return found.json()["response"]

    def search(self, path: str) -> list[dict[str, Any]]:
        found = self.read(path)
        names = [column["name"] for column in found["metaData"]["columns"]]
        return [dict(zip(names, row, strict=True)) for row in found["results"]]
