"""One sandbox, one state database, and flows that run between them, without Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from simple_salesforce import Salesforce
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Crosswalk, DeadLetters
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.infor.client import InforClient
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.system import System
from tests.postgres import sqlite_url
from tests.systems.infor.m3 import client_for

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"


def address_of(system: System, conn_id: str | None) -> str:
    """Replaces a connection's address where there are no connections."""
    return f"{system.name}:{conn_id or system.conn_id}"


@dataclass
class Site:
    """The environment of flows; ``mappings`` is the folder of their files."""

    sandbox: Sandbox
    folder: Path
    mappings: Path = MAPPINGS
    tokens: MemoryTokens = field(default_factory=MemoryTokens)
    runs: int = 0
    latest: str = "orders_to_salesforce"
    database: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.database = open_engine(sqlite_url(self.folder))
        self.ledger = SqlLedger(self.database)

    @property
    def crosswalk(self) -> Crosswalk:
        """That of the pair whose flow ran last."""
        return self.wiring(self.latest).crosswalk

    def forget(self, flow: str, name: str, key: str) -> None:
        """Unbinds a row whose key is the id of its record."""
        rows = self.crosswalk.of_records(flow, [key])
        self.crosswalk.unbind([each for each in rows if (each.object, each.key) == (name, key)])

    @property
    def letters(self) -> DeadLetters:
        """Those of the pair whose flow ran last."""
        return self.wiring(self.latest).letters

    def watermark(self, name: str) -> datetime | None:
        return self.ledger.watermark(name, self.wiring(name).pair)

    @property
    def environment(self) -> Environment:
        """This site as the environment of flows, with the sandbox's clock."""
        return Environment(
            self.mappings,
            lambda: self.database,
            lambda: self.folder / "staging",
            self.connect,
            address_of,
            now=self.now,
        )

    def wiring(self, name: str) -> Wiring:
        return Wiring.of(name, self.environment)

    def run(self, name: str, **asked: Any) -> RunSummary:
        """Runs a flow up to the sandbox's now."""
        self.runs += 1
        self.latest = name
        return run_flow(self.wiring(name), Request(RunKind.MANUAL, **asked), f"run{self.runs}")

    def connect(self, system: System, conn_id: str | None = None) -> Any:
        return {"brightpearl": self.brightpearl, "salesforce": self.salesforce, "infor": self.infor}[
            system.name
        ]()

    def now(self) -> datetime:
        """The sandbox's clock."""
        return self.sandbox.now()

    def pass_time(self, minutes: int) -> None:
        self.sandbox.control("POST", "/clock", {"advance_seconds": 60 * minutes})

    def act(self, **events: int) -> dict[str, list[int]]:
        """A day in Brightpearl, stamped five minutes from now; then five more pass, so that a run sees it."""
        self.pass_time(5)
        touched: dict[str, list[int]] = self.sandbox.control("POST", "/brightpearl/activity", events)
        self.pass_time(5)
        return touched

    def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Writes into a stored record past every check."""
        self.sandbox.control("PATCH", path, dict(change))

    def there(self, name: str, key: str = "Brightpearl_Id__c") -> dict[str, dict[str, Any]]:
        """The rows of a Salesforce object by their key."""
        return {row[key]: row for row in self.sandbox.snapshot("salesforce", name) if row.get(key)}

    def here(self, name: str, key: str = "id") -> dict[str, dict[str, Any]]:
        """The records of a Brightpearl collection by id."""
        return {str(row[key]): row for row in self.sandbox.snapshot("brightpearl", name)}

    def m3(self, collection: str) -> list[dict[str, Any]]:
        """The rows of a table of M3's company."""
        return [row for row in self.sandbox.snapshot("infor", collection) if row.get("CONO") == "100"]

    def brightpearl(self) -> BrightpearlClient:
        auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
        return BrightpearlClient(self.sandbox.url, "acmetest", auth, new_session())

    def salesforce(self) -> SalesforceClient:
        login = {"consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret"}
        session = new_session(endpoint_override=self.sandbox.url)
        return SalesforceClient(Salesforce(**login, domain="acme.my", session=session))

    def infor(self) -> InforClient:
        return client_for(self.sandbox, self.tokens)
