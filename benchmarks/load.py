"""Processor time of the load stage a row, for orders with their rows that are all new, and for the same again.

The flow runs without Airflow, against the simulated systems in a process of their own and a SQLite state file. What is
measured is the processor time of the product's process while ``run.load`` works, all its threads together; imports and
the login come before. Seconds on the clock are given beside it: they are mostly the simulated org's.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import workbench
from benchmarks.report import Row, at_most, said

CUSTOMERS, PRODUCTS, ORDERS = 1_000, 300, 20_000
GOAL = 50


def rows(*, quick: bool) -> Iterator[Row]:
    orders = ORDERS // 100 if quick else ORDERS
    with (
        workbench.folder() as work,
        workbench.simulated(work, customers=CUSTOMERS, products=PRODUCTS, orders=orders) as sandbox,
    ):
        request = {"url": sandbox.url, "folder": str(work), "flows": workbench.FLOWS}
        found = workbench.measured("benchmarks.load_worker", request, workbench.environment(work))
    if found["created"] != orders:
        raise RuntimeError(f"{found['created']} of {orders} orders arrived")
    yield said("rows to load", found["rows"], "rows")
    for name, took in found["loads"].items():
        a_row = took["cpu"] * 1e6 / found["rows"]
        what = f"processor time of load a row, {name}"
        yield (
            at_most(GOAL, what, a_row, "microseconds")
            if name == "all new"
            else said(what, a_row, "microseconds")
        )
        yield said(f"seconds of load, {name}", took["wall"], "s")
    yield said("peak memory of the process, all stages", found["peak_mb"], "MB")
