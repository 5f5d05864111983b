"""The command ``brightpearl``, and its two ways into Airflow's own command line."""

from __future__ import annotations

import json

import pytest

from airflow_provider_brightpearl.cli import backfill
from airflow_provider_brightpearl.cli.starter import copy_starter, starter_folders
from airflow_provider_brightpearl.compat import airflow_version


def _native(arguments, version):
    return backfill.native_arguments(backfill.parser().parse_args(arguments), version)


def test_backfill_on_airflow_2_is_its_own_command():
    assert [
        "dags", "backfill", "orders", "--start-date", "2026-01-01", "--end-date", "2026-01-05",
        "--conf", "{}",
        "--run-backwards", "--yes", "--reset-dagruns",
    ] == _native(
        ["orders", "-s", "2026-01-01", "-e", "2026-01-05", "-B", "-y", "--reset-dagruns", "-c", "{}"], (2, 11)
    )  # fmt: skip


def test_backfill_on_airflow_3_becomes_backfill_create():
    assert [
        "backfill", "create", "--dag-id", "orders", "--from-date", "2026-01-01", "--to-date", "2026-01-05",
        "--reprocess-behavior", "none", "--max-active-runs", "1", "--run-backwards", "--dry-run",
    ] == _native(["orders", "-s", "2026-01-01", "-e", "2026-01-05", "-B", "-n"], (3, 3))  # fmt: skip


@pytest.mark.parametrize(
    ("option", "behavior"), [("--reset-dagruns", "completed"), ("--rerun-failed-tasks", "failed")]
)
def test_runs_that_are_there_are_run_again_if_asked(option, behavior):
    native = _native(["orders", "-s", "2026-01-01", option], (3, 0))
    assert behavior == native[native.index("--reprocess-behavior") + 1]


def test_one_date_is_both_ends():
    native = _native(["orders", "-e", "2026-01-05"], (3, 3))
    assert ["--from-date", "2026-01-05", "--to-date", "2026-01-05"] == native[4:8]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["orders"], "from when"), (["orders", "-s", "2026-01-01", "-c", "{"], "not JSON")],
)
def test_what_is_missing_is_said_in_words(arguments, told):
    with pytest.raises(ValueError, match=told):
        _native(arguments, (3, 3))


def test_init_writes_dags_and_mappings_once(tmp_path):
    first = copy_starter(tmp_path)
    assert {"customers.py", "orders.py", "products.py"} <= {path.name for path in first.written}
    assert (tmp_path / "dags" / "orders.py").is_file()
    again = copy_starter(tmp_path)
    assert ((), (), first.written) == (again.written, again.kept, again.same)


def test_init_leaves_changed_files_alone_unless_forced(tmp_path):
    copy_starter(tmp_path)
    mine = tmp_path / "dags" / "orders.py"
    mine.write_text("# mine")
    assert (mine,) == copy_starter(tmp_path).kept
    assert "# mine" == mine.read_text()
    assert (mine,) == copy_starter(tmp_path, force=True).written


def test_starter_holds_dags_and_mappings():
    assert {"dags", "mappings"} == {name for name, folder in starter_folders().items() if folder.is_dir()}


@pytest.mark.system
def test_help_lists_the_commands(run):
    shown = run("brightpearl", "--help").stdout
    for command in ("init", "backfill", "sandbox", "mapping"):
        assert command in shown


@pytest.mark.system
def test_schema_of_flow_files(run):
    schema = json.loads(run("brightpearl", "mapping", "schema").stdout)
    assert {"flow", "source", "target", "objects"} <= set(schema["properties"])


@pytest.mark.system
def test_module_and_airflow_run_the_same_command(run):
    assert "Copy the DAGs" in run("python", "-m", "airflow_provider_brightpearl", "init", "--help").stdout
    if airflow_version() < (3, 2):
        pytest.skip("Airflow takes commands from providers since 3.2")
    assert "Copy the DAGs" in run("airflow", "brightpearl", "init", "--help").stdout


@pytest.mark.system
def test_dags_backfill_is_there_on_every_airflow_that_lets_it(run):
    if (3, 0) <= airflow_version() < (3, 2):
        pytest.skip("Airflow takes commands from providers since 3.2")
    assert "--start-date" in run("airflow", "dags", "backfill", "--help").stdout


@pytest.mark.system
def test_dags_backfill_can_be_switched_off(run):
    if airflow_version() < (3, 2):
        pytest.skip("there it is Airflow's own")
    done = run("airflow", "dags", "--help", AIRFLOW__BRIGHTPEARL__DAGS_BACKFILL_COMMAND="False")
    assert " backfill " not in done.stdout
