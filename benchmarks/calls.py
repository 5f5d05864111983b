"""API calls of the first load of every flow, over the fewest in which the same could be read and written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import workbench
from benchmarks.report import Row, at_most, said
from demo.flows import FLOWS

GOAL = 1.05
SIZE = {"customers": 1_100, "products": 1_100, "orders": 2_000}


def rows(*, quick: bool) -> Iterator[Row]:
    size = {name: count // 10 for name, count in SIZE.items()} if quick else SIZE
    with workbench.folder() as work, workbench.simulated(work, **size) as sandbox:
        # what was shipped in the past was never counted into M3
        sandbox.control("POST", "/settings/infor", {"stock_checked_at_pick": False})
        env = workbench.environment(work, sandbox.url)
        for flow in FLOWS[:2] if quick else FLOWS:
            yield from _rows(flow, _run(flow, env))


def _run(flow: str, env: dict[str, str]) -> dict[str, Any]:
    request = {"flow": flow, "stage": "everything", "given": ["first"]}
    outcome: dict[str, Any] = workbench.measured("benchmarks.stage", request, env)["outcome"]
    if not outcome["counts"]["created"] + outcome["counts"]["updated"]:
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
