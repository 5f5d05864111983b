"""Faults of the target's fields, as an administrator changes them: a run has to stop before it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.testing.evidence import read_flow
from airflow_provider_brightpearl.testing.fault import Injection

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial

# after which the org is asked again
_AGAIN = timedelta(hours=1, minutes=5)


@dataclass
class Drift(Injection):
    """A field of the org that is no longer what the flow has met.

    Args:
        change: of the sandbox's setting ``field_changes``.
        name: of the field; the first custom one that the flow writes where empty.
    """

    change: Mapping[str, Any]
    name: str = ""

    def applies(self, source: str, target: str, stream: str) -> bool:
        return target == "salesforce"

    def begin(self, trial: Trial) -> None:
        content = read_flow(trial.world.flow_file)
        key, spec = next(iter(content["objects"].items()))
        custom = next((each for each in spec["fields"] if each.endswith("__c")), next(iter(spec["fields"])))
        changes = {f"{spec.get('object', key)}.{self.name or custom}": dict(self.change)}
        trial.place.sandbox.control("POST", "/settings/salesforce", {"field_changes": changes})
        trial.place.sandbox.advance(_AGAIN.total_seconds())

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        held = trial.held()
        try:
            summary = trial.place.run(trial.flow, run)
        except SyncError:
            if held != trial.held():
                trial.attempts.unstopped.append(f"{run} wrote before it stopped")
            raise
        trial.attempts.unstopped.append(f"{run} did not stop")
        return summary

    def end(self, trial: Trial) -> None:
        trial.place.sandbox.control("DELETE", "/settings/salesforce")
