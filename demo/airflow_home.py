"""A fresh Airflow: its home, its configuration by environment, and its components as processes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from demo.processes import free_port, output_of, running

BIN = Path(sys.executable).parent
USER = PASSWORD = "admin"  # noqa: S105 - on this machine only, and printed
START_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Home:
    """An Airflow home that nothing has run in yet."""

    path: Path
    port: int
    env: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logs(self) -> Path:
        return self.path / "components"


def create(path: Path, environment: Mapping[str, str], port: int | None = None) -> Home:
    """An empty home with the starter DAGs and flow files, of both directions, as ``brightpearl init`` copies them.

    Args:
        path: folder of the home; what lies there is removed.
        environment: Airflow connections and options, as environment variables.
        port: port of the UI and API, a free one if left out.
    """
    shutil.rmtree(path, ignore_errors=True)
    (path / "components").mkdir(parents=True)
    passwords = path / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    port = port or free_port()
    home = Home(path, port, _environment(path, port, passwords) | dict(environment))
    run(home, "brightpearl", "init")
    run(home, "brightpearl", "init", "--target", "brightpearl")
    _sweep_at(path / "include" / "mappings", (datetime.now(UTC) + timedelta(hours=12)).hour)
    (path / "config").mkdir()
    shutil.copy(Path(__file__).with_name("warm.py"), path / "config" / "airflow_local_settings.py")
    run(home, "airflow", "db", "migrate")
    # readers and the writer do not wait for one another
    with closing(sqlite3.connect(path / "airflow.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    return home


def _sweep_at(mappings: Path, hour: int) -> None:
    """Moves the nightly sweeps: one in the middle of a demonstration would read and count everything again."""
    for file in mappings.glob("*.yaml"):
        file.write_text(file.read_text().replace('sweep: "0 3 * * *"', f'sweep: "0 {hour} * * *"'))


def _environment(path: Path, port: int, passwords: Path) -> dict[str, str]:
    # an Airflow that this shell is set up for must not leak into this one
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    # without compiled files every task would compile this package anew
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return inherited | {
        "AIRFLOW_HOME": str(path),
        # the scheduler starts its helpers by name
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        # the default of a second is for schedulers that are to stay quiet
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def run(home: Home, program: str, *arguments: str) -> None:
    """Runs one command of this environment in the home.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    said(home, program, *arguments)


def said(home: Home, program: str, *arguments: str) -> str:
    """What a command prints; raises as ``run`` does."""
    done = output_of([str(BIN / program), *arguments], env={**home.env, "COLUMNS": "150"})
    if done.returncode:
        end = (done.stderr or done.stdout).strip()[-2000:]
        raise RuntimeError(f"{program} {' '.join(arguments)} ended with code {done.returncode}:\n{end}")
    return done.stdout


@contextmanager
def started(home: Home, *components: str) -> Iterator[Home]:
    """The components of Airflow, ready, until the end of the block.

    Raises:
        RuntimeError: a component ended, or they did not come up in time; with the end of its log.
    """
    processes: dict[str, subprocess.Popen[str]] = {}
    with ExitStack() as stack:
        for component in components:
            log = stack.enter_context((home.logs / f"{component}.log").open("w"))
            command = [str(BIN / "airflow"), component]
            processes[component] = stack.enter_context(running(command, env=home.env, stdout=log))
        _wait_until_healthy(home, processes)
        yield home


def _wait_until_healthy(home: Home, processes: Mapping[str, subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(home):
        for component, process in processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"airflow {component} ended:\n{_end_of_log(home, component)}")
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"Airflow did not start in {START_SECONDS} seconds; its logs are in {home.logs}"
            )
        time.sleep(0.3)


def _healthy(home: Home) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False
            health = session.get(f"{home.url}/api/v2/monitor/health", timeout=5).json()
    except (requests.RequestException, ValueError):
        return False
    return bool(health["metadatabase"]["status"] == health["scheduler"]["status"] == "healthy")


def _end_of_log(home: Home, component: str) -> str:
    return (home.logs / f"{component}.log").read_text(errors="replace")[-2000:]
