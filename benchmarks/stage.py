"""One stage of a run, all five, or a comparison, as a task of Airflow runs it; reports outcome and peak memory.

A stage takes and returns reports as plain JSON, as they pass from task to task through XCom.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

import msgspec

from airflow_provider_brightpearl.core.reports import ExtractReport, ReconcileReport, RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.environment import airflow_environment
from airflow_provider_brightpearl.errors import GateClosed
from airflow_provider_brightpearl.runtime import reconcile, run
from airflow_provider_brightpearl.runtime.wiring import Wiring
from benchmarks.workbench import give, peak_megabytes

MANUAL = Request(RunKind.MANUAL)


def nothing(wiring: Wiring) -> None:
    """Shows what imports and the flow file take."""


def extract(wiring: Wiring, name: str) -> ExtractReport:
    return run.extract(wiring, MANUAL, name)


def everything(wiring: Wiring, name: str) -> RunSummary:
    return run.run_flow(wiring, MANUAL, name)


def compared(wiring: Wiring, name: str) -> ReconcileReport | None:
    return reconcile.compare(wiring, name, full_resync=True)


STAGES: dict[str, Callable[..., Any]] = {
    "import": nothing,
    "extract": extract,
    "transform": run.transform,
    "gate": run.gate,
    "load": run.load,
    "settle": run.settle,
    "everything": everything,
    "reconcile": compared,
}


def main(request: dict[str, Any]) -> dict[str, Any]:
    wiring = Wiring.of(request["flow"], airflow_environment())
    try:
        outcome = _run(STAGES[request["stage"]], wiring, request["given"])
    except GateClosed:
        outcome = None
    return {"outcome": msgspec.to_builtins(outcome), "peak_mb": peak_megabytes()}


def _run(stage: Callable[..., Any], wiring: Wiring, given: Sequence[Any]) -> Any:
    """A stage with what it is given, read as the types it asks for; the rest is as usual."""
    _, *kinds = (kind for name, kind in get_type_hints(stage).items() if name != "return")
    return stage(wiring, *(msgspec.convert(value, kind) for value, kind in zip(given, kinds, strict=False)))


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
