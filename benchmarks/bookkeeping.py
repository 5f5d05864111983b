"""Share of a run's time that proving takes: answers ticked off, crosswalk rows compared and set, events.

One run of new orders with their rows in one process without Airflow, SQLite as state database, the simulated systems in
another process. What is measured is the time inside those calls, by the clock and of the processor. Crosswalk rows have
to be written anyway, some of them twice, so what the same calls take without a comparison is subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import workbench
from benchmarks.load import CUSTOMERS, ORDERS, PRODUCTS
from benchmarks.report import Row, at_most, said

GOAL = 10


def rows(*, quick: bool) -> Iterator[Row]:
    orders = ORDERS // 100 if quick else ORDERS
    for clock, goal in (("wall", GOAL), ("processor", None)):
        yield from _shares(_measured(orders, clock), orders, clock, goal)


def _measured(orders: int, clock: str) -> dict[str, Any]:
    with (
        workbench.folder() as work,
        workbench.simulated(work, customers=CUSTOMERS, products=PRODUCTS, orders=orders) as sandbox,
    ):
        request = {"url": sandbox.url, "folder": str(work), "flows": workbench.FLOWS, "clock": clock}
        found: dict[str, Any] = workbench.measured(
            "benchmarks.bookkeeping_worker", request, workbench.environment(work)
        )
    if found["created"] != orders:
        raise RuntimeError(f"{found['created']} of {orders} orders arrived")
    return found


def _shares(found: dict[str, Any], orders: int, clock: str, goal: int | None) -> Iterator[Row]:
    time = f"{clock} time"
    yield said(f"{time} of a run of {orders:,} orders", found["seconds"], "s")
    for what, seconds in found["parts"].items():
        yield said(f"{time} of it, {what}", 100 * seconds / found["seconds"], "%")
    plain = 100 * found["plain"] / found["seconds"]
    yield said(f"{time} of it, the same crosswalk rows without a comparison", plain, "%")
    share = 100 * sum(found["parts"].values()) / found["seconds"] - plain
    name = f"{time} of it, answers, comparing and record events together"
    yield at_most(goal, name, share, "%") if goal else said(name, share, "%")
