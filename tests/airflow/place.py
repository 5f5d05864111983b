"""This process's Airflow, connected to a sandbox, with a state database and staging of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_brightpearl.sandbox.connections import airflow_connections
from airflow_provider_brightpearl.sandbox.server import Sandbox


def connect_airflow(sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's usual connections lead to the sandbox, and what the flows keep lies in ``home``."""
    monkeypatch.setenv("AIRFLOW_HOME", str(home))
    for details in airflow_connections(sandbox.url):
        name = f"AIRFLOW_CONN_{details.conn_id.upper()}"
        monkeypatch.setenv(name, json.dumps(details.connection))
