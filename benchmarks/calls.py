"""API calls of the first load of every flow, over the fewest in which the same could be read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

from benchmarks import workbench
from benchmarks.planting import plant_orders
from benchmarks.report import Row, at_most, said
from demo.flows import OUT

GOAL = 1.05
_HOUR = 3600
# writes to orders that a flow into Brightpearl has placed
PLACED = "placed_orders_to_salesforce"
# the simulated M3 computes another tax than Brightpearl, so that invoices of its orders are refused
REFUSED = "infor_invoices_to_brightpearl"
INTO = tuple(
    sorted(path.stem for path in workbench.MAPPINGS.glob("*_to_brightpearl.yaml") if path.stem != REFUSED)
)
SIZE = {"customers": 1_100, "products": 1_100, "orders": 2_000}


def rows(*, quick: bool) -> Iterator[Row]:
    size = {name: count // 10 for name, count in SIZE.items()} if quick else SIZE
    with workbench.folder() as work, workbench.simulated(work, **size) as sandbox:
        # what was shipped in the past was never counted into M3
        sandbox.control("POST", "/settings/infor", {"stock_checked_at_pick": False})
        # an hour passes before a round without edits, and no clock may be ahead of ours
        sandbox.control("POST", "/clock", {"advance_seconds": -6 * _HOUR})
        env = workbench.environment(work, sandbox.url)
        env["AIRFLOW__BRIGHTPEARL__MAPPINGS"] = str(_without_sweeps(work / "mappings"))
        for flow in [flow for flow in OUT if flow != PLACED][: 2 if quick else None]:
            yield from _rows(flow, _run(flow, env))
        if not quick:
            plant_orders(sandbox, size["orders"])
        for flow in () if quick else INTO:
            yield from _rows(flow, _run(flow, env, writes=False))
            if flow.startswith("salesforce"):
                yield from _again(flow, env, sandbox)
        if not quick:
            yield from _rows(PLACED, _run(PLACED, env))


def _without_sweeps(folder: Path) -> Path:
    """The flow files in a folder of their own: whether a sweep is due goes by the time of the day."""
    copytree(workbench.MAPPINGS, folder)
    for path in folder.glob("*.yaml"):
        path.write_text(re.sub(r", sweep: \"[^\"]*\"", "", path.read_text()))
    return folder


def _again(flow: str, env: dict[str, str], sandbox: Any) -> Iterator[Row]:
    """Calls of a run whose window, with its overlap, begins after everything that was written."""
    _run(flow, env, "second", writes=False)
    sandbox.control("POST", "/clock", {"advance_seconds": _HOUR})
    # the one that reads what the first one has written back
    _run(flow, env, "third", writes=False)
    sandbox.control("DELETE", "/log")
    _run(flow, env, "fourth", writes=False)
    log = sandbox.control("GET", "/log")
    calls = [call for call in log if "oauth2" not in call["path"]]
    yield at_most(2, f"{flow}: calls of a round without edits", len(calls), "calls")
    writing = [call for call in calls if call["method"] != "GET"]
    yield at_most(0, f"{flow}: of them, calls that write", len(writing), "calls")


def _run(flow: str, env: dict[str, str], run: str = "first", *, writes: bool = True) -> dict[str, Any]:
    request = {"flow": flow, "stage": "everything", "given": [run]}
    outcome: dict[str, Any] = workbench.measured("benchmarks.stage", request, env)["outcome"]
    if writes and not outcome["counts"]["created"] + outcome["counts"]["updated"]:
        raise RuntimeError(f"{flow}: nothing was written: {outcome['reasons'][:3]}")
    return outcome


def _rows(flow: str, outcome: dict[str, Any]) -> Iterator[Row]:
    yield said(f"{flow}: records", outcome["counts"]["extracted"], "records")
    for system, made in outcome["calls"]["made"].items():
        fewest = outcome["calls"]["minimum"][system]
        looks = outcome["calls"]["looks"].get(system, 0)
        yield said(f"{flow}: fewest calls to {system}", fewest, "calls")
        yield said(f"{flow}: calls to {system}, looks at bulk jobs left out", made - looks, "calls")
        if looks:
            yield said(f"{flow}: looks at bulk jobs of {system}", looks, "calls")
        if fewest:
            yield at_most(
                GOAL, f"{flow}: calls to {system} over the fewest", (made - looks) / fewest, "times"
            )
