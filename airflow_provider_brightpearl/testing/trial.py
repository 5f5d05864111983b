"""One fault against one flow: the work under the fault, its end, the runs after it, and what the checker finds."""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.testing.checker import (
    PROPERTIES,
    Attempts,
    Before,
    Finding,
    Twin,
    check,
    watermark_passed,
)
from airflow_provider_brightpearl.testing.fault import NO_FAULT, Fault, Injection
from airflow_provider_brightpearl.testing.place import Place
from airflow_provider_brightpearl.testing.workers import Killed, Zombie
from airflow_provider_brightpearl.testing.world import World

# as a DAG's task is tried, and how long later
TRIES, RETRY_MINUTES = 3, 5
# runs of the schedule after the fault, and how far apart
RUNS, SCHEDULE_MINUTES = 6, 30


@dataclass
class Trial:
    """A flow at work while a fault lasts.

    Args:
        world: the systems.
        place: where the flow runs in this trial.
        injection: what goes wrong.
        twin: the outcome without it.
    """

    world: World
    place: Place
    injection: Injection
    twin: Twin
    logs: StringIO = field(default_factory=StringIO)
    attempts: Attempts = field(default_factory=Attempts)

    @property
    def flow(self) -> str:
        return self.world.name

    def system(self, side: str) -> str:
        """The system on a side of the flow, ``source`` or ``target``."""
        return self.world.source if side == "source" else self.world.target

    def held(self) -> dict[str, object]:
        """All that the target holds, with when each record was changed."""
        system, sandbox = self.world.target, self.place.sandbox
        counts = {**sandbox.control("GET", f"/snapshot/{system}"), "calls": 0, "numbers": 0}
        return {name: sandbox.snapshot(system, name) for name, count in counts.items() if count}

    def attempt(self, run: str) -> RunSummary | None:
        """One try of a run; None where it fails. What it says is kept."""
        self.attempts.made += 1
        try:
            summary = self.injection.attempt(self, run)
        except SyncError as error:
            self.logs.write(f"{run} failed: {type(error).__name__}: {error}\n")
            return None
        except Exception as error:  # what reaches an operator as a bare exception is a finding
            self.attempts.bare.append(f"bare {type(error).__name__}: {error}"[:200])
            self.logs.write(f"{run} failed: {type(error).__name__}: {error}\n")
            return None
        self.logs.write(f"{run}: {summary}\n")
        return summary


def run_trial(world: World, fault: Fault, folder: Path) -> dict[str, Finding]:
    """What held of the properties while a fault lasted, and after it. Nothing is raised for what did not hold."""
    early = fault.injection.early
    twin = _lasting_twin(world, fault.injection, folder / "twin") if fault.injection.lasts else world.twin
    if isinstance(fault.injection, Killed | Zombie):
        world.steps  # noqa: B018 - counted before the trial begins, as that runs the flow
    place = world.begin(folder, traded=not early, database=fault.injection.database)
    trial = Trial(world, place, fault.injection, twin)
    before = Before.of(world.evidence(trial.place))
    memory = _megabytes()
    with _logged(trial.logs):
        trial.injection.begin(trial)
        try:
            for number in range(fault.tries or TRIES):
                done = trial.attempt("faulty" if fault.same_run else f"faulty{number}")
                if not early:
                    trial.attempts.passed += watermark_passed(world.evidence(trial.place), before, twin)
                if done:
                    break
                trial.place.sandbox.advance(60 * RETRY_MINUTES)
        finally:
            if early:
                world.trade()
            trial.injection.end(trial)
        trial.injection = NO_FAULT
        _recover(trial)
    trial.attempts.slept, trial.attempts.grown = trial.place.slept, _megabytes() - memory
    evidence = world.evidence(trial.place, trial.logs.getvalue())
    findings = check(evidence, before, twin, trial.attempts, fault.limits)
    trial.place.database.dispose()
    return {name: fault.excused.get(name, findings[name]) for name in PROPERTIES}


def _recover(trial: Trial) -> None:
    """The runs of the schedule once the fault is over, until one has nothing left to do, and one more."""
    for number in range(RUNS):
        trial.place.sandbox.advance(60 * SCHEDULE_MINUTES)
        summary = trial.attempt(f"after{number}")
        trial.attempts.settled = summary is not None
        if summary and not trial.world.evidence(trial.place).letters.keys() - trial.twin.letters:
            break
    held = trial.held()
    trial.place.sandbox.advance(60 * SCHEDULE_MINUTES)
    trial.attempt("again")
    trial.attempts.untouched = held == trial.held()


def _lasting_twin(world: World, injection: Injection, folder: Path) -> Twin:
    """The outcome of runs in a fault's conditions, with nothing else that goes wrong."""
    usual = world.twin
    trial = Trial(world, world.begin(folder), injection, usual)
    trial.injection.begin(trial)
    trial.place.run(trial.flow, "twin")
    trial.place.database.dispose()
    return Twin.of(world.evidence(trial.place))


@contextmanager
def _logged(into: StringIO) -> Iterator[None]:
    """Keeps what is logged, by the product and by what it uses, down to debug lines."""
    root, handler = logging.getLogger(), logging.StreamHandler(into)
    levels = {name: logging.getLogger(name).level for name in ("", "airflow_provider_brightpearl", "urllib3")}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _megabytes() -> float:
    """The most memory that this process has had, on Linux in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
