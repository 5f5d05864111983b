"""docker-compose.yaml as Compose reads it, and a place where its commands run without containers."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.engine import make_url

from demo.processes import free_port

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docker-compose.yaml").read_text()
ONCE = {"init"}
BIN = Path(sys.executable).parent
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+):-(?P<default>[^}]*)\})")


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """A value of the file as Compose reads it: ``${NAME:-default}`` filled in, ``$$`` a dollar sign."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: _replacement(found, variables), value)
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    return value


def _replacement(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, default = found["name"], found["default"]
    return "$" if name is None else variables.get(name) or default


COMPOSE: dict[str, Any] = interpolate(yaml.safe_load(TEXT), {})
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
RECIPE: str = SERVICES["init"]["build"]["dockerfile_inline"]


@dataclass(frozen=True)
class Place:
    """A directory and ports that stand in for the containers."""

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
            # each container has ports of its own; processes of one machine share them
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            # the image brings the driver that Airflow's own tables need
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW_CONN_BRIGHTPEARL_STATE": self._state(own["AIRFLOW_CONN_BRIGHTPEARL_STATE"]),
        }
        return clean | own | more

    def _here(self, word: str) -> str:
        found = "|".join(map(re.escape, self.replaced))
        return re.sub(found, lambda match: self.replaced[match[0]], word)

    def _state(self, connection: str) -> str:
        url = make_url(self.database)
        here = {"host": url.host, "port": url.port, "login": url.username, "password": url.password}
        return json.dumps(json.loads(connection) | here | {"schema": url.database})
