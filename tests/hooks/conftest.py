"""Airflow reads its home when it is first imported, so it is set here, before any test module is."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.systems.live import running_sandbox, sandbox

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="brightpearl-airflow-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

__all__ = ["connect", "running_sandbox", "sandbox"]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Defines an Airflow connection for the time of a test."""

    def define(conn_id: str, **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return define
