"""Tasks of a flow that another run writes wait without a worker and without using up a retry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.core.reports import attempt_of
from airflow_provider_brightpearl.environment import airflow_environment, state_engine
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.operators import stages
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.leases import SqlLeases
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from tests.airflow.place import connect_airflow
from tests.airflow.test_flow_operator import MAPPINGS
from tests.airflow.test_outages import context, operator, waits

FLOW = "customers_to_salesforce"


@pytest.mark.slow
def test_a_task_waits_while_another_run_writes_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "BUSY_PAUSE", 0.0)
    with Sandbox(customers=3, products=1, orders=1, days=10, seed=3) as sandbox:
        connect_airflow(sandbox, tmp_path, monkeypatch)
        wiring = Wiring.of(FLOW, airflow_environment(MAPPINGS))
        leases = SqlLeases(state_engine(), wiring.pair, timedelta(minutes=5))
        other = leases.take(FLOW, attempt_of("another", datetime.now(UTC)), "load")
        task = operator(FLOW, [])
        began = datetime.now(UTC)
        assert timedelta(seconds=55) < waits(task) - began < timedelta(seconds=90)
        assert [] == SqlLedger(state_engine()).runs(FLOW), "a run that waits has not failed"
        leases.release(other)
        assert 3 == task.execute(context(task))["counts"]["created"]


def test_a_lease_is_not_too_short_for_the_next_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timedelta(minutes=5) == settings.lease()
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__LEASE_SECONDS", "5")
    with pytest.raises(Misconfigured, match="lease_seconds is 5; write 30 or more"):
        settings.lease()
