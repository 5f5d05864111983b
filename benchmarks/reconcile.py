"""Peak memory of a reconciliation of all customers, for a small and a large crosswalk.

Customers are synced, then both systems are compared in a fresh process as a task of Airflow does it: every record of
the source is read and mapped, every row of the target queried, every bound row looked at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import yaml

from benchmarks import workbench
from benchmarks.report import Row, at_most, said

GOAL = 1.1
_FLOW = workbench.FLOWS[0]


def rows(*, quick: bool) -> Iterator[Row]:
    few, many = (400, 1_600) if quick else (10_000, 40_000)
    # parts are equally large in both, and full
    small, large = (_peak(customers, part_size=few // 2) for customers in (few, many))
    yield said(f"peak of a reconciliation, {few:,} customers", small, "MB")
    yield said(f"peak of a reconciliation, {many:,} customers", large, "MB")
    yield at_most(GOAL, f"the peak over {many:,} over {few:,} customers", large / small, "times")


def _peak(customers: int, part_size: int) -> float:
    with (
        workbench.folder() as work,
        workbench.simulated(work, customers=customers, products=1, orders=0) as sandbox,
    ):
        mappings = shutil.copytree(workbench.MAPPINGS, work / "mappings")
        path = mappings / f"{_FLOW}.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "part_size": part_size}))
        env = workbench.environment(work, sandbox.url) | {"AIRFLOW__BRIGHTPEARL__MAPPINGS": str(mappings)}
        workbench.measured("benchmarks.stage", {"flow": _FLOW, "stage": "everything", "given": ["seed"]}, env)
        answer = workbench.measured(
            "benchmarks.stage", {"flow": _FLOW, "stage": "reconcile", "given": ["bench"]}, env
        )
    counts = answer["outcome"]["counts"]
    if not 0 < counts["source"] == counts["matched"]:
        raise RuntimeError(f"not all customers agree: {counts}")
    peak: float = answer["peak_mb"]
    return peak
