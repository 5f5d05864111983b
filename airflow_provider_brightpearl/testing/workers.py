"""Faults of workers: killed, started twice, or stopped and late."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.testing.fault import Injection
from airflow_provider_brightpearl.testing.worker import Job, is_stopped, start

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial

_SECONDS = 60.0


@dataclass
class Killed(Injection):
    """A worker that is killed, and its retry too, each at another of its steps.

    Args:
        part: of its steps, from 0 to 1, that the first one makes before it dies; the second one's is the rest.
    """

    part: float

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        part = self.part if trial.attempts.made == 1 else 1 - self.part
        step = 1 + round(part * (trial.world.steps - 1))
        process = start(Job.at(trial.place, trial.flow, run, step=step))
        process.join(_SECONDS)
        raise Unavailable(f"the worker ended with {process.exitcode} at step {step}")


@dataclass
class KilledAt(Injection):
    """A worker that is killed at one of its steps, writing few records in a call, or by bulk jobs."""

    step: int
    batch: int = 0
    bulk: bool = False

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        process = start(
            Job.at(trial.place, trial.flow, run, step=self.step, batch=self.batch, bulk=self.bulk)
        )
        process.join(_SECONDS)
        raise Unavailable(f"the worker ended with {process.exitcode} at step {self.step}")


@dataclass
class Twice(Injection):
    """The same task in two workers at once, as a scheduler that lost one of them starts it again."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        processes = [start(Job.at(trial.place, trial.flow, each)) for each in (run, run)]
        for process in processes:
            process.join(_SECONDS)
        raise Unavailable(f"the workers ended with {[each.exitcode for each in processes]}")


@dataclass
class Zombie(Injection):
    """A worker that hangs at a step, is taken for dead, and goes on an hour after another one has done its work."""

    part: float

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        step = 1 + round(self.part * (trial.world.steps - 1))
        process = start(Job.at(trial.place, trial.flow, run, step=step, signal=signal.SIGSTOP))
        until = time.monotonic() + _SECONDS
        while process.is_alive() and not is_stopped(process) and time.monotonic() < until:
            time.sleep(0.01)
        try:
            trial.place.run(trial.flow, f"{run}-again")
        finally:
            trial.place.sandbox.advance(3600)
            os.kill(process.pid or 0, signal.SIGCONT)
            process.join(_SECONDS)
        raise Unavailable(f"the late worker ended with {process.exitcode}")
