"""The simulated systems as a process of their own, and what the demonstration asks of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from demo.processes import ended, free_port

CONTROL = "/__sandbox"
LOGIN = "/services/oauth2/"
# what the sandbox accepts, as it prints it when it starts
ACCOUNT = "acmetest"
CONNECTIONS: dict[str, dict[str, Any]] = {
    "brightpearl_default": {
        "conn_type": "brightpearl",
        "login": ACCOUNT,
        "password": "sandbox-staff-token",
        "extra": {"app_ref": "acmetest_sandbox", "token_kind": "staff"},
    },
    "salesforce_default": {
        "conn_type": "salesforce",
        "extra": {
            "consumer_key": "sandbox-consumer-key",
            "consumer_secret": "sandbox-consumer-secret",
            "domain": "acme.my",
        },
    },
}


def connections(url: str) -> dict[str, str]:
    """The Airflow connections to a sandbox, as environment variables."""
    brightpearl = CONNECTIONS["brightpearl_default"] | {"host": url}
    salesforce = CONNECTIONS["salesforce_default"]
    salesforce = salesforce | {"extra": salesforce["extra"] | {"endpoint_override": url}}
    return {
        "AIRFLOW_CONN_BRIGHTPEARL_DEFAULT": json.dumps(brightpearl),
        "AIRFLOW_CONN_SALESFORCE_DEFAULT": json.dumps(salesforce),
    }


class Sandbox:
    """A running sandbox, by its address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        # loopback: a proxy of the environment is not asked
        self._session.trust_env = False

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Answer of the control API; ``path`` is what follows ``/__sandbox``."""
        answer = self._session.request(method, f"{self.url}{CONTROL}{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def snapshot(self, system: str, collection: str) -> list[dict[str, Any]]:
        """All records of a collection."""
        answer = self._session.get(f"{self.url}{CONTROL}/snapshot/{system}/{collection}", timeout=60)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.content.splitlines()]

    def forget_calls(self) -> None:
        """Empties the log of calls."""
        self.control("DELETE", "/log")

    def writes(self) -> list[str]:
        """Calls to Salesforce, since ``forget_calls``, that are neither a login nor reading."""
        calls = self.control("GET", "/log?system=salesforce")
        return [
            f"{call['method']} {call['path']}"
            for call in calls
            if call["method"] != "GET" and not call["path"].startswith(LOGIN)
        ]

    def run_behind(self, delay: timedelta) -> None:
        """Sets the sandbox's clock so far behind, so that what happens in it counts as that old at once."""
        self.control("POST", "/clock", {"now": (datetime.now(UTC) - delay).isoformat()})


@contextmanager
def running(size: Mapping[str, int], log: Path, port: int | None = None) -> Iterator[Sandbox]:
    """A sandbox with so many customers, products and orders, until the end of the block.

    Raises:
        RuntimeError: it did not start; says why.
    """
    until = datetime.now(UTC) - timedelta(hours=1)
    options = [f"--{name}={count}" for name, count in size.items()]
    command = [
        sys.executable,
        "-m",
        "airflow_provider_brightpearl.sandbox",
        "--port",
        str(port or free_port()),
    ]
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - this interpreter
            [*command, f"--until={until.isoformat()}", *options],
            stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
        )  # fmt: skip
    with ended(process):
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("sandbox ready at "):
            raise RuntimeError(f"the sandbox did not start:\n{log.read_text()[-2000:]}")
        yield Sandbox(line.removeprefix("sandbox ready at ").split(" ", 1)[0])
