"""Moving state from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import state
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.environment import airflow_environment, state_engine
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.state_marks import StateMarks
from tests.postgres import sqlite_url

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROW = Binding("orders", "Order", "1", "1", "T1", "print", "r1", "r1")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(state, "_refuse_beside_dag", lambda flow: None)
    return tmp_path


@pytest.fixture
def mappings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the flow files, with one of the name web_orders."""
    folder = tmp_path / "flow_files"
    folder.mkdir()
    (folder / "web_orders.yaml").touch()
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(folder))
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state database with one row."""
    SqlCrosswalk(open_engine(sqlite_url(tmp_path, "old.db"))).bind([ROW])
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


@pytest.mark.usefixtures("mappings")
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


@pytest.mark.parametrize(
    "command",
    [
        ["state", "clean", "--before", ""],
        ["run", "orders_to_infor", "--ids", " "],
        ["run", "orders_to_infor", "--from", ""],
        ["plan", "orders_to_infor", "--last", ""],
        ["reconcile", "orders_to_infor", "--to", ""],
    ],
)
def test_an_option_without_a_value_is_refused(command: list[str]) -> None:
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert (2, True) == (done.exit_code, f"{command[2]} has no value" in done.output)


def test_state_is_not_cleaned_into_the_future() -> None:
    with pytest.raises(Misconfigured, match="--before: 2130-01-01 is in the future"):
        invoke("clean", "--before", "2130-01-01")


def test_state_is_not_given_to_a_name_without_a_flow_file(mappings: Path) -> None:
    SqlCrosswalk(state_engine()).bind([ROW])
    with pytest.raises(Misconfigured, match=r"there is no web_order\.yaml"):
        invoke("rename", "orders", "web_order")
    (mappings / "orders.yaml").touch()
    with pytest.raises(Misconfigured, match=r"orders\.yaml is still in"):
        invoke("rename", "orders", "web_orders")
    assert {"1": "T1"} == SqlCrosswalk(state_engine()).resolve("orders", "Order", ["1"])


@pytest.mark.parametrize("command", [["rename", "orders", "web_orders"], ["clean"]])
def test_an_older_copy_of_the_state_is_not_changed(mappings: Path, command: list[str]) -> None:
    SqlCrosswalk(state_engine()).bind([ROW])
    mark = SqlLedger(state_engine()).mark()
    StateMarks(airflow_environment(mappings).staging()).keep(replace(mark, writes=mark.writes + 1))
    with pytest.raises(Misconfigured, match="the state database is an older copy"):
        invoke(*command)


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("some notes, and more of them than a header takes " * 50)
    with pytest.raises(Misconfigured, match=r"notes\.txt is not a SQLite database, or is damaged"):
        invoke("copy", "--from", tmp_path / "notes.txt")
