"""Runs flows without Airflow, and measures what the last of them spends on answers, crosswalk and record events."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from benchmarks.load_worker import sandboxed
from benchmarks.workbench import give

MEASURED: dict[str, tuple[type, tuple[str, ...]]] = {
    "answers": (Batch, ("expect", "take_answers", "reject_unanswered")),
    "crosswalk rows, compared and set": (SqlCrosswalk, ("bind", "unbind")),
    "record events": (SqlRecordEvents, ("record",)),
}


class Stopwatch:
    """Seconds of the processor inside the measured calls, by purpose; a call within another one counts once."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(MEASURED, 0.0)
        self._inside = False

    def start(self) -> None:
        for what, (owner, names) in MEASURED.items():
            for name in names:
                setattr(owner, name, self._timed(what, getattr(owner, name)))

    def _timed(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def timed(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return call(*arguments, **named)
            self._inside, began = True, time.process_time()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds[what] += time.process_time() - began
                self._inside = False

        return timed


def main(request: dict[str, Any]) -> dict[str, Any]:
    folder = Path(request["folder"])
    environment = sandboxed(folder, request["url"], open_engine(f"sqlite:///{folder / 'state.db'}"))
    *before, flow = request["flows"]
    for name in before:
        run_flow(Wiring.of(name, environment), Request(RunKind.MANUAL), "before")
    watch = Stopwatch()
    watch.start()
    began = time.process_time()
    summary = run_flow(Wiring.of(flow, environment), Request(RunKind.MANUAL), "measured")
    seconds = time.process_time() - began
    return {"created": summary.counts.created, "seconds": seconds, "parts": watch.seconds}


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
