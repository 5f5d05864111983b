"""The sandbox over real HTTP, and clients for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from simple_salesforce import Salesforce

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.http.quota import LocalBudget
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=30, products=12, orders=1300, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """The sandbox as seeded, without throttle."""
    running_sandbox.reset()
    switch(running_sandbox, "brightpearl", throttle=False, throttle_limit=200, throttle_seconds=60)
    switch(running_sandbox, "salesforce", session_seconds=7200, bulk_polls=1)
    return running_sandbox


def switch(sandbox: Sandbox, system: str, **settings: object) -> None:
    sandbox.control("POST", f"/settings/{system}", settings)


def fault(sandbox: Sandbox, **rule: object) -> None:
    sandbox.control("POST", "/faults", rule)


@dataclass(frozen=True)
class FastClock:
    """Real time that runs ``speed`` times as fast."""

    speed: float = 100.0
    naps: list[float] = field(default_factory=list)

    def now(self) -> float:
        return time.monotonic() * self.speed

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        time.sleep(seconds / self.speed)


def brightpearl(sandbox: Sandbox, clock: FastClock | None = None, **options: Any) -> BrightpearlClient:
    clock = clock or FastClock()
    auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
    return BrightpearlClient(
        sandbox.url, "acmetest", auth, budget=LocalBudget(), sleep=clock.sleep, now=clock.now, **options
    )


def salesforce(sandbox: Sandbox, sleep: Callable[[float], None] | None = None) -> SalesforceClient:
    session = new_session(endpoint_override=sandbox.url)
    sf = Salesforce(
        consumer_key="sandbox-consumer-key",
        consumer_secret="sandbox-consumer-secret",
        domain="acme.my",
        session=session,
    )
    return SalesforceClient(sf, sleep=sleep or FastClock().sleep)
