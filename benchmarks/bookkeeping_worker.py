"""Runs flows without Airflow, and measures what the last of them spends on proving what it does."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from operator import attrgetter
from pathlib import Path
from threading import local
from typing import Any

from more_itertools import chunked
from msgspec.structs import astuple
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.quota import Limit
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.mapping import process
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.history import LoadHistory
from airflow_provider_brightpearl.runtime import run, stage
from airflow_provider_brightpearl.runtime.breaker import SystemBreaker
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.breakers import SqlBreakers
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.engine import open_engine, writing
from airflow_provider_brightpearl.stores.leases import SqlLeases
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.many_rows import replace_rows
from airflow_provider_brightpearl.stores.quota import SqlQuota
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.state_marks import StateMarks
from airflow_provider_brightpearl.stores.tables import binding
from airflow_provider_brightpearl.systems.http.daily_quota import DailyQuota
from airflow_provider_brightpearl.systems.http.shared_quota import SharedBudget
from airflow_provider_brightpearl.systems.system import System
from benchmarks import extraction_ours
from benchmarks.load_worker import salesforce, sandboxed
from benchmarks.workbench import give

_ROWS = 5_000
# calls of a grant as with Brightpearl's 200 a minute, and no wait: waiting is what the quota dictates, no work
_LIMIT = Limit(200, seconds=10)
# what adds to the history is computed while it is recorded
MEASURED: dict[str, list[tuple[Any, tuple[str, ...]]]] = {
    "answers": [(Batch, ("expect", "take_answers", "reject_unanswered"))],
    "crosswalk rows, compared and set": [(SqlCrosswalk, ("bind", "unbind"))],
    "record events": [(SqlRecordEvents, ("record",)), (LoadHistory, ("begin",))],
    "transactions of both": [(SqlLedger, ("transaction",))],
    "ledger": [
        (SqlLedger, ("record", "check", "mark", "advance", "watermark")),
        (StateMarks, ("newest", "keep")),
        (run, ("settle_run",)),
    ],
    "leases": [
        (SqlLeases, ("take", "check", "renew", "release", "abandon")),
        (stage, ("writing_alone",)),
    ],
    "shared quota": [
        (SharedBudget, ("wait_seconds", "answered", "learn")),
        (DailyQuota, ("check", "learn", "left")),
    ],
    "breakers": [(SystemBreaker, ("enter", "gave_up"))],
}
# only entering and leaving them is measured
_CONTEXTS = ("transaction", "writing_alone")


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds by the clock, and of the processor."""

    wall: float = 0.0
    processor: float = 0.0

    @classmethod
    def now(cls) -> Took:
        return cls(time.perf_counter(), time.thread_time())

    def __add__(self, other: Took) -> Took:
        return Took(self.wall + other.wall, self.processor + other.processor)

    def __sub__(self, other: Took) -> Took:
        return Took(self.wall - other.wall, self.processor - other.processor)


class Stopwatch:
    """What the measured calls take, by purpose; of a call within another one, each has what is its own."""

    def __init__(self) -> None:
        self.took = dict.fromkeys(MEASURED, Took())
        self._thread = local()

    def start(self) -> None:
        for what, places in MEASURED.items():
            for owner, names in places:
                for name in names:
                    timed = self._entered if name in _CONTEXTS else self._called
                    setattr(owner, name, timed(what, getattr(owner, name)))

    @contextmanager
    def _part(self, what: str) -> Iterator[None]:
        within: list[Took] = self._thread.__dict__.setdefault("within", [])
        within.append(Took())
        began = Took.now()
        try:
            yield
        finally:
            took = Took.now() - began
            self.took[what] += took - within.pop()
            if within:
                within[-1] += took

    def _called(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self._part(what):
                return call(*arguments, **named)

        return timed

    def _entered(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        @wraps(call)
        def timed(*arguments: Any, **named: Any) -> Iterator[Any]:
            with self._part(what):
                manager = call(*arguments, **named)
                entered = manager.__enter__()
            try:
                yield entered
            except BaseException:
                with self._part(what):
                    manager.__exit__(*sys.exc_info())
                raise
            with self._part(what):
                manager.__exit__(None, None, None)

        return timed


def main(request: dict[str, Any]) -> dict[str, Any]:
    folder = Path(request["folder"])
    engine = open_engine(request.get("state") or f"sqlite:///{folder / 'state.db'}")
    environment = _guarded(sandboxed(folder, request["url"], engine), request["url"], engine)
    *before, flow = request["flows"]
    for name in before:
        run.run_flow(Wiring.of(name, environment), Request(RunKind.MANUAL), "before")
    watch = Stopwatch()
    bound: list[Sequence[Binding]] = []
    SqlCrosswalk.bind = _noting(SqlCrosswalk.bind, bound)  # type: ignore[method-assign]
    watch.start()
    mapped, began = _processor_of_mapping(), (time.perf_counter(), time.process_time())
    summary = run.run_flow(Wiring.of(flow, environment), Request(RunKind.MANUAL), "measured")
    took = Took(time.perf_counter() - began[0], time.process_time() - began[1])
    mapped = _processor_of_mapping() - mapped
    plain = Took()
    with writing(engine) as connection:
        connection.execute(binding.delete())
    for rows in bound:
        plain += _written_plainly(rows, engine)
    return {
        "created": summary.counts.created,
        "run": _plainly(Took(took.wall, took.processor + mapped)),
        "mapping": mapped,
        "parts": {what: _plainly(part) for what, part in watch.took.items()},
        "plain": _plainly(plain),
    }


def _guarded(environment: Environment, url: str, engine: Engine) -> Environment:
    """With clients that share quota and outages with other processes, as those of the hooks do."""
    quota, breakers = SqlQuota(engine), SqlBreakers(engine)

    def connect(system: System, conn_id: str | None = None) -> Any:
        breaker = SystemBreaker(breakers, system.name, "bench", system.name, lambda: None)
        breaker.enter()
        if system.name == "brightpearl":
            budget = SharedBudget(lambda: quota, "brightpearl:bench", _LIMIT)
            return extraction_ours.client(url, budget=budget, breaker=breaker)
        return salesforce(url, daily=DailyQuota(lambda: quota, "salesforce:bench", 10), breaker=breaker)

    return replace(environment, connect=connect)


def _processor_of_mapping() -> float:
    """Seconds of the processes that have mapped so far; the one that waits for work is ended, as with its task."""
    process.take(process.USUAL).end()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _noting(bind: Callable[..., Any], bound: list[Sequence[Binding]]) -> Callable[..., Any]:
    """``bind`` that notes the rows of each of its calls."""

    @wraps(bind)
    def noting(crosswalk: SqlCrosswalk, rows: Sequence[Binding]) -> Any:
        bound.append(rows)
        return bind(crosswalk, rows)

    return noting


def _written_plainly(bound: Sequence[Binding], engine: Engine) -> Took:
    """What it takes to write the rows of one call without comparing them with anything."""
    began = Took.now()
    with writing(engine) as connection:
        for some in chunked(sorted(bound, key=attrgetter("object", "key")), _ROWS):
            rows = [("", *astuple(each)) for each in some]
            replace_rows(connection, binding, ("pair", *Binding.__struct_fields__), rows)
    return Took.now() - began


def _plainly(took: Took) -> dict[str, float]:
    return {"wall": took.wall, "processor": took.processor}


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
