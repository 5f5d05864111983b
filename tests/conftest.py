"""Fixtures of all tests."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from tests.postgres import bare_url, clear, postgres_url, state_url

# machines of CI are slow at times; HYPOTHESIS_PROFILE=long looks for days rather than seconds
_UNHURRIED: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("normal", max_examples=100, **_UNHURRIED)
settings.register_profile("long", max_examples=1_000_000, print_blob=True, **_UNHURRIED)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "normal")
settings.load_profile(PROFILE)

# the sandbox of most tests has no quota; those about it set one, as they need it
os.environ.setdefault("AIRFLOW__BRIGHTPEARL__BRIGHTPEARL_CALLS_PER_MINUTE", "0")


@sa.event.listens_for(Engine, "connect")
def _write_without_waiting(connection: object, _: object) -> None:
    # no test cuts the power
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


__all__ = ["bare_url", "database_url", "engine", "postgres_url"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, in files of their own: begun last, one of them would keep all workers but one waiting."""
    items.sort(
        key=lambda item: not (item.get_closest_marker("system") or item.get_closest_marker("benchmark"))
    )
    # what tries 100,000 examples does not hang; cut off in one of them, Hypothesis would call that one flaky
    if PROFILE == "long":
        for item in items:
            if item.get_closest_marker("hypothesis"):
                item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a state database, once on SQLite and once on PostgreSQL."""
    return state_url(request.param, request, tmp_path)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The state database, empty for every test."""
    engine = open_engine(database_url)
    yield engine
    clear(engine)


@pytest.fixture(scope="module")
def module_sandbox() -> Iterator[Sandbox]:
    """One small world per test module, the same in every run."""
    until = datetime(2026, 3, 31, 12, tzinfo=UTC)
    quiet: dict[str, dict[str, object]] = {
        "brightpearl": {"throttle": False},
        "salesforce": {"bulk_polls": 0},
    }
    with Sandbox(customers=14, products=10, orders=45, seed=7, until=until, settings=quiet) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(module_sandbox: Sandbox) -> Sandbox:
    """The module's sandbox as it was seeded, half an hour after its history ends."""
    module_sandbox.reset()
    for system in ("brightpearl", "salesforce"):
        module_sandbox.control("DELETE", f"/settings/{system}")
    module_sandbox.control("POST", "/clock", {"now": "2026-03-31T12:30:00Z"})
    return module_sandbox
