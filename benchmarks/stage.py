"""One stage of a run, or all five, in this process, as a task of Airflow runs it; gives its outcome and peak memory."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

from airflow_provider_brightpearl.operators import stages
from airflow_provider_brightpearl.operators.wiring import Wiring
from benchmarks.workbench import MAPPINGS, give, peak_megabytes


def extract(wiring: Wiring, run: str) -> Any:
    return stages.extract(
        wiring, {"run_id": run, "dag_run": SimpleNamespace(run_type="manual"), "params": {}}
    )


def everything(wiring: Wiring, run: str) -> Any:
    parts, facts = extract(wiring, run)
    mapped = [stages.transform(wiring, part, facts) for part in parts]
    verdict = stages.gate(wiring, mapped, facts) if mapped else None
    loads = [stages.load(wiring, part, verdict or {}, facts) for part in mapped]
    return stages.settle(wiring, parts, mapped, verdict, loads, facts)


STAGES = {
    "import": lambda wiring: None,
    "extract": extract,
    "transform": stages.transform,
    "gate": stages.gate,
    "load": stages.load,
    "settle": stages.settle,
    "everything": everything,
}


def main(request: dict[str, Any]) -> dict[str, Any]:
    wiring = Wiring.of(request["flow"], str(MAPPINGS), None, None)
    outcome = STAGES[request["stage"]](wiring, *request["given"])
    return {"outcome": outcome, "peak_mb": peak_megabytes()}


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
