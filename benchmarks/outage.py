"""An outage of one system with three flows queued: afterwards they are drained hardly later than the quota dictates.

Each flow's ``extract`` runs in a process of its own, as a task of Airflow 3 does: where it is deferred, the process
waits as a trigger would, and resumes it. Outage and looks are a tenth as long as in the world; the quota is whole.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from math import ceil
from types import SimpleNamespace
from typing import Any

from benchmarks import workbench
from benchmarks.report import Row, at_most, said
from benchmarks.workbench import FLOWS, give

LIMIT, SECONDS = 200, 60
OUTAGE_SECONDS = 60.0
# a tenth of the defaults
LOOKS = {
    "AIRFLOW__BRIGHTPEARL__OUTAGE_LOOK_SECONDS": "2",
    "AIRFLOW__BRIGHTPEARL__OUTAGE_LONGEST_LOOK_SECONDS": "30",
}


def rows(*, quick: bool) -> Iterator[Row]:
    size = {"customers": 300, "products": 100, "orders": 300}
    outage = 5.0
    if not quick:
        size, outage = {"customers": 20_000, "products": 8_000, "orders": 15_000}, OUTAGE_SECONDS
    with workbench.folder() as work, workbench.simulated(work, throttle=True, **size) as sandbox:
        fault = {"system": "brightpearl", "status": 502, "times": 0, "body": "<html>down</html>"}
        sandbox.control("POST", "/faults", fault)
        env = workbench.environment(work, sandbox.url) | LOOKS
        with ExitStack() as running:
            tasks = [running.enter_context(_task(flow, env)) for flow in FLOWS]
            # whatever happens here, nobody waits for them while the outage lasts
            running.callback(sandbox.control, "DELETE", "/faults")
            waiting = sum("waits" in _answer(task) for task in tasks)
            time.sleep(outage)
            during = len(sandbox.control("GET", "/log?system=brightpearl"))
            sandbox.control("DELETE", "/faults")
            ended = datetime.fromisoformat(sandbox.control("GET", "/clock")["now"])
            found = [_answer(task) for task in tasks]
        log = sandbox.control("GET", "/log?system=brightpearl")[during:]
    took = (datetime.fromisoformat(log[-1]["at"]) - ended).total_seconds()
    dictated = (ceil(len(log) / LIMIT) - 1) * SECONDS
    yield said("flows that waited", waiting, "flows")
    yield said("calls during the outage", during, "calls")
    yield said("calls afterwards", len(log), "calls")
    yield at_most(0, "runs that failed", sum("records" not in each for each in found), "runs")
    yield said("time the quota dictates", dictated, "s")
    yield said("time from the end of the outage to the last call", took, "s")
    yield at_most(1.1, "time over what the quota dictates", took / max(dictated, SECONDS), "times")


def _task(flow: str, env: dict[str, str]) -> subprocess.Popen[str]:
    task = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.outage"], env=env, cwd=workbench.ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert task.stdin
    task.stdin.write(json.dumps({"flow": flow}))
    task.stdin.close()
    return task


def _answer(task: subprocess.Popen[str]) -> dict[str, int]:
    assert task.stdout
    # warnings of Airflow go there as well
    lines = (line for line in task.stdout if line.startswith("{"))
    found: dict[str, int] = json.loads(next(lines, "{}"))
    return found


def main(request: dict[str, Any]) -> dict[str, int]:
    from airflow.sdk.exceptions import TaskDeferred

    from airflow_provider_brightpearl.operators.stages import ExtractOperator

    flow = request["flow"]
    instance = SimpleNamespace(
        dag_id=flow, task_id="extract", run_id="bench", try_number=1, map_index=-1, xcom_push=lambda key, value: None
    )  # fmt: skip
    context = {
        "ti": instance, "run_id": "bench", "params": {}, "dag_run": SimpleNamespace(run_type="manual", conf={}),
    }  # fmt: skip
    waits, event = 0, None
    while True:
        task = ExtractOperator(task_id="extract", flow=flow, mappings=None)
        try:
            parts = task.resume(context, event)
            return {"records": sum(part["records"] for part in parts)}
        except TaskDeferred as deferred:
            waits += 1
            if waits == 1:
                give({"waits": waits})
            until = deferred.trigger.until
            time.sleep(max(0.0, until - time.time()))
            event = {"state": deferred.trigger.state}


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
