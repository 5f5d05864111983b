"""Runs flows once, each as soon as those before it have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from demo.airflow_api import Airflow
from demo.report import FlowResult

POLL_SECONDS = 0.4
Report = Callable[[str], None]


@dataclass(slots=True)
class Run:
    """A run that has begun, and the line that shows its progress."""

    id: str
    began: float
    report: Report


@dataclass(slots=True)
class Round:
    """One run of each flow of ``after``, which names those that have to end before it.

    ``open_line`` opens the line of a flow, ``close_line`` ends it.
    """

    airflow: Airflow
    after: Mapping[str, tuple[str, ...]]
    open_line: Callable[[str], Report]
    close_line: Callable[[str], None]
    running: dict[str, Run] = field(default_factory=dict)
    results: dict[str, FlowResult] = field(default_factory=dict)

    def go(self, conf: Mapping[str, Any], seconds: float = 600) -> tuple[FlowResult, ...]:
        """Results in the order of ``after``.

        Raises:
            RuntimeError: a run failed, or not all ended in time; says which.
        """
        deadline = time.monotonic() + seconds
        while len(self.results) < len(self.after):
            self._start(conf)
            if time.monotonic() > deadline:
                raise RuntimeError(f"{', '.join(self.running)} did not end in {seconds:.0f} seconds")
            time.sleep(POLL_SECONDS)
            self._look()
        return tuple(self.results[flow] for flow in self.after)

    def _start(self, conf: Mapping[str, Any]) -> None:
        for flow, parents in self.after.items():
            begun = flow in self.running or flow in self.results
            if not begun and all(parent in self.results for parent in parents if parent in self.after):
                report = self.open_line(flow)
                self.running[flow] = Run(self.airflow.trigger(flow, conf), time.monotonic(), report)

    def _look(self) -> None:
        # asked for before the tasks, so that a run which is not among them has failed no task
        unfinished = self.airflow.unfinished()
        for flow, task in self.airflow.doing().items():
            if flow in self.running:
                self.running[flow].report(task)
        for flow in sorted(self.running.keys() - unfinished):
            self._end(flow, self.running.pop(flow))

    def _end(self, flow: str, run: Run) -> None:
        took = time.monotonic() - run.began
        result = FlowResult.of(self.airflow.summary(flow, run.id), took)
        run.report(
            ", ".join(f"{count:,} {what}" for what, count in result.counts.items() if count) or "nothing new"
        )
        self.close_line(flow)
        self.results[flow] = result
