"""The example DAGs of operators and sensor, run whole against the sandbox, deferred where they wait."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from airflow_provider_brightpearl import example_dags
from airflow_provider_brightpearl.sandbox.connections import airflow_connections

EXAMPLES = Path(str(example_dags.__file__)).parent

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def examples(site, sandbox):
    site.env["AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"] = "True"
    for details in airflow_connections(sandbox.url):
        site.env[f"AIRFLOW_CONN_{details.conn_id.upper()}"] = json.dumps(details.connection)
    site.keep_dags()
    for name in ("transfer", "infor_transaction", "record_sensor"):
        shutil.copy(EXAMPLES / f"example_{name}.py", site.home / "dags")
    return site


def test_transfer(examples, sandbox):
    folder = examples.home / "files"
    folder.mkdir()
    rows = "".join(f"x{number},Name {number}\n" for number in range(1100))
    (folder / "accounts.csv").write_text(f"Brightpearl_Id__c,Name\n{rows}")
    conf = json.dumps({"folder": f"file://{folder}"})
    examples.run("airflow", "dags", "test", "example_brightpearl_transfer", "-c", conf)
    files = sorted(file.name for file in folder.iterdir())
    assert ["accounts.csv", "contacts.jsonl", "orders.parquet"] == files
    keys = {row.get("Brightpearl_Id__c") for row in sandbox.snapshot("salesforce", "Account")}
    assert {"x0", "x1099"} <= keys


def test_infor_transaction(examples):
    examples.run("airflow", "dags", "test", "example_infor_transaction")


def test_record_sensor(examples):
    examples.run("airflow", "dags", "test", "example_brightpearl_record_sensor")
