"""One command line for backfills on every Airflow: that of ``airflow dags backfill`` of Airflow 2."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from airflow_provider_brightpearl.compat import airflow_version

PROGRAM = "brightpearl backfill"
DESCRIPTION = (
    "Runs a DAG for each interval of its schedule between two dates, both included. On Airflow 2 this is the "
    "native `airflow dags backfill`; on Airflow 3 it becomes `airflow backfill create`, whose runs the "
    "scheduler executes."
)


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """The arguments, named as on Airflow 2."""
    result = argparse.ArgumentParser(prog=program, description=DESCRIPTION)
    add_arguments(result)
    return result


def add_arguments(target: argparse.ArgumentParser) -> None:
    """Adds the arguments to a parser."""
    for names, options in ARGUMENTS:
        target.add_argument(*names, **options)  # type: ignore[arg-type]


ARGUMENTS: tuple[tuple[tuple[str, ...], dict[str, object]], ...] = (
    (("dag_id",), {"help": "Id of the DAG"}),
    (("-s", "--start-date"), {"help": "First date, such as 2026-01-31"}),
    (("-e", "--end-date"), {"help": "Last date, included; the first one if left out"}),
    (("-B", "--run-backwards"), {"action": "store_true", "help": "Latest interval first"}),
    (("-c", "--conf"), {"help": "Configuration of each run, as JSON"}),
    (("-n", "--dry-run"), {"action": "store_true", "help": "List the runs, start none"}),
    (("-y", "--yes"), {"action": "store_true", "help": "Do not ask for confirmation"}),
    (("--reset-dagruns",), {"action": "store_true", "help": "Repeat runs that have already run"}),
    (("--rerun-failed-tasks",), {"action": "store_true", "help": "Repeat runs that have failed"}),
    (("--max-active-runs",), {"type": int, "default": 1, "help": "Runs at a time; Airflow 3 only"}),
    (("-I", "--ignore-first-depends-on-past"), {"action": "store_true", "help": argparse.SUPPRESS}),
    (("-v", "--verbose"), {"action": "store_true", "help": argparse.SUPPRESS}),
)


def native_arguments(args: argparse.Namespace, version: tuple[int, int]) -> list[str]:
    """Arguments of the installed Airflow's own command that does the same.

    Raises:
        ValueError: neither date is given, or the configuration is not JSON.
    """
    if not (args.start_date or args.end_date):
        raise ValueError("pass the first and the last date: -s 2026-01-01 -e 2026-01-31")
    if args.conf:
        _check_json(args.conf)
    return _airflow_2(args) if version < (3, 0) else _airflow_3(args)


def _check_json(conf: str) -> None:
    try:
        json.loads(conf)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--conf is not JSON: {error}") from error


def _airflow_2(args: argparse.Namespace) -> list[str]:
    switches = ("run_backwards", "dry_run", "yes", "reset_dagruns", "rerun_failed_tasks", "verbose")
    return [
        "dags", "backfill", args.dag_id,
        *_valued("--start-date", args.start_date),
        *_valued("--end-date", args.end_date),
        *_valued("--conf", args.conf),
        *(f"--{name.replace('_', '-')}" for name in switches if getattr(args, name)),
    ]  # fmt: skip


def _airflow_3(args: argparse.Namespace) -> list[str]:
    again = "completed" if args.reset_dagruns else "failed" if args.rerun_failed_tasks else "none"
    return [
        "backfill", "create", "--dag-id", args.dag_id,
        "--from-date", args.start_date or args.end_date,
        "--to-date", args.end_date or args.start_date,
        "--reprocess-behavior", again,
        "--max-active-runs", str(args.max_active_runs),
        *_valued("--dag-run-conf", args.conf),
        *(f"--{name.replace('_', '-')}" for name in ("run_backwards", "dry_run") if getattr(args, name)),
    ]  # fmt: skip


def _valued(name: str, value: str | None) -> list[str]:
    return [name, value] if value else []


def run(arguments: list[str]) -> int:
    """Hands a backfill to the Airflow of this interpreter in a process of its own; gives its exit code."""
    import subprocess

    commands = parser()
    args = commands.parse_args(arguments)
    try:
        native = native_arguments(args, airflow_version())
    except ValueError as error:
        commands.error(str(error))
    # the executors of Airflow 2 start `airflow` by name, also where this environment is not activated
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    command = [sys.executable, "-m", "airflow", *native]
    return subprocess.run(command, check=False, env=os.environ | {"PATH": path}).returncode  # noqa: S603
