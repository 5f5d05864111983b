"""Share of a run's processor time that proving takes: answers ticked off, crosswalk rows compared and set, events.

One run of new orders with their rows in one process without Airflow, SQLite as state database, the simulated systems in
another process. What is measured is the processor time inside those calls, all of it: binding rows takes time with or
without a comparison. Time by the clock depends on what else the machine does, and on its disk.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import workbench
from benchmarks.load import CUSTOMERS, ORDERS, PRODUCTS
from benchmarks.report import Row, at_most, said

GOAL = 10


def rows(*, quick: bool) -> Iterator[Row]:
    orders = ORDERS // 10 if quick else ORDERS
    with (
        workbench.folder() as work,
        workbench.simulated(work, customers=CUSTOMERS, products=PRODUCTS, orders=orders) as sandbox,
    ):
        request = {"url": sandbox.url, "folder": str(work), "flows": workbench.FLOWS}
        found = workbench.measured("benchmarks.bookkeeping_worker", request, workbench.environment(work))
    if found["created"] != orders:
        raise RuntimeError(f"{found['created']} of {orders} orders arrived")
    yield said(f"processor time of a run of {orders:,} orders", found["seconds"], "s")
    for what, seconds in found["parts"].items():
        yield said(f"of which {what}", 100 * seconds / found["seconds"], "%")
    share = 100 * sum(found["parts"].values()) / found["seconds"]
    yield at_most(GOAL, "answers, crosswalk and record events together", share, "%")
