"""What a fault is: a name, and what it does to the systems, the data, the workers, the state or the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.testing.checker import Finding, Limits
from airflow_provider_brightpearl.testing.databases import SQLITE, is_served
from airflow_provider_brightpearl.testing.flows import Shape

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial


class Injection:
    """What goes wrong; this one does nothing, and runs the flow in this process.

    ``early``: whether the fault ends before the trades of a trial. ``lasts``: whether it has no end, so that what it
    leads to is compared with a run in the same conditions. ``database``: the kind of state database.
    """

    early = False
    lasts = False
    database = SQLITE

    def applies(self, source: str, target: str, stream: str) -> bool:
        """Whether the fault can happen to a flow between these systems."""
        return is_served(self.database)

    def begin(self, trial: Trial) -> None:
        """Starts the fault."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        """Runs the flow while the fault lasts. Raises: SyncError."""
        return trial.place.run(trial.flow, run)

    def end(self, trial: Trial) -> None:
        """Ends the fault."""


NO_FAULT = Injection()


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Args:
        name: identifies it, in the table and as a test.
        group: heads it in the table.
        title: what goes wrong, for people.
        injection: does it.
        quick: streams and targets with which the short profile tries it; the long one tries all that it can happen to.
        shapes: those it can happen to; all where empty.
        tries: of the run under the fault; a task's retries where None.
        same_run: whether the tries are those of one run, as a task's are, or runs of a schedule.
        limits: what it may take more than a run without it.
        open: properties that do not hold yet, with the reason.
        excused: properties that cannot hold by the nature of the fault, with what is found instead.
    """

    name: str
    group: str
    title: str
    injection: Injection
    quick: tuple[Shape, ...] = ()
    shapes: tuple[Shape, ...] = ()
    tries: int | None = None
    same_run: bool = True
    limits: Limits = Limits()
    open: Mapping[str, str] = field(default_factory=dict)
    excused: Mapping[str, Finding] = field(default_factory=dict)

    def applies(self, stream: str, target: str) -> bool:
        """Whether it can happen to a flow from a stream into a system."""
        able = not self.shapes or (stream, target) in self.shapes
        return able and self.injection.applies(stream.partition(".")[0], target, stream)


# paths of the calls of a kind, by system
CALLS: dict[tuple[str, str], dict[str, Any]] = {
    ("brightpearl", "any"): {"path": "/public-api/"},
    ("brightpearl", "read"): {"method": "GET", "path": "/public-api/"},
    ("brightpearl", "write"): {"path": "multi-message"},
    ("salesforce", "any"): {"path": "/services/data/"},
    ("salesforce", "read"): {"method": "GET", "path": "/services/data/"},
    ("salesforce", "write"): {"path": "/composite|/jobs/ingest"},
    ("salesforce", "results"): {"method": "GET", "path": "Results"},
    ("salesforce", "login"): {"path": "/oauth2/token"},
    ("infor", "any"): {"path": "/m3api-rest/"},
    ("infor", "read"): {"method": "GET", "path": "/m3api-rest/"},
    ("infor", "write"): {"method": "POST", "path": "/execute"},
    ("infor", "login"): {"path": r"token\.oauth2"},
}


class Answers(Injection):
    """Answers of a system that are wrong, late or lost.

    Args:
        side: ``source`` or ``target``.
        calls: ``any``, ``read``, ``write`` or ``login``.
        rules: what the sandbox does, as its control API takes it; one after the other.
    """

    def __init__(self, side: str, calls: str, *rules: Mapping[str, Any]) -> None:
        self.side, self.calls, self.rules = side, calls, rules

    def applies(self, source: str, target: str, stream: str) -> bool:
        return (source if self.side == "source" else target, self.calls) in CALLS

    def begin(self, trial: Trial) -> None:
        for rule in self.rules:
            self.add(trial, rule)

    def add(self, trial: Trial, rule: Mapping[str, Any]) -> None:
        """Has the system follow a rule, after those that it has."""
        system = trial.system(self.side)
        trial.place.sandbox.control(
            "POST", "/faults", {"system": system, **CALLS[system, self.calls], **rule}
        )

    def end(self, trial: Trial) -> None:
        trial.place.sandbox.control("DELETE", "/faults")


class Settings(Injection):
    """A system that behaves otherwise while the fault lasts; ``systems`` with their settings in the sandbox."""

    def __init__(self, **systems: Mapping[str, Any]) -> None:
        self.systems = systems

    def applies(self, source: str, target: str, stream: str) -> bool:
        return bool({source, target} & self.systems.keys())

    def begin(self, trial: Trial) -> None:
        for system, settings in self.systems.items():
            trial.place.sandbox.control("POST", f"/settings/{system}", dict(settings))

    def end(self, trial: Trial) -> None:
        for system in self.systems:
            trial.place.sandbox.control("DELETE", f"/settings/{system}")
