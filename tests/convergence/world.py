"""Brightpearl and Salesforce with people that edit both, and runs of both directions, stage by stage."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, cast

import requests
import sqlalchemy as sa
from simple_salesforce import Salesforce

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.runtime import run as stages
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.infor.client import InforClient
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from tests.flows.site import Site
from tests.sandbox.salesforce_org import Api
from tests.systems.infor.m3 import client_for

BEGIN = datetime(2026, 3, 31, 12, tzinfo=UTC)


class Killed(BaseException):
    """The process of a run dies here; nothing catches it."""


@dataclass
class Fuse:
    """Kills a run at one of its steps: before it sends a request, after the other side has taken it, before a commit.

    ``left`` counts the steps, from the first request that writes on if ``from_write``; below 0 nothing is killed.
    """

    left: int = -1
    from_write: bool = False

    def light(self, steps: int, *, from_write: bool = False) -> None:
        self.left, self.from_write = steps, from_write

    def burn(self, *, writes: bool = False) -> None:
        self.from_write &= not writes
        if self.left < 0 or self.from_write:
            return
        self.left -= 1
        if self.left < 0:
            raise Killed


class MortalSession:
    """Sends the requests of one session, as long as the fuse lasts."""

    def __init__(self, session: requests.Session, fuse: Fuse) -> None:
        self._send, self._fuse = session.send, fuse
        session.send = self.send  # type: ignore[method-assign]

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if "token" in (request.url or ""):
            return self._send(request, **options)
        self._fuse.burn(writes=request.method != "GET")
        answer = self._send(request, **options)
        self._fuse.burn()
        return answer


@dataclass
class OpenRun:
    """A run of one flow, of which some stages are done."""

    name: str
    run: str
    world: World
    done: list[str] = field(default_factory=list)
    summary: RunSummary | None = None
    error: SyncError | None = None

    @cached_property
    def _steps(self) -> Iterator[str]:
        return self._stages()

    def _stages(self) -> Iterator[str]:
        wiring = self.world.wiring(self.name)
        extracted = stages.extract(wiring, Request(RunKind.MANUAL), self.run)
        yield "extract"
        info = extracted.run
        mapped = [stages.transform(wiring, info, part) for part in extracted.parts]
        yield "transform"
        judged = stages.gate(wiring, info, mapped) if mapped else None
        yield "gate"
        loads = [stages.load(wiring, info, part, judged) for part in mapped] if judged else []
        yield "load"
        self.summary = stages.settle(wiring, info, extracted.parts, mapped, judged, loads)

    def step(self) -> str:
        """Runs the next stage and names it; ``settle`` is the last one."""
        self.world.pass_time(1)
        try:
            stage = next(self._steps, "settle")
        except SyncError as error:
            self.error, stage = error, "failed"
        except Killed:
            stage = "killed"
        self.done.append(stage)
        return stage

    def finish(self) -> str:
        """Runs what is left; gives ``settle``, ``failed`` or ``killed``."""
        while not self.ended:
            self.step()
        return self.done[-1]

    @property
    def ended(self) -> bool:
        return bool(self.done) and self.done[-1] in ("settle", "failed", "killed")


class World(Site):
    """A site whose clock stands still within a step, and that begins anew in milliseconds."""

    moment = BEGIN
    systems = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fuse = Fuse()
        sa.event.listen(self.database, "commit", lambda _: self.fuse.burn())
        self.sandbox.control("POST", "/clock", {"now": BEGIN.isoformat(), "speed": 0})
        self.connect_all()

    @property
    def environment(self) -> Environment:
        """Without leases: what runs of one flow do beside each other converges too, as where a lease has run out."""
        return replace(super().environment, lease=timedelta(0))

    def keep(self) -> None:
        """Keeps both systems and the state, for ``begin``."""
        self.sandbox.control("POST", "/keep")
        self._kept, self._moment = sqlite3.connect(":memory:"), self.moment
        with self._state() as state:
            state.backup(self._kept)

    def begin(self) -> None:
        """Returns to what was kept."""
        self.sandbox.control("POST", "/back")
        self.moment = self._moment
        self.runs, self.fuse.left = 0, -1
        # its mark would show that the state is an older copy
        shutil.rmtree(self.folder / "staging", ignore_errors=True)
        with self._state() as state:
            self._kept.backup(state)

    @contextmanager
    def _state(self) -> Iterator[sqlite3.Connection]:
        raw = self.database.raw_connection()
        try:
            # as both lines of SQLAlchemy name it
            yield cast(sqlite3.Connection, raw.dbapi_connection)
        finally:
            raw.close()

    def connect_all(self) -> None:
        """Opens the connections of people and of runs."""
        self.people = Api(self.sandbox)
        self.desk = self._brightpearl(requests.Session())
        session = new_session(endpoint_override=self.sandbox.url)
        login = {"consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret"}
        MortalSession(session, self.fuse)
        self._org = SalesforceClient(Salesforce(**login, domain="acme.my", session=session), sleep=self.sleep)
        session = new_session()
        MortalSession(session, self.fuse)
        self._account = self._brightpearl(session)
        session = new_session()
        MortalSession(session, self.fuse)
        # logged in once: the clock goes faster than its limits
        self.sandbox.control(
            "POST",
            "/settings/infor",
            {"throttle": False, "limit_logins": False, "token_seconds": 10**9},
        )
        self.m3_people = client_for(self.sandbox, self.tokens, sleep=self.sleep)
        self._m3 = client_for(self.sandbox, self.tokens, session=session, sleep=self.sleep)

    def _brightpearl(self, session: requests.Session) -> BrightpearlClient:
        auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
        return BrightpearlClient(self.sandbox.url, "acmetest", auth, session, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        """Waits without waiting."""

    def brightpearl(self) -> BrightpearlClient:
        return self._account

    def salesforce(self) -> SalesforceClient:
        return self._org

    def infor(self) -> InforClient:
        return self._m3

    def now(self) -> datetime:
        return self.moment

    def pass_time(self, minutes: int) -> None:
        self.moment += timedelta(minutes=minutes)
        self.sandbox.control("POST", "/clock", {"now": self.moment.isoformat()})

    def start(self, name: str) -> OpenRun:
        self.runs += 1
        self.latest = name
        return OpenRun(name, f"run{self.runs}", self)

    def writes(self) -> list[str]:
        """Writing calls since the log was cleared, without tokens, and without M3, which is read by POST as well."""
        calls = [each for each in self.sandbox.control("GET", "/log") if each["system"] != "infor"]
        sent = (
            each for each in calls if each["method"] not in ("GET", "OPTIONS") and "token" not in each["path"]
        )
        return [f"{each['method']} {each['path']}" for each in sent]


class Chain(World):
    """The same with M3."""

    systems = 3
