"""Cleaning up: the DAG, the command, and that runs leave it to them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.alerts import failure
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.dag import maintenance_dag
from airflow_provider_brightpearl.environment import airflow_environment, state_engine
from airflow_provider_brightpearl.errors import Misconfigured, Unavailable
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.staging import FileStaging
from tests.airflow.tasks import context_of
from tests.airflow.tasks import run as run_task
from tests.airflow.test_dag import assert_nothing_heavy


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    return tmp_path


def staged(home: Path, name: str, days: int) -> Path:
    """A run's staging folder whose files are so old."""
    staging = FileStaging(home / "brightpearl" / "staging", "orders", name)
    staging.write_lines("raw", [b"1"])
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    folder = Path(staging.folder.path)
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))
    return folder


def closed_letter(days: int) -> None:
    letters = SqlDeadLetters(state_engine(), lambda: datetime.now(UTC) - timedelta(days=days))
    letters.keep("orders", "r1", "v1", [(Rejection(str(days), Stage.LOAD, "no"), b"{}")])
    letters.resolve("orders", "r2", [str(days)])


def invoke(*arguments: str) -> str:
    return CliRunner().invoke(app, ["state", "clean", *arguments], catch_exceptions=False).stdout


def test_the_dag_cleans_both(home: Path) -> None:
    old, new = staged(home, "old", 15), staged(home, "new", 13)
    closed_letter(400)
    [task] = maintenance_dag().tasks
    assert {
        "payloads": 1, "dead_letters": 1, "runs": 0, "reconciliations": 0, "events": 0, "intents": 0,
        "conflicts": 0, "outages": 0, "queued": 0, "inbox": 0, "inbox_events": 0, "staging": 1,
    } == run_task(task)  # fmt: skip
    assert (False, True) == (old.exists(), new.exists())


def test_the_command_does_the_same_and_counts_first(home: Path) -> None:
    old = staged(home, "old", 15)
    closed_letter(40)
    shown = json.loads(invoke("--dry-run", "--json"))
    assert (True, 1, 1, 0) == (
        shown["dry_run"],
        *(shown["removed"][name] for name in ("staging", "payloads", "dead_letters")),
    )
    assert old.exists()
    assert "1 staging folders" in invoke()
    assert not old.exists()


@pytest.mark.parametrize("before", ["10d", (datetime.now(UTC) - timedelta(days=10)).date().isoformat()])
def test_an_age_or_a_date_decides_for_the_state_alone(home: Path, before: str) -> None:
    folder = staged(home, "new", 13)
    closed_letter(20)
    closed_letter(5)
    removed = json.loads(invoke("--before", before, "--json"))["removed"]
    assert (1, 1, 0) == (removed["payloads"], removed["dead_letters"], removed["staging"])
    assert folder.exists()


@pytest.mark.parametrize("before", ["tomorrow", "90x", "90"])
def test_what_is_neither_is_refused(before: str) -> None:
    with pytest.raises(Misconfigured, match="--before"):
        invoke("--before", before)


def test_files_of_today_stay_whatever_is_configured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__KEEP_STAGING_DAYS", "0")
    folder = staged(home, "going on", 0)
    invoke()
    assert folder.exists()


def test_settings_decide(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, days in (
        ("KEEP_STAGING_DAYS", "3"),
        ("PAYLOAD_DAYS", "4"),
        ("EVENT_DAYS", "5"),
        ("HISTORY_DAYS", "6"),
    ):
        monkeypatch.setenv(f"AIRFLOW__BRIGHTPEARL__{name}", days)
    keep = airflow_environment().keep
    assert [3, 4, 5, 6] == [each.days for each in (keep.staging, keep.payloads, keep.events, keep.history)]


def test_parsing_its_dag_file_imports_nothing_heavy(run) -> None:
    assert_nothing_heavy(run, "dag.maintenance_dag()")


def test_its_failure_is_an_alert_of_its_own() -> None:
    [task] = maintenance_dag().tasks
    down = Unavailable("the state database does not answer", system="state database")
    alert = failure({**context_of(task), "exception": down})
    assert ("mine: clean failed", True) == (alert.subject, "does not answer" in alert.text)
