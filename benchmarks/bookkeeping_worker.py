"""Runs flows without Airflow, and measures what the last of them spends on answers, crosswalk and record events."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from operator import attrgetter
from pathlib import Path
from typing import Any

from more_itertools import chunked
from msgspec.structs import astuple
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.engine import open_engine, writing
from airflow_provider_brightpearl.stores.many_rows import replace_rows
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.tables import binding
from benchmarks.load_worker import sandboxed
from benchmarks.workbench import give

_ROWS = 5_000
Clock = Callable[[], float]
MEASURED: dict[str, tuple[type, tuple[str, ...]]] = {
    "answers": (Batch, ("expect", "take_answers", "reject_unanswered")),
    "crosswalk rows, compared and set": (SqlCrosswalk, ("bind", "unbind")),
    "record events": (SqlRecordEvents, ("record",)),
}


class Stopwatch:
    """Seconds inside the measured calls, by purpose; a call within another one counts once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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
            self._inside, began = True, self._clock()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds[what] += self._clock() - began
                self._inside = False

        return timed


def main(request: dict[str, Any]) -> dict[str, Any]:
    folder = Path(request["folder"])
    engine = open_engine(f"sqlite:///{folder / 'state.db'}")
    environment = sandboxed(folder, request["url"], engine)
    *before, flow = request["flows"]
    for name in before:
        run_flow(Wiring.of(name, environment), Request(RunKind.MANUAL), "before")
    clock: Clock = time.perf_counter if request["clock"] == "wall" else time.process_time
    watch = Stopwatch(clock)
    bound: list[Sequence[Binding]] = []
    SqlCrosswalk.bind = _noting(SqlCrosswalk.bind, bound)  # type: ignore[method-assign]
    watch.start()
    began = clock()
    summary = run_flow(Wiring.of(flow, environment), Request(RunKind.MANUAL), "measured")
    seconds = clock() - began
    plain = open_engine(f"sqlite:///{folder / 'plain.db'}")
    return {
        "created": summary.counts.created, "seconds": seconds, "parts": watch.seconds,
        "plain": sum(_written_plainly(rows, plain, clock) for rows in bound),
    }  # fmt: skip


def _noting(bind: Callable[..., Any], bound: list[Sequence[Binding]]) -> Callable[..., Any]:
    """``bind`` that notes the rows of each of its calls."""

    @wraps(bind)
    def noting(crosswalk: SqlCrosswalk, rows: Sequence[Binding]) -> Any:
        bound.append(rows)
        return bind(crosswalk, rows)

    return noting


def _written_plainly(bound: Sequence[Binding], engine: Engine, clock: Clock) -> float:
    """Seconds to write the rows of one call without comparing them with anything."""
    began = clock()
    with writing(engine) as connection:
        for some in chunked(sorted(bound, key=attrgetter("object", "key")), _ROWS):
            rows = [("", *astuple(each)) for each in some]
            replace_rows(connection, binding, ("pair", *Binding.__struct_fields__), rows)
    return clock() - began


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
