"""API calls of a run that finds nothing new, for each flow, counted by the simulated systems themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import workbench
from benchmarks.report import Row, at_most

SIZE = {"customers": 200, "products": 100, "orders": 1_000}


def rows(*, quick: bool) -> Iterator[Row]:
    with workbench.folder() as work, workbench.simulated(work, **SIZE) as sandbox:
        env = workbench.environment(work, sandbox.url)
        for flow in workbench.FLOWS[:1] if quick else workbench.FLOWS:
            first, _ = _run(flow, "first", env, sandbox)
            again, calls = _run(flow, "again", env, sandbox)
            created, extracted = first["created"], again["extracted"]
            if not created or extracted:
                raise RuntimeError(f"{flow}: first {created} created, then {extracted} extracted")
            yield at_most(
                2, f"{flow}: calls to Brightpearl where nothing is new", calls["brightpearl"], "calls"
            )
            yield at_most(
                0, f"{flow}: calls to Salesforce where nothing is new", calls["salesforce"], "calls"
            )


def _run(flow: str, run: str, env: dict[str, str], sandbox: Any) -> tuple[dict[str, int], dict[str, int]]:
    """What became of the records of a run, and the calls it made, logins included."""
    sandbox.control("DELETE", "/log")
    answer = workbench.measured(
        "benchmarks.stage", {"flow": flow, "stage": "everything", "given": [run]}, env
    )
    return answer["outcome"]["counts"], sandbox.control("GET", "/counts")
