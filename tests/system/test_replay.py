"""The DAG that replays dead letters waits for a busy flow and for a system that is down, in its first try."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_brightpearl.core.reports import attempt_of
from airflow_provider_brightpearl.stores.engine import open_existing
from airflow_provider_brightpearl.stores.leases import SqlLeases

FLOW = "customers_to_salesforce"

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def test_a_replay_outlasts_a_busy_flow_and_an_outage(site, sandbox):
    site.keep_dags("brightpearl_replay.py")
    site.env |= {
        "AIRFLOW__BRIGHTPEARL__RETRIES": "0",
        "AIRFLOW__BRIGHTPEARL__OUTAGE_LOOK_SECONDS": "1",
        "AIRFLOW__BRIGHTPEARL__OUTAGE_LONGEST_LOOK_SECONDS": "2",
    }
    contact = sandbox.snapshot("brightpearl", "contact")[0]
    path = f"/brightpearl/contact/{contact['contactId']}"
    sandbox.control("PATCH", path, {"communication": "nobody"})
    site.run("brightpearl", "run", FLOW)
    sandbox.control("PATCH", path, {"communication": contact["communication"]})
    state = "brightpearl/state.db"
    [letter] = site.rows(state, "SELECT source_id, pair FROM bp_dead_letter WHERE state = 'open'")

    # it is busy when the task begins, and Brightpearl is down when the task comes back
    leases = SqlLeases(open_existing(f"sqlite:///{site.home / state}"), letter["pair"], timedelta(seconds=90))
    leases.take(FLOW, attempt_of("another", datetime.now(UTC)), "load")
    fault = {"system": "brightpearl", "status": 502, "times": 0, "body": "<html>down</html>"}
    sandbox.control("POST", "/faults", fault)
    before = sandbox.counts().get("brightpearl", 0)

    def ends_after_some_looks() -> None:
        # four tries of the first call, a look, and one after a pause
        while sandbox.counts().get("brightpearl", 0) < before + 6:
            threading.Event().wait(0.2)
        sandbox.control("DELETE", "/faults")

    threading.Thread(target=ends_after_some_looks, daemon=True).start()
    conf = json.dumps({"ids": [letter["source_id"]]})
    output = site.run("airflow", "dags", "test", "brightpearl_replay", "-c", conf)
    assert "run another is writing" in output
    assert "Brightpearl (brightpearl_default) is down" in output
    assert [{"state": "resolved"}] == site.rows(state, "SELECT state FROM bp_dead_letter")
    tries = site.rows("airflow.db", "SELECT task_id, try_number, state FROM task_instance")
    assert [(1, "success")] == [(each["try_number"], each["state"]) for each in tries]
    runs = site.rows(state, f"SELECT state FROM bp_run WHERE flow = '{FLOW}'")
    assert [{"state": "done"}] * 2 == runs
