"""Processes that call the sandbox as often as their shared quota allows, until it is time to stop.

Imported once and forked, as starting Python ten times takes longer than what is measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from airflow_provider_brightpearl.core.ports.quota import Ask, Granted
from airflow_provider_brightpearl.core.quota import Limit
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.quota import SqlQuota
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.http.shared_quota import SharedBudget
from benchmarks.workbench import give


class _Counted(SqlQuota):
    """Counts its transactions."""

    asked = 0

    def ask(self, ask: Ask, limit: Limit) -> Granted:
        self.asked += 1
        return super().ask(ask, limit)


def call_until_time(request: dict[str, Any], until: float) -> int:
    """Makes calls in this process; gives the transactions that they took."""
    store = _Counted(open_engine(request["state"]))
    limit = Limit(request["calls"], request["seconds"])
    budget = SharedBudget(lambda: store, "brightpearl:acmetest", limit)
    auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
    client = BrightpearlClient(request["url"], "acmetest", auth, budget=budget)
    while time.monotonic() < until:
        client.get("order-service/order-type")
    return store.asked


def main(request: dict[str, Any]) -> dict[str, int]:
    open_engine(request["state"]).dispose()
    until = time.monotonic() + request["periods"] * request["seconds"]
    reading, writing = os.pipe()
    children = []
    for _ in range(request["processes"]):
        child = os.fork()
        if not child:
            os.write(writing, f"{call_until_time(request, until)}\n".encode())
            os._exit(0)
        children.append(child)
    os.close(writing)
    if failed := [child for child in children if os.waitpid(child, 0)[1]]:
        raise RuntimeError(f"{len(failed)} processes failed")
    with os.fdopen(reading) as counts:
        return {"asked": sum(map(int, counts))}


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
