"""A tenant of the sandbox, and sinks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from airflow_provider_brightpearl.core.changes import Change, RecordChange, RowResult
from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.systems.http.oauth import BearerAuth, MemoryTokens
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.infor.auth import IonApp, ServiceAccountTokens
from airflow_provider_brightpearl.systems.infor.client import InforClient, Transaction
from airflow_provider_brightpearl.systems.infor.sink import InforSink
from tests.systems.live import FastClock


def client_for(
    sandbox: Sandbox, tokens: MemoryTokens, session: requests.Session | None = None, **options: Any
) -> InforClient:
    app = IonApp.of(requests.get(f"{sandbox.url}/__sandbox/infor/ionapi", timeout=10).text)
    given: dict[str, Any] = {
        "company": "100", "division": "AAA", "settle_seconds": 0.0, "sleep": FastClock().sleep,
        "backoff": Backoff(tries=3), **options,
    }  # fmt: skip
    session = session or new_session()
    auth = BearerAuth(ServiceAccountTokens(app, tokens, session))
    return InforClient(app.gateway, app.tenant, auth, session, **given)


def flow(text: str) -> FlowSpec:
    return parse_flow(text, "test.yaml")


@dataclass
class Tenant:
    """One sandbox with the intents of a test."""

    sandbox: Sandbox
    intents: SqlIntents
    tokens: MemoryTokens = field(default_factory=MemoryTokens)

    def client(self, **options: Any) -> InforClient:
        return client_for(self.sandbox, self.tokens, **options)

    def sink(self, spec: FlowSpec, **options: Any) -> InforSink:
        return InforSink(self.client(**options), spec, self.intents, "run1")

    def write(self, spec: FlowSpec, records: Sequence[RecordChange], **options: Any) -> list[RowResult]:
        self.intents.start(spec.flow)
        return [result for results in self.sink(spec, **options).write(records) for result in results]

    def find(self, spec: FlowSpec, records: Sequence[RecordChange]) -> list[RowResult]:
        return [result for results in self.sink(spec).find(records) for result in results]

    def rows(self, collection: str, **wanted: str) -> list[dict[str, Any]]:
        mine = {"CONO": "100", **wanted}
        rows = self.sandbox.snapshot("infor", collection)
        return [row for row in rows if all(str(row.get(name, "")) == value for name, value in mine.items())]

    def switch(self, **settings: object) -> None:
        self.sandbox.control("POST", "/settings/infor", settings)

    def fault(self, **rule: object) -> None:
        self.sandbox.control("POST", "/faults", {"system": "infor", **rule})

    def calls(self) -> list[str]:
        """Program of each bulk or transaction call since the last reset, logins left out."""
        log = self.sandbox.control("GET", "/log?system=infor")
        return [entry["path"] for entry in log if "/m3api-rest/" in entry["path"]]

    def customer(self, *numbers: str, template: str = "WEB") -> None:
        fields = {"CUTM": template, "CUNM": "A", "CUA1": "1 High Street", "CSCD": "GB"}
        added = [Transaction("Add", {**fields, "CUNO": number}) for number in numbers]
        assert all(answer.done for answer in self.client().bulk("CRS610MI", added))


def change(
    name: str, key: str, fields: Mapping[str, Any], parent: str = "", target_id: str | None = None
) -> Change:
    payload = json.dumps(fields)
    return Change(name, key, payload, f"f{abs(hash(payload))}", parent, target_id)


def record(source_id: str, *changes: Change, **more: Any) -> RecordChange:
    return RecordChange(source_id, changes, **{"created_at": datetime.now(UTC), **more})
