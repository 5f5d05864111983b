"""What proving costs a run: answers, crosswalk, record events, ledger, leases, shared quota, breakers.

Runs of new orders with their rows in one process without Airflow, SQLite as state database, the simulated systems in
another process. What is measured is the time inside those calls, by the clock and of the processor, in one run.
Crosswalk rows have to be written anyway, some of them twice, so what the same calls take without a comparison is
subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks import workbench
from benchmarks.load import CUSTOMERS, ORDERS, PRODUCTS
from benchmarks.report import Row, at_most, said

PROVING_GOAL, GOAL = 10, 15
ROUNDS = 3
CLOCKS = ("wall", "processor")
PROVING = ("answers", "crosswalk rows, compared and set", "record events", "transactions of both")


def rows(*, quick: bool) -> Iterator[Row]:
    for orders in (ORDERS // 100,) if quick else (ORDERS // 10, ORDERS):
        found = [_measured(orders) for _ in range(1 if quick else ROUNDS)]
        for clock in CLOCKS:
            yield from _shares(found, orders, clock)


def _measured(orders: int) -> dict[str, Any]:
    with (
        workbench.folder() as work,
        workbench.simulated(work, customers=CUSTOMERS, products=PRODUCTS, orders=orders) as sandbox,
    ):
        request = {"url": sandbox.url, "folder": str(work), "flows": workbench.FLOWS}
        found: dict[str, Any] = workbench.measured(
            "benchmarks.bookkeeping_worker", request, workbench.environment(work)
        )
    if found["created"] != orders:
        raise RuntimeError(f"{found['created']} of {orders} orders arrived")
    return found


def _shares(found: list[dict[str, Any]], orders: int, clock: str) -> Iterator[Row]:
    """Medians over the rounds; each share is that of its own round."""
    time, of = f"{clock} time", f"{orders:,} orders, {clock} time"

    def share(seconds: Any) -> float:
        return median(100 * seconds(each) / each["run"][clock] for each in found)

    yield said(f"{time} of a run of {orders:,} orders", median(each["run"][clock] for each in found), "s")
    if clock == "processor":
        yield said(f"{of}: the process that maps", share(lambda each: each["mapping"]), "%")
    for what in found[0]["parts"]:
        yield said(f"{of}: {what}", share(lambda each, what=what: each["parts"][what][clock]), "%")
    plain = share(lambda each: each["plain"][clock])
    yield said(f"{of}: the same crosswalk rows without a comparison", plain, "%")
    proving = share(lambda each: _cost(each, clock, PROVING))
    name = f"{of}: answers, comparing and record events together"
    judged = clock == "wall" and orders == ORDERS
    yield at_most(PROVING_GOAL, name, proving, "%") if judged else said(name, proving, "%")
    costs = [(_cost(each, clock, each["parts"]), each["run"][clock]) for each in found]
    all_over = median(100 * cost / (whole - cost) for cost, whole in costs)
    yield at_most(GOAL, f"{of}: all of it, over the same run without", all_over, "%")


def _cost(found: dict[str, Any], clock: str, parts: Any) -> float:
    return float(sum(found["parts"][what][clock] for what in parts) - found["plain"][clock])
