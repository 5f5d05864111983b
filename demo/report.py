"""What the demonstration found, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

COUNTS = ("extracted", "created", "updated", "unchanged", "rejected", "parked")


@dataclass(frozen=True, slots=True)
class FlowResult:
    """One run of one flow; calls per system, with the fewest that could have done the same."""

    flow: str
    counts: dict[str, int]
    calls: dict[str, int]
    fewest_calls: dict[str, int]
    reasons: list[list[Any]]
    seconds: float
    seconds_with_airflow: float

    @classmethod
    def of(cls, summary: Mapping[str, Any], seconds_with_airflow: float) -> FlowResult:
        """The result of a run, from the summary that it left in Airflow."""
        return cls(
            flow=summary["flow"],
            counts={name: summary[name] for name in COUNTS},
            calls=summary["calls"],
            fewest_calls=summary["fewest_calls"],
            reasons=summary["reasons"],
            seconds=round(summary["seconds"], 1),
            seconds_with_airflow=round(seconds_with_airflow, 1),
        )


@dataclass(frozen=True, slots=True)
class Check:
    """One statement about a pass, whether it holds, and what speaks against it."""

    statement: str
    against: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.against


@dataclass(frozen=True, slots=True)
class Pass:
    """All flows, run once in order, and what was checked afterwards."""

    name: str
    flows: tuple[FlowResult, ...]
    checks: tuple[Check, ...]


def table(passes: list[Pass]) -> Table:
    """One line per flow and pass."""
    result = Table(
        title="What the flows did; API calls used / fewest possible", title_justify="left", title_style="bold"
    )
    result.add_column("pass")
    result.add_column("flow")
    for name in (*COUNTS, "calls to\nBrightpearl", "calls to\nSalesforce", "seconds", "in Airflow"):
        result.add_column(name, justify="right")
    for each in passes:
        for place, flow in enumerate(each.flows):
            result.add_row(
                "" if place else each.name,
                flow.flow,
                *(f"{flow.counts[name]:,}" for name in COUNTS),
                *(_calls(flow, system) for system in ("brightpearl", "salesforce")),
                f"{flow.seconds:.1f}",
                f"{flow.seconds_with_airflow:.1f}",
                end_section=place == len(each.flows) - 1,
            )
    return result


def _calls(flow: FlowResult, system: str) -> str:
    return f"{flow.calls.get(system, 0)} / {flow.fewest_calls.get(system, 0)}"


def write(path: Path, passes: list[Pass], size: Mapping[str, int], seconds: float) -> None:
    """Writes all of it as JSON."""
    content = {
        "size": dict(size),
        "seconds": round(seconds, 1),
        "holds": all(check.holds for each in passes for check in each.checks),
        "passes": [
            asdict(each) | {"checks": [asdict(check) | {"holds": check.holds} for check in each.checks]}
            for each in passes
        ],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
