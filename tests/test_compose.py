"""docker-compose.yaml: right by its specification, and each command runs as it stands, without containers.

``compose-spec.json`` is the schema of github.com/compose-spec/compose-spec (Apache-2.0), of 2026-06-23.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from sqlalchemy.engine import make_url

from airflow_provider_brightpearl.compat import airflow_version
from demo.processes import free_port, stop
from tests.postgres import postgres_url

__all__ = ["postgres_url"]

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"init"}
BIN = Path(sys.executable).parent


def test_it_is_valid_by_the_specification() -> None:
    schema = json.loads((ROOT / "tests" / "compose-spec.json").read_text())
    assert [] == [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)]


def test_what_it_refers_to_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_dir()
        for config in service.get("configs", []):
            assert config["source"] in COMPOSE["configs"]
        if mode := service.get("network_mode"):
            assert mode.removeprefix("service:") in SERVICES


def test_everything_that_stays_says_whether_it_is_well() -> None:
    assert ONCE == {name for name, service in SERVICES.items() if "healthcheck" not in service}
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if name in ONCE else "service_healthy"
            assert {"condition": wanted} == condition


def test_it_listens_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_it_runs_the_airflow_that_is_tested() -> None:
    recipe = SERVICES["init"]["build"]["dockerfile_inline"]
    locked = (ROOT / "requirements" / "airflow-3.3.txt").read_text()
    assert "FROM apache/airflow:3.3.2-python3.11" in recipe
    assert "apache-airflow==3.3.2\n" in locked


@dataclass(frozen=True)
class Place:
    """A folder and ports that stand in for the containers."""

    home: Path
    replaced: dict[str, str]
    database: str

    def command(self, name: str) -> list[str]:
        return [self._here(word) for word in SERVICES[name]["command"]]

    def healthcheck(self, name: str) -> list[str]:
        kind, *command = SERVICES[name]["healthcheck"]["test"]
        assert "CMD" == kind
        return [self._here(word) for word in command]

    def env(self) -> dict[str, str]:
        own = {name: self._here(str(value)) for name, value in SERVICES["init"]["environment"].items()}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        more = {
            "AIRFLOW_HOME": str(self.home),
            "PATH": path,
            "no_proxy": "127.0.0.1",
            # in containers of their own they cannot meet
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            # Airflow's own tables need the driver that its image brings
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW_CONN_BRIGHTPEARL_STATE": self._state(own["AIRFLOW_CONN_BRIGHTPEARL_STATE"]),
        }
        return clean | own | more

    def _here(self, word: str) -> str:
        for there, here in self.replaced.items():
            word = word.replace(there, here)
        return word

    def _state(self, connection: str) -> str:
        url = make_url(self.database)
        here = {"host": url.host, "port": url.port, "login": url.username, "password": url.password}
        return json.dumps(json.loads(connection) | here | {"schema": url.database})


@pytest.fixture
def place(tmp_path: Path, postgres_url: str) -> Place:
    """The containers' paths and ports, moved to where a test may use them."""
    home = tmp_path / "airflow"
    home.mkdir()
    for name in ("dags", "include"):
        (home / name).symlink_to(ROOT / name)
    api, sandbox = str(free_port()), str(free_port())
    replaced = {
        "/opt/airflow": str(home),
        "api-server:8080": f"127.0.0.1:{api}",
        "8080": api,
        "8765": sandbox,
    }
    return Place(home, replaced, postgres_url)


@pytest.fixture
def running(place: Place) -> Iterator[Place]:
    """Every service that stays, started by its own command once ``init`` is through."""
    subprocess.run(place.command("init"), env=place.env(), check=True, timeout=90, capture_output=True)
    processes, env = [], place.env()
    try:
        for name in set(SERVICES) - ONCE - {"postgres"}:
            with (place.home / f"{name}.log").open("w") as log:
                processes.append(
                    subprocess.Popen(
                        place.command(name), env=env, stdout=log, stderr=log, text=True,
                        start_new_session=True,
                    )
                )  # fmt: skip
        yield place
    finally:
        stop(processes)


@pytest.mark.system
@pytest.mark.timeout(280)
@pytest.mark.skipif(airflow_version() < (3, 3), reason="the services are those of Airflow 3.3")
def test_each_service_gets_well(running: Place) -> None:
    for name in ("sandbox", "api-server", "scheduler", "dag-processor", "triggerer"):
        _wait_until_well(running, name)
    probe = "from airflow_provider_brightpearl.state import state_engine as e; print(e().dialect.name)"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env=running.env(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "postgresql" == done.stdout.split()[-1]


def _wait_until_well(place: Place, name: str) -> None:
    deadline, env = time.monotonic() + 120, place.env()
    while True:
        done = subprocess.run(place.healthcheck(name), env=env, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        log = (place.home / f"{name}.log").read_text()[-3000:]
        assert time.monotonic() < deadline, f"{name}: {done.stdout}{done.stderr}\n{log}"
        time.sleep(1)
