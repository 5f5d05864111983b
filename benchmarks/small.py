"""Processor time of a run of 200 orders with their rows, from the start of its process to its end.

All five stages in one fresh process without Airflow, with the process that maps for it, against the simulated systems
in another: so imports count, also those that Airflow brings anyway. Customers and products are there already. The
fewest of some runs: what else the machine does only adds.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator

from benchmarks import workbench
from benchmarks.report import Row, at_most, said

ORDERS, ROUNDS = 200, 3
GOAL = 2


def rows(*, quick: bool) -> Iterator[Row]:
    took = [_run() for _ in range(1 if quick else ROUNDS)]
    yield at_most(
        GOAL, f"processor time of a run of {ORDERS} orders", min(each["whole"] for each in took), "s"
    )
    yield said("of which start and imports before the run", min(each["imports"] for each in took), "s")
    yield said(
        "of which the process that maps, with start and imports", min(each["mapping"] for each in took), "s"
    )


def _run() -> dict[str, float]:
    with (
        workbench.folder() as work,
        workbench.simulated(work, customers=100, products=50, orders=ORDERS) as sandbox,
    ):
        request = {"url": sandbox.url, "folder": str(work)}
        env = workbench.environment(work)
        *before, orders = workbench.FLOWS
        workbench.measured("benchmarks.small_worker", {**request, "flows": before}, env)
        began = _processor()
        found: dict[str, float] = workbench.measured(
            "benchmarks.small_worker", {**request, "flows": [orders]}, env
        )
        found["whole"] = _processor() - began
    if found["records"] != ORDERS:
        raise RuntimeError(f"{found['records']} of {ORDERS} orders were read")
    print(f"  {found['whole']:.2f} s", flush=True)
    return found


def _processor() -> float:
    """Seconds of all processes that have ended, with those that they started; the sandbox goes on."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
