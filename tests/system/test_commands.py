"""Commands beside a real Airflow: its database holds the connections, and its DAG runs go first."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

FLOW = "products_to_salesforce"

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def test_a_flow_runs_by_command_with_connections_of_the_database_and_keeps_its_name_while_its_dag_does(
    site, sandbox
):
    site.keep_dags(f"brightpearl_{FLOW}.py")
    for name in ("brightpearl_default", "salesforce_default"):
        connection = site.env.pop(f"AIRFLOW_CONN_{name.upper()}")
        site.run("airflow", "connections", "add", name, "--conn-json", connection)
    assert "ok       brightpearl_default" in site.run("brightpearl", "connections", "check", "brightpearl")

    assert f"{FLOW}: " in site.run("brightpearl", "run", FLOW)
    [ran] = site.ledger(FLOW)
    assert ("done", True) == (ran["state"], ran["created"] > 0)

    site.run("airflow", "dags", "reserialize")
    site.run("airflow", "dags", "trigger", FLOW, "--run-id", "mine")
    with closing(sqlite3.connect(site.home / "airflow.db", timeout=30)) as database, database:
        database.execute("UPDATE dag_run SET state = 'running'")
    with pytest.raises(AssertionError, match=rf"DAG {FLOW} is running \(mine\)"):
        site.run("brightpearl", "state", "rename", FLOW, "items")
    assert 1 == len(site.ledger(FLOW))
