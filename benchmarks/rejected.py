"""Peak memory of runs of which every order is rejected, over that of a good one: what goes wrong is not to cost more.

Orders are rejected in each way there is: mapping refuses them, their parents are missing, the gate rejects them and
lets the run go on or closes it, the target refuses them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks import workbench
from benchmarks.memory import CUSTOMERS, PRODUCTS, StagedRun
from benchmarks.report import Row, at_most, said

GOAL = 1.5
_FLOW = workbench.FLOWS[2]
_NEVER = [{"column_values_to_be_in_set": {"column": "Status", "value_set": ["nothing"]}}]
_NEITHER = [{"column_values_to_be_between": {"column": "Quantity", "min_value": 1_000_000}}]
_ALL = {"gate": {"max_rejected": "100%"}, "load": {"max_refused": "100%"}}
# what each way changes in the flow
WAYS: Mapping[str, Mapping[str, Any]] = {
    "a good run": {},
    "every order refused by mapping": {
        **_ALL,
        "objects": {
            "Order": {"fields": {"Brightpearl_Status__c": "orderStatus.name::DATE"}},
            "OrderItem": {"fields": {"Description": "row.productName::DATE"}},
        },
    },
    "every order parked": {},
    "every order rejected by the gate": {**_ALL, "expect": {"Order": _NEVER, "OrderItem": _NEITHER}},
    "every order rejected by a gate that closes": {"expect": {"Order": _NEVER, "OrderItem": _NEITHER}},
    "every order refused by the target": {
        **_ALL,
        "objects": {"Order": {"fields": {"BillingCity": "repeat('x', 50)"}}},
    },
}
_GOOD, _PARKED, _REFUSED = "a good run", "every order parked", "every order refused by the target"


def rows(*, quick: bool) -> Iterator[Row]:
    yield from compared(400, (_GOOD, _REFUSED)) if quick else compared(20_000)


def compared(orders: int, ways: Iterable[str] = WAYS) -> Iterator[Row]:
    """The peaks of these kinds of runs over so many orders, over that of a good one."""
    found = _peaks(orders, ways)
    good = max(found.pop(_GOOD).values())
    yield said(f"peak of {_GOOD}, {orders:,} orders", good, "MB")
    for way, peaks in found.items():
        stage = max(peaks, key=lambda name: peaks[name])
        yield said(f"peak of a run, in {stage}, {way}, {orders:,} orders", peaks[stage], "MB")
        yield at_most(GOAL, f"the same over {_GOOD}", peaks[stage] / good, "times")


def _peaks(orders: int, ways: Iterable[str]) -> dict[str, dict[str, float]]:
    with workbench.folder() as work:
        sizes = {"customers": CUSTOMERS, "products": PRODUCTS, "orders": orders}
        with workbench.simulated(work, **sizes) as sandbox:
            env = workbench.environment(work, sandbox.url)
            for flow in workbench.FLOWS[:2]:
                seed = {"flow": flow, "stage": "everything", "given": ["seed"]}
                workbench.measured("benchmarks.stage", seed, env)
            return {
                way: StagedRun(_prepared(work / str(place), way, env)).peaks(orders, created=way == _GOOD)
                for place, way in enumerate(ways)
            }


def _prepared(home: Path, way: str, env: Mapping[str, str]) -> dict[str, str]:
    """An Airflow home and mappings of its own; without its state, parents of orders are missing."""
    if way != _PARKED:
        shutil.copytree(env["AIRFLOW_HOME"], home / "airflow")
    mappings = shutil.copytree(workbench.MAPPINGS, home / "mappings")
    path = mappings / f"{_FLOW}.yaml"
    changed = _merged(yaml.safe_load(path.read_text()), WAYS[way])
    path.write_text(yaml.safe_dump(changed, sort_keys=False))
    return {**env, "AIRFLOW_HOME": str(home / "airflow"), "AIRFLOW__BRIGHTPEARL__MAPPINGS": str(mappings)}


def _merged(whole: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **whole,
        **{
            name: _merged(whole.get(name) or {}, value) if isinstance(value, Mapping) else value
            for name, value in changes.items()
        },
    }
