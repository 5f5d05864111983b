"""Runs flows in a process of its own, which tests stop and wake: a line of JSON asks, a line of JSON answers."""

from __future__ import annotations

import json
import sys
import urllib.request
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from tests.flows.site import Site


@dataclass
class Remote:
    """A sandbox in another process, as far as a site needs it."""

    url: str

    def __post_init__(self) -> None:
        with urllib.request.urlopen(f"{self.url}/__sandbox/clock", timeout=30) as answer:  # noqa: S310
            self.ahead = datetime.fromisoformat(json.load(answer)["now"]) - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def main() -> None:
    given = json.loads(sys.stdin.readline())
    site = Site(cast("Sandbox", Remote(given["url"])), Path(given["folder"]))
    site.database = open_engine(given["state"])
    lease, wait = (timedelta(seconds=given[name]) for name in ("lease", "wait"))
    environment = replace(site.environment, lease=lease, lease_wait=wait)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            wiring = Wiring.of(asked["flow"], environment)
            answer: dict[str, Any] = run_flow(wiring, Request(RunKind.MANUAL), asked["run"]).as_dict()
        except SyncError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
