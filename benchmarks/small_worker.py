"""Runs flows without Airflow in this process; reports the processor time of its imports and of the mapping process."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any


def main(request: dict[str, Any]) -> dict[str, Any]:
    from airflow_provider_brightpearl.core.window import Request, RunKind
    from airflow_provider_brightpearl.mapping import process
    from airflow_provider_brightpearl.runtime.run import run_flow
    from airflow_provider_brightpearl.runtime.wiring import Wiring
    from airflow_provider_brightpearl.stores.engine import open_engine
    from benchmarks.load_worker import sandboxed

    imported = time.process_time()
    folder = Path(request["folder"])
    engine = open_engine(f"sqlite:///{folder / 'state.db'}")
    environment = sandboxed(folder, request["url"], engine)
    for flow in request["flows"]:
        summary = run_flow(Wiring.of(flow, environment), Request(RunKind.MANUAL), "small")
    process.take(environment.mapping_bounds).end()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "records": summary.counts.extracted, "imports": imported, "mapping": used.ru_utime + used.ru_stime,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))), flush=True)
