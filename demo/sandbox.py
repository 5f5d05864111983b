"""The simulated systems as a process of their own, and the demonstration's calls to them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from demo import processes
from demo.processes import free_port

CONTROL = "/__sandbox"
LOGIN = "/services/oauth2/"
# transactions of M3 that change nothing begin so
READING = ("Get", "Lst", "Search", "Sel")
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
    # company and division that the journals go to
    "infor_default": {"conn_type": "infor", "extra": {"cono": "100", "divi": "AAA"}},
}


class Sandbox:
    """A running sandbox, by its address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._m3_calls: Counter[str] = Counter()
        self._session = requests.Session()
        # loopback: a proxy of the environment is not asked
        self._session.trust_env = False

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Answer of the control API; ``path`` is what follows ``/__sandbox``."""
        answer = self._session.request(method, f"{self.url}{CONTROL}{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def snapshot(self, system: str, collection: str) -> list[Mapping[str, Any]]:
        """All records of a collection."""
        answer = self._session.get(f"{self.url}{CONTROL}/snapshot/{system}/{collection}", timeout=60)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.content.splitlines()]

    def connections(self) -> dict[str, str]:
        """The Airflow connections to the three systems, as environment variables."""
        own: dict[str, dict[str, Any]] = {
            "brightpearl_default": {"host": self.url},
            "salesforce_default": {"extra": {"endpoint_override": self.url}},
            "infor_default": {"extra": {"ionapi": json.dumps(self.control("GET", "/infor/ionapi"))}},
        }
        return {
            f"AIRFLOW_CONN_{name.upper()}": json.dumps(
                fields | own[name] | {"extra": fields["extra"] | own[name].get("extra", {})}
            )
            for name, fields in CONNECTIONS.items()
        }

    def forget_calls(self) -> None:
        """Empties the log of calls."""
        self.control("DELETE", "/log")
        self._m3_calls = self._m3_transactions()

    def writes(self) -> list[str]:
        """Calls to the three systems, since ``forget_calls``, that are neither a login nor reading."""
        by_path = [
            f"{name} got {call['method']} {call['path']}"
            for system, name in (("brightpearl", "Brightpearl"), ("salesforce", "Salesforce"))
            for call in self.control("GET", f"/log?system={system}")
            if call["method"] not in ("GET", "OPTIONS") and not call["path"].startswith(LOGIN)
        ]
        # every call to M3 is a POST; what it does, its transactions say
        done = self._m3_transactions() - self._m3_calls
        return by_path + [f"M3 got {times} {name}" for name, times in done.items()]

    def _m3_transactions(self) -> Counter[str]:
        """How often each transaction ran that does not only read."""
        return Counter({
            f"{call['program']} {call['transaction']}, {call['outcome']}": call["times"]
            for call in self.snapshot("infor", "calls")
            if not call["transaction"].startswith(READING)
        })  # fmt: skip

    def unknown(self) -> list[str]:
        """Addresses that were requested and that no system has, with how often."""
        return [
            f"{each['system'] or 'nobody'} was asked {each['times']} times for {each['address']}"
            for each in self.control("GET", "/unknown")
        ]

    def let_stock_go_below_zero(self) -> None:
        """Lets M3 take picks of goods whose stock it hears of with the next count, or never."""
        self.control("POST", "/settings/infor", {"stock_checked_at_pick": False})

    def invoice_in_m3(self, *, invoice: bool) -> None:
        """Lets M3 invoice what it delivers from now on, or leave that to Brightpearl."""
        self.control("POST", "/settings/infor", {"invoice_at_delivery": invoice})

    def run_behind(self, delay: timedelta) -> None:
        """Sets the sandbox's clock so far behind, so that what happens in it counts as that old at once."""
        self.control("POST", "/clock", {"now": (datetime.now(UTC) - delay).isoformat()})


@contextmanager
def running(
    size: Mapping[str, int], log: Path, port: int | None = None, *, variety: bool = False
) -> Iterator[Sandbox]:
    """A sandbox with so many customers, products and orders, until the end of the block.

    ``variety`` adds what an even history does not have: part shipped and part paid orders, purchases, nested bundles.

    Raises:
        RuntimeError: it did not start; says why.
    """
    until = datetime.now(UTC) - timedelta(hours=1)
    options = [f"--{name}={count}" for name, count in size.items()] + ["--variety"] * variety
    command = [
        sys.executable,
        "-m",
        "airflow_provider_brightpearl.sandbox",
        "--port",
        str(port or free_port()),
    ]
    with (
        log.open("w") as errors,
        processes.running(
            [*command, f"--until={until.isoformat()}", *options], stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("sandbox ready at "):
            raise RuntimeError(f"the sandbox did not start:\n{log.read_text()[-2000:]}")
        yield Sandbox(line.removeprefix("sandbox ready at ").split(" ", 1)[0])
