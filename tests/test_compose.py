"""docker-compose.yaml: valid by its specification, and each command runs as it stands, without containers.

``compose-spec.json`` is the schema of github.com/compose-spec/compose-spec (Apache-2.0), of 2026-06-23.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jsonschema import Draft7Validator

from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.sandbox.connections import airflow_connections
from demo.processes import free_port, output_of
from demo.processes import running as started
from tests.compose import COMPOSE, ONCE, RECIPE, ROOT, SERVICES, TEXT, VARIABLE, Place, interpolate
from tests.postgres import postgres_url

__all__ = ["postgres_url"]

DAGS = len(list((ROOT / "dags").glob("*.py")))
# run where tasks run: the kind of state database, and the connections that do not work
PROBE = """
import json
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.hooks.infor import InforHook
from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
from airflow_provider_brightpearl.environment import state_engine

tests = {hook.__name__: hook().test_connection() for hook in (BrightpearlHook, SalesforceHook, InforHook)}
refused = {name: text for name, (works, text) in tests.items() if not works}
print(json.dumps({"state": state_engine().dialect.name, "refused": refused}))
"""


def test_it_is_valid_by_the_specification() -> None:
    schema = json.loads((ROOT / "tests" / "compose-spec.json").read_text())
    assert [] == [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)]


def test_what_it_refers_to_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for volume in service.get("volumes", []):
            source, _, mode = volume.partition(":")
            assert source in COMPOSE["volumes"] or ((ROOT / source).is_dir() and mode.endswith(":ro"))
        for config in service.get("configs", []):
            assert config["source"] in COMPOSE["configs"]


def test_every_lasting_service_has_a_health_check() -> None:
    assert ONCE == {name for name, service in SERVICES.items() if "healthcheck" not in service}
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if name in ONCE else "service_healthy"
            assert {"condition": wanted} == condition


def test_ports_are_published_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {"api-server": ["127.0.0.1:8080:8080"], "sandbox": ["127.0.0.1:8765:8765"]} == published
    assert not any("network_mode" in service for service in SERVICES.values())


def test_memory_and_logs_are_bounded() -> None:
    for name, service in SERVICES.items():
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert {"max-size", "max-file"} <= set(service["logging"]["options"]), name


def test_images_are_pinned() -> None:
    own = SERVICES["init"]["image"]
    used = {service["image"] for service in SERVICES.values()} - {own}
    used |= set(re.findall(r"^FROM (\S+)", RECIPE, re.MULTILINE))
    assert used
    assert all(re.fullmatch(r"[a-z/]+:\d+(\.\d+)+-\S+", image) for image in used)


def test_the_image_has_the_airflow_that_is_tested() -> None:
    locked = (ROOT / "requirements" / "airflow-3.3.txt").read_text()
    assert "FROM apache/airflow:3.3.2-python3.11" in RECIPE
    assert "apache-airflow==3.3.2 " in locked
    assert "USER" not in RECIPE


def test_the_image_keeps_the_constraints_of_airflow(tmp_path: Path) -> None:
    [command] = re.findall(r"^RUN (.*?) \\$", RECIPE, re.MULTILINE)
    (tmp_path / "constraints.txt").write_text("alembic==1.20.1\nduckdb==1.5.0\nduckdb-engine==0.17.0\n")
    kept = tmp_path / "kept.txt"
    here = command.replace("/tmp/constraints.txt", str(kept))
    subprocess.run(["sh", "-c", here], env=os.environ | {"HOME": str(tmp_path)}, check=True, timeout=20)
    assert "alembic==1.20.1\nduckdb-engine==0.17.0\n" == kept.read_text()
    assert "--constraint /tmp/constraints.txt" in RECIPE


def test_the_image_gets_what_the_wheel_is_built_from_and_no_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml", project["project"]["readme"], *project["project"]["license-files"],
        *wheel["packages"], *wheel["force-include"],
    }  # fmt: skip
    names = {path.name for path in ROOT.iterdir()} | {"tests", ".env"}
    assert {name.split("/")[0] for name in needed} == {name for name in names if not _ignored(name)}
    assert _ignored("__pycache__")


def _ignored(name: str) -> bool:
    """Whether .dockerignore leaves out a top-level name: the last line that matches decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and fnmatch(name, pattern):
            ignored = not line.startswith("!")
    return ignored


def test_the_example_of_settings_has_every_variable_with_its_default() -> None:
    example = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in example if line and not line.startswith("#"))
    assert given == {found["name"]: found["default"] for found in VARIABLE.finditer(TEXT) if found["name"]}
    chosen = interpolate(yaml.safe_load(TEXT), {"SANDBOX_PORT": "9000", "SANDBOX_ORDERS": "5"})
    sandbox = chosen["services"]["sandbox"]
    assert ["127.0.0.1:9000:8765"] == sandbox["ports"]
    assert "--orders=5" in sandbox["command"]


def test_the_connections_are_those_of_the_sandbox() -> None:
    environment = SERVICES["scheduler"]["environment"]
    for details in airflow_connections("http://sandbox:8765"):
        given = json.loads(environment[f"AIRFLOW_CONN_{details.conn_id.upper()}"])
        assert _plain(details.connection) == _plain(given)


def _plain(connection: Mapping[str, Any]) -> dict[str, Any]:
    """A connection whose .ionapi file is an object, not a text."""
    extra = dict(connection["extra"])
    if isinstance(extra.get("ionapi"), str):
        extra["ionapi"] = json.loads(extra["ionapi"])
    return {**connection, "extra": extra}


@pytest.fixture
def place(tmp_path: Path, postgres_url: str) -> Place:
    """The paths and ports of the containers, mapped to free ones of this machine."""
    home = tmp_path / "airflow"
    home.mkdir()
    for name in ("dags", "include"):
        (home / name).symlink_to(ROOT / name)
    api, sandbox = str(free_port()), str(free_port())
    # the longer names first: the first that matches is replaced
    replaced = {
        "/opt/airflow": str(home),
        "api-server:8080": f"127.0.0.1:{api}",
        "8080": api,
        "sandbox:8765": f"127.0.0.1:{sandbox}",
        "8765": sandbox,
        "0.0.0.0": "127.0.0.1",  # noqa: S104 - not bound, replaced
    }
    return Place(home, replaced, postgres_url)


@pytest.fixture
def running(place: Place) -> Iterator[Place]:
    """Every lasting service, started by its own command once ``init`` has ended."""
    env = place.env()
    done = output_of(place.command("init"), env=env)
    assert 0 == done.returncode, done.stderr
    with ExitStack() as stack:
        for name in set(SERVICES) - ONCE - {"postgres"}:
            log = stack.enter_context((place.home / f"{name}.log").open("w"))
            stack.enter_context(started(place.command(name), env=env, stdout=log))
        yield place


@pytest.mark.system
@pytest.mark.timeout(280)
@pytest.mark.skipif(airflow_version() < (3, 3), reason="the services are those of Airflow 3.3")
def test_each_service_gets_well_and_a_flow_runs(running: Place) -> None:
    for name in ("sandbox", "api-server", "scheduler", "dag-processor", "triggerer"):
        _wait_until_well(running, name)
    probe = [sys.executable, "-c", PROBE]
    done = subprocess.run(probe, env=running.env(), capture_output=True, text=True, check=True, timeout=60)
    assert {"state": "postgresql", "refused": {}} == json.loads(done.stdout.splitlines()[-1])
    assert "success" == _state_of_run(running, "products_to_infor")


def _state_of_run(place: Place, dag: str) -> str:
    """The state that a run of a DAG ends in; started by the user of the UI."""
    api = f"http://{place.replaced['api-server:8080']}"
    with requests.Session() as session:
        session.trust_env = False
        login = session.post(f"{api}/auth/token", json={"username": "admin", "password": "admin"}, timeout=30)
        session.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        _wait_until(lambda: len(session.get(f"{api}/api/v2/dags").json()["dags"]) == DAGS)
        session.patch(f"{api}/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()
        runs = f"{api}/api/v2/dags/{dag}/dagRuns"
        session.post(runs, json={"dag_run_id": "compose", "logical_date": None}).raise_for_status()
        _wait_until(lambda: session.get(f"{runs}/compose").json()["state"] in ("success", "failed"))
        state: str = session.get(f"{runs}/compose").json()["state"]
        return state


def _wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.2)


def _wait_until_well(place: Place, name: str) -> None:
    env = place.env()
    _wait_until(lambda: 0 == output_of(place.healthcheck(name), env=env).returncode)
