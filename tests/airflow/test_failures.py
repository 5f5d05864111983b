"""A run that fails leaves a row in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_provider_brightpearl.compat import AirflowSkipException
from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.core.run import RunFacts
from airflow_provider_brightpearl.core.window import RunKind, Selection
from airflow_provider_brightpearl.errors import GateClosed, Unavailable
from airflow_provider_brightpearl.operators import failures
from airflow_provider_brightpearl.operators.wiring import Wiring
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.ledger import Ledger

FLOW = "orders_to_salesforce"
CONTEXT = {
    "run_id": "scheduled 1",
    "ti": SimpleNamespace(task_id="load"),
    "dag_run": SimpleNamespace(run_type="scheduled"),
}
BEGAN = datetime(2026, 4, 1, 12, tzinfo=UTC)
FACTS = RunFacts(
    "scheduled 1",
    RunKind.SCHEDULED,
    Selection(None, ids=("1",)),
    "v1",
    BEGAN,
    Calls({"brightpearl": 3}, {"brightpearl": 3}),
).as_dict()


@pytest.fixture
def wiring(mappings, tmp_path):
    wiring = Wiring.of(FLOW, str(mappings), None, None)
    wiring.__dict__["ledger"] = Ledger(open_engine(f"sqlite:///{tmp_path / 'state.db'}"))
    return wiring


def _fail(wiring, error, facts):
    with pytest.raises(type(error)), failures.noted(wiring, CONTEXT, facts):
        raise error


@pytest.mark.parametrize(
    "error", [Unavailable("no answer", system="salesforce"), ZeroDivisionError("a defect")]
)
def test_a_failed_stage_is_in_the_ledger_with_its_reason_and_the_calls_so_far(wiring, error):
    _fail(wiring, error, FACTS)
    (row,) = wiring.ledger.runs(FLOW)
    assert ("failed", f"load: {error}") == (row.state, row.note)
    assert (BEGAN, {"brightpearl": 3}) == (row.started_at, row.calls.made)


def test_a_run_that_fails_before_its_window_is_known_is_there_too(wiring):
    _fail(wiring, Unavailable("no answer"), None)
    (row,) = wiring.ledger.runs(FLOW)
    assert ("scheduled 1", "scheduled", "failed") == (row.run, row.kind, row.state)


@pytest.mark.parametrize("error", [AirflowSkipException("nothing new"), GateClosed("too many")])
def test_what_is_no_failure_or_has_its_own_row_leaves_none(wiring, error):
    _fail(wiring, error, FACTS)
    assert [] == wiring.ledger.runs(FLOW)


def test_the_error_itself_goes_on_where_the_ledger_cannot_be_written(wiring, tmp_path):
    class Down:
        def record(self, entry):
            raise Unavailable("the state database is down")

    wiring.__dict__["ledger"] = Down()
    _fail(wiring, ZeroDivisionError("the reason"), FACTS)
