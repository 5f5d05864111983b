"""Airflow reads its home when it is first imported, so it is set here, before any test module is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_brightpearl.compat import airflow_version
from demo.processes import output_of

HOME = Path(os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="brightpearl-airflow-")))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "False")

CUSTOMERS = """
flow: customers_to_salesforce
description: Contacts become accounts.
source: brightpearl.contacts
target: salesforce
schedule: "0 0 * * *"
objects:
  Account:
    key: {Brightpearl_Contact_Id__c: id}
    fields: {Name: companyName}
"""
ORDERS = """
flow: orders_to_salesforce
description: Sales orders with their rows.
source: brightpearl.sales_orders
target: salesforce
after: [customers_to_salesforce]
schedule: "*/15 * * * *"
timezone: Europe/London
window: {lookback: 30m, delay: 2m}
objects:
  Order:
    key: {Brightpearl_Order_Id__c: id}
    fields: {Status: "coalesce(a, '|')"}
"""


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """A mappings folder with two flows."""
    folder = tmp_path / "include" / "mappings"
    folder.mkdir(parents=True)
    (folder / "customers_to_salesforce.yaml").write_text(CUSTOMERS)
    (folder / "orders_to_salesforce.yaml").write_text(ORDERS)
    return folder


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command of this interpreter's environment in a home of its own; gives code and output."""

    def start(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
        own = {
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "COLUMNS": "200",
        }
        program, *arguments = command
        tool = [sys.executable] if program == "python" else [str(Path(sys.executable).parent / program)]
        return output_of([*tool, *arguments], env=os.environ | own | env)

    return start


@pytest.fixture(scope="session", autouse=True)
def _providers_are_known() -> None:
    """Airflow 2 imports its own hooks for the first asset; what old dependencies warn of there is not ours."""
    if airflow_version() < (3, 0):
        from airflow.providers_manager import ProvidersManager

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ProvidersManager()
