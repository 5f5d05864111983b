"""A run that begins while a system is down ends well, without a retry, once it answers."""

from __future__ import annotations

import json
import threading

import pytest

FLOW = "customers_to_salesforce"

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_a_run_outlasts_an_outage_in_its_first_try(site, sandbox):
    system = "brightpearl"
    site.keep_dags(f"brightpearl_{FLOW}.py")
    site.env |= {
        "AIRFLOW__BRIGHTPEARL__RETRIES": "0",
        "AIRFLOW__BRIGHTPEARL__OUTAGE_LOOK_SECONDS": "1",
        "AIRFLOW__BRIGHTPEARL__OUTAGE_LONGEST_LOOK_SECONDS": "2",
        "AIRFLOW__BRIGHTPEARL__OUTAGE_ALERT_MINUTES": "0",
    }
    sandbox.control(
        "POST", "/faults", {"system": system, "status": 502, "times": 0, "body": "<html>down</html>"}
    )

    def ends_after_some_looks() -> None:
        # four tries of the first call, a look, and one after a pause
        while sandbox.counts().get(system, 0) < 6:
            threading.Event().wait(0.2)
        sandbox.control("DELETE", "/faults")

    outage = threading.Thread(target=ends_after_some_looks, daemon=True)
    outage.start()
    output = site.run("airflow", "dags", "test", FLOW)
    (run,) = site.ledger(FLOW)
    assert ("done", True) == (run["state"], run["created"] > 0)
    tries = site.rows("airflow.db", "SELECT task_id, try_number, state FROM task_instance")
    assert {1} == {each["try_number"] for each in tries}, json.dumps(tries)
    name = system.capitalize()
    for said in ("is down", "is still down", "answers again, after"):
        assert 1 == output.count(f"{name} ({system}_default) {said}"), said
