"""Processes that call the sandbox as often as their shared quota allows, until it is time to stop.

Imported once and forked, as starting Python ten times takes longer than what is measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from airflow_provider_brightpearl.core.quota import Limit
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.quota import SqlQuota
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.http.shared_quota import SharedBudget


def call_until_time(request: dict[str, Any], until: float) -> None:
    """Makes calls in this process."""
    engine = open_engine(request["state"])
    limit = Limit(request["calls"], request["seconds"])
    budget = SharedBudget(lambda: SqlQuota(engine), "brightpearl:acmetest", limit)
    auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
    client = BrightpearlClient(request["url"], "acmetest", auth, budget=budget)
    while time.monotonic() < until:
        client.get("order-service/order-type")


def main(request: dict[str, Any]) -> None:
    open_engine(request["state"]).dispose()
    until = time.monotonic() + request["periods"] * request["seconds"]
    children = []
    for _ in range(request["processes"]):
        child = os.fork()
        if not child:
            call_until_time(request, until)
            os._exit(0)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    sys.exit(f"{len(failed)} processes failed" if failed else 0)


if __name__ == "__main__":
    main(json.load(sys.stdin))
