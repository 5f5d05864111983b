"""Orders from Salesforce into Brightpearl while answers are lost at random: none may be there twice, none be missing.

Every tenth call that writes gets no answer, half of them after Brightpearl has carried it out. A run that lost some
fails, as a task of Airflow does, and is repeated until one ends well.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.systems.intent_log import IntentLog
from benchmarks import workbench
from benchmarks.load_worker import sandboxed
from benchmarks.planting import plant_orders
from benchmarks.report import Row, at_most, said
from benchmarks.workbench import give

FLOW = "salesforce_orders_to_brightpearl"
ORDERS, SEED, EVERY, RUNS = 10_000, 23, 10, 100


def rows(*, quick: bool) -> Iterator[Row]:
    orders = ORDERS // 100 if quick else ORDERS
    with (
        workbench.folder() as work,
        workbench.simulated(work, customers=50, products=30, orders=50) as sandbox,
    ):
        env = workbench.environment(work)
        place = {"url": sandbox.url, "folder": str(work)}

        def run(*flows: str) -> dict[str, int]:
            """Runs flows an hour later, so that they see all that there is."""
            sandbox.control("POST", "/clock", {"advance_seconds": 3600})
            now = sandbox.control("GET", "/clock")["now"]
            found: dict[str, int] = workbench.measured(
                "benchmarks.lost_answers", {**place, "flows": flows, "now": now}, env
            )
            return found

        # the state of the flow begins before the orders are placed
        run(*workbench.FLOWS, FLOW)
        sandbox.control("POST", "/clock", {"advance_seconds": 3600})
        plant_orders(sandbox, orders)
        planned = _plant_faults(sandbox, orders)
        found = run(FLOW)
        lost = sum(fault["hits"] for fault in sandbox.control("GET", "/faults"))
        there = Counter(
            order["externalRef"]
            for order in sandbox.snapshot("brightpearl", "order")
            if str(order.get("externalRef")).startswith("SF-")
        )
    yield said("orders placed in Salesforce", orders, "orders")
    yield said("calls to Brightpearl whose answer was lost", lost, f"of {planned} planned")
    yield said("runs until one ended well", found["runs"], "runs")
    yield said("calls to Brightpearl of the last run", found["calls"], "calls")
    yield at_most(0, "orders that Brightpearl has twice", sum(there.values()) - len(there), "orders")
    yield at_most(0, "orders that are missing", orders - len(there), "orders")


def _plant_faults(sandbox: Any, orders: int) -> int:
    """Faults at random places among the calls that write; gives how many."""
    places = random.Random(SEED)
    count = max(3, orders // 10 // EVERY)
    for _ in range(count):
        rule = {
            "system": "brightpearl",
            "path": "multi-message",
            "drop": places.choice(["before", "after"]),
            "skip": places.randrange(max(4, orders // 10)),
        }
        sandbox.control("POST", "/faults", rule)
    return count


def main(request: dict[str, Any]) -> dict[str, int]:
    """Runs flows, each until it ends well; the minute in which a call may still arrive is left out."""
    IntentLog.wait_until_quiet = lambda _: None  # type: ignore[method-assign]
    folder = Path(request["folder"])
    environment = sandboxed(folder, request["url"], open_engine(f"sqlite:///{folder / 'state.db'}"))
    ahead = datetime.fromisoformat(request["now"]) - datetime.now(UTC)
    environment = replace(environment, now=lambda: datetime.now(UTC) + ahead)
    runs = calls = 0
    for flow in request["flows"]:
        while True:
            runs += 1
            if runs > RUNS:
                raise RuntimeError(f"{flow}: no run of {RUNS} ended well")
            wiring = Wiring.of(flow, environment)
            try:
                summary = run_flow(wiring, Request(RunKind.MANUAL), f"run{runs}-{flow}")
            except SyncError as error:
                print(f"{flow}: {error}"[:200], file=sys.stderr)
                continue
            calls += summary.calls.made.get("brightpearl", 0)
            if summary.counts.rejected:
                raise RuntimeError(f"{flow}: {summary.counts}, {summary.reasons[:3]}")
            break
    return {"runs": runs, "calls": calls}


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
