"""A real Airflow in a home of its own, with the starter DAGs, against the sandbox."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from demo.processes import free_port, output_of, running

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@dataclass
class Site:
    """An Airflow home with DAGs, flow files and connections; commands run in it."""

    home: Path
    env: dict[str, str]

    def run(self, program: str, *arguments: str) -> str:
        """Runs a command to its end; gives what it wrote, fails with it where the command failed."""
        done = output_of([str(BIN / program), *arguments], env=self.env, cwd=self.home)
        output = done.stdout + done.stderr
        assert 0 == done.returncode, output[-30000:]
        return output

    @contextmanager
    def component(self, name: str) -> Iterator[None]:
        """A component of Airflow, until the end of the block."""
        with (
            (self.home / f"{name}.log").open("w") as log,
            running([str(BIN / "airflow"), name], env=self.env, cwd=self.home, stdout=log),
        ):
            yield

    def keep_dags(self, *names: str) -> None:
        """Removes all DAG files but these: every command of Airflow serialises all DAGs there are."""
        for file in (self.home / "dags").iterdir():
            if file.name not in names:
                file.unlink()

    def warm(self) -> None:
        """Lets the scheduler of Airflow 3 load what tasks need, once for all that it forks, as the demo does."""
        (self.home / "config").mkdir()
        shutil.copy(ROOT / "demo" / "warm.py", self.home / "config" / "airflow_local_settings.py")

    def rows(self, database: str, query: str) -> list[dict[str, Any]]:
        """Rows of a SQLite file of this home."""
        with closing(sqlite3.connect(self.home / database, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def ledger(self, flow: str) -> list[dict[str, Any]]:
        return self.rows(
            "brightpearl/state.db",
            f"SELECT * FROM bp_run WHERE flow = '{flow}' ORDER BY window_start, started_at",
        )


def wait_until(ready: Callable[[], bool]) -> None:
    """Waits until something is true; the test's own timeout ends it otherwise."""
    while not ready():
        time.sleep(0.2)


@pytest.fixture(scope="session")
def world() -> Iterator[Sandbox]:
    """Both simulated systems, with the history of ten days."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with Sandbox(customers=40, products=20, orders=120, days=10, seed=11, until=today) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox) -> Sandbox:
    world.reset()
    return world


@pytest.fixture(scope="session")
def migrated(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's database with its tables, to be copied: making them takes longer than many a test.

    The workers of one run of the tests share it; the first one to need it makes it.
    """
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "migrated"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "ready").exists():
            site = Site(home, os.environ | _environment(home, world.url))
            site.run("airflow", "db", "migrate")
            # four processes share this file, and a busy machine must not lock one of them out
            site.rows("airflow.db", "PRAGMA journal_mode=WAL")
            (home / "ready").touch()
    return home / "airflow.db"


@pytest.fixture
def site(sandbox: Sandbox, migrated: Path, tmp_path: Path) -> Site:
    """A fresh home with the starter DAGs."""
    site = Site(tmp_path, os.environ | _environment(tmp_path, sandbox.url))
    site.run("brightpearl", "init", str(tmp_path))
    shutil.copy(migrated, tmp_path)
    return site


def _environment(home: Path, url: str) -> dict[str, str]:
    port = free_port()
    brightpearl = {
        "conn_type": "brightpearl",
        "host": url,
        "login": "acmetest",
        "password": "sandbox-staff-token",
        "extra": {"app_ref": "acmetest_sandbox", "token_kind": "staff"},
    }
    salesforce = {
        "conn_type": "salesforce",
        "extra": {
            "consumer_key": "sandbox-consumer-key",
            "consumer_secret": "sandbox-consumer-secret",
            "domain": "acme.my",
            "endpoint_override": url,
        },
    }
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # Airflow 2 has but the slow SequentialExecutor for SQLite; with a write-ahead log the local one does as well
        "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-tests-and-long-enough-for-sha512-" * 2,
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        # the default of a second is for schedulers that are to stay quiet
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW_CONN_BRIGHTPEARL_DEFAULT": json.dumps(brightpearl),
        "AIRFLOW_CONN_SALESFORCE_DEFAULT": json.dumps(salesforce),
        "PYTHONDONTWRITEBYTECODE": "",
        "COLUMNS": "200",
    }


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def scheduler(site: Site) -> Iterator[None]:
    """What carries out the runs of a backfill on Airflow 3."""
    with site.component("api-server"):
        # a task that begins before the server listens fails, and waits minutes for its next try
        port = int(site.env["AIRFLOW__API__PORT"])
        wait_until(lambda: _listens(port))
        # runs that wait for each other are deferred
        with site.component("scheduler"), site.component("triggerer"):
            yield
