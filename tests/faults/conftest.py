"""Trials on PostgreSQL take place at the server that the other tests use, if it answers."""

from __future__ import annotations

import os

import psycopg2
import pytest

from airflow_provider_brightpearl.testing.databases import SERVER
from tests import postgres


def pytest_configure() -> None:
    """Names the server, where it answers."""
    try:
        postgres.run_there("SELECT 1")
    except psycopg2.OperationalError:
        if os.environ.get("BRIGHTPEARL_REQUIRE_POSTGRES") == "1":
            raise pytest.UsageError("no PostgreSQL for the trials") from None
        os.environ.pop(SERVER, None)
    else:
        os.environ.setdefault(SERVER, postgres.DEFAULT)
