"""A merchant of the sandbox, freshly seeded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from tests.postgres import sqlite_url
from tests.systems.brightpearl.merchant import Merchant

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Settled(SqlIntents):
    """Intents of flows whose state is older than all records."""

    def began(self, flow: str) -> datetime | None:
        return LONG_AGO


@pytest.fixture
def merchant(module_sandbox: Sandbox, tmp_path: Path) -> Merchant:
    module_sandbox.control("DELETE", "/settings/brightpearl")
    module_sandbox.reset()
    return Merchant(module_sandbox, Settled(open_engine(sqlite_url(tmp_path))))
