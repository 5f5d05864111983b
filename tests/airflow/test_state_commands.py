"""Moving state from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import run
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.environment import state_engine
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.ledger import SqlLedger

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROW = Binding("orders", "Order", "1", "1", "T1", "print", "r1", "r1")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(run, "refuse_beside_dag", lambda flow: None)
    return tmp_path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state database with one row."""
    SqlCrosswalk(open_engine(f"sqlite:///{tmp_path / 'old.db'}")).bind([ROW])
    return tmp_path / "old.db"


def invoke(*arguments: object) -> str:
    return CliRunner().invoke(app, ["state", *map(str, arguments)], catch_exceptions=False).stdout


def test_a_file_is_copied(old: Path) -> None:
    assert 1 == json.loads(invoke("copy", "--from", old, "--json"))["copied"]["bp_binding"]
    assert {"1": "T1"} == SqlCrosswalk(state_engine()).resolve("orders", "Order", ["1"])
    with pytest.raises(Misconfigured, match="not empty: bp_binding"):
        invoke("copy", "--from", old)


def test_what_a_connection_or_url_leads_to_is_copied(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OLD_STATE", json.dumps({"conn_type": "sqlite", "host": str(old)}))
    assert "1 bp_binding" in invoke("copy", "--from", "old_state")
    monkeypatch.setenv("AIRFLOW_HOME", str(old.parent / "another"))
    assert "1 bp_binding" in invoke("copy", "--from", f"sqlite:///{old}")


def test_a_connection_that_does_not_exist_is_named() -> None:
    with pytest.raises(Misconfigured, match="--from names connection 'old_state', which does not exist"):
        invoke("copy", "--from", "old_state")


def test_a_flow_is_renamed() -> None:
    SqlCrosswalk(state_engine()).bind([ROW])
    assert "1 bp_binding" in invoke("rename", "orders", "web_orders")
    assert {"1": "T1"} == SqlCrosswalk(state_engine()).resolve("web_orders", "Order", ["1"])


def test_a_name_that_no_flow_can_have_is_refused() -> None:
    with pytest.raises(Misconfigured, match="'Web-Orders' is not a name for a flow"):
        invoke("rename", "orders", "Web-Orders")


def test_a_restored_database_lets_each_flow_begin_anew() -> None:
    run_row = RunSummary("r", "orders", "manual", "done", None, "v", Counts(), Calls(), {}, NOON, pair="a>b")
    ledger = SqlLedger(state_engine())
    ledger.record(run_row, NOON)
    named = ledger.mark().identity
    assert "reads everything: orders" in invoke("restored")
    assert (None, 1) == (ledger.watermark("orders", "a>b"), len(ledger.runs("orders")))
    assert named != ledger.mark().identity
    assert {"flows": []} == json.loads(invoke("restored", "--json"))
