"""Flows of a folder between the systems of a sandbox, without Airflow, in the sandbox's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.mapping.process import Bounds
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.http.oauth import BearerAuth, MemoryTokens
from airflow_provider_brightpearl.systems.http.time_limit import AnswerLimit
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.infor.auth import IonApp, ServiceAccountTokens
from airflow_provider_brightpearl.systems.infor.client import InforClient
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.login import login_errors
from airflow_provider_brightpearl.systems.system import System
from airflow_provider_brightpearl.testing.sandbox_control import SandboxControl

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

# long enough for a busy machine: a call that arrives after its time-out would arrive after the wait for it, too
READ_SECONDS = 60.0


@dataclass
class Place:
    """Where flows run in a test: systems, state database, staging.

    Args:
        sandbox: the systems; waiting moves its clock and takes no time.
        mappings: folder of the flow files.
        folder: of the staging files.
        database_url: of the state database.
        ahead: how far the clock of the workers is ahead of that of the systems.
        slept: seconds that flows have waited so far, by the sandbox's clock.
        bounds: of the processes that map.
        limit: of an answer; that of the product where None.
        opened: gets the staging folder each time a stage opens it.
    """

    sandbox: SandboxControl
    mappings: Path
    folder: Path
    database_url: str
    ahead: timedelta = timedelta()
    slept: float = 0.0
    bounds: Bounds = Bounds()
    limit: AnswerLimit | None = None
    opened: Callable[[Path], object] = lambda _: None
    tokens: MemoryTokens = field(default_factory=MemoryTokens)

    @cached_property
    def database(self) -> Engine:
        """The state database, with its tables."""
        return open_engine(self.database_url)

    @property
    def staging(self) -> Path:
        """The folder of the staging files."""
        return self.folder / "staging"

    @property
    def environment(self) -> Environment:
        """This place as the environment of flows."""
        return Environment(
            self.mappings,
            lambda: self.database,
            self._open_staging,
            self.connect,
            lambda system, conn_id: f"{system.name}:{conn_id or system.conn_id}",
            now=lambda: self.sandbox.now() + self.ahead,
            # what a fault has ended holds nobody up for minutes
            lease=timedelta(seconds=3),
            lease_wait=timedelta(seconds=10),
            mapping_bounds=self.bounds,
        )

    def _open_staging(self) -> Path:
        self.opened(self.staging)
        return self.staging

    def wiring(self, flow: str) -> Wiring:
        """The ports of a flow. Raises: Misconfigured: its file is missing or wrong."""
        return Wiring.of(flow, self.environment)

    def run(self, flow: str, run: str, **asked: Any) -> RunSummary:
        """Runs a flow up to now. Raises: SyncError."""
        return run_flow(self.wiring(flow), Request(RunKind.MANUAL, **asked), run)

    def sleep(self, seconds: float) -> None:
        """Waits by the sandbox's clock."""
        self.slept += seconds
        self.sandbox.advance(seconds)

    def connect(self, system: System, conn_id: str | None = None) -> Any:
        """A client of one of the sandbox's systems; each call logs in by itself."""
        return {"brightpearl": self._brightpearl, "salesforce": self._salesforce, "infor": self._infor}[
            system.name
        ]()

    def _brightpearl(self) -> BrightpearlClient:
        auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
        session = new_session(read_seconds=READ_SECONDS, limit=self.limit)
        return BrightpearlClient(
            self.sandbox.url,
            "acmetest",
            auth,
            session,
            sleep=self.sleep,
            now=self._seconds,
            chance=lambda: 0.5,
        )

    def _salesforce(self) -> SalesforceClient:
        from simple_salesforce import Salesforce

        login = {"consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret"}
        session = new_session(endpoint_override=self.sandbox.url, read_seconds=READ_SECONDS, limit=self.limit)
        with login_errors(session, "Salesforce refused the login"):
            org = Salesforce(**login, domain="acme.my", session=session)
        return SalesforceClient(org, sleep=self.sleep, chance=lambda: 0.5)

    def _infor(self) -> InforClient:
        app = IonApp.of(self.sandbox.control("GET", "/infor/ionapi"))
        session = new_session(read_seconds=READ_SECONDS, limit=self.limit)
        auth = BearerAuth(ServiceAccountTokens(app, self.tokens, session))
        return InforClient(
            app.gateway, app.tenant, auth, session, company="100", division="AAA", sleep=self.sleep,
            chance=lambda: 0.5,
        )  # fmt: skip

    def _seconds(self) -> float:
        """A monotonic clock in which waiting takes its time."""
        return time.monotonic() + self.slept
