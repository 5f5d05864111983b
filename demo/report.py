"""What the demonstration found, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from demo.flows import FLOWS, source_of, target_of
from demo.systems import Money

COUNTS = ("extracted", "created", "updated", "unchanged", "rejected", "parked")


@dataclass(frozen=True, slots=True)
class FlowResult:
    """One run of one flow; calls per system, looks at bulk jobs left out, with the fewest that do the same."""

    flow: str
    counts: dict[str, int]
    calls: dict[str, int]
    min_calls: dict[str, int]
    reasons: list[list[Any]]
    seconds: float
    seconds_with_airflow: float

    @classmethod
    def of(cls, summary: Mapping[str, Any], seconds_with_airflow: float) -> FlowResult:
        """The result of a run, from the summary that it left in Airflow."""
        return cls(
            flow=summary["flow"],
            counts={name: summary["counts"][name] for name in COUNTS},
            calls={
                system: made - summary["calls"]["looks"].get(system, 0)
                for system, made in summary["calls"]["made"].items()
            },
            min_calls=summary["calls"]["minimum"],
            reasons=summary["reasons"],
            seconds=round(_seconds(summary), 1),
            seconds_with_airflow=round(seconds_with_airflow, 1),
        )


def _seconds(summary: Mapping[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(summary[name]) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()


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
    """All flows, run once each, what was checked afterwards, and the money on both sides then."""

    name: str
    flows: tuple[FlowResult, ...]
    checks: tuple[Check, ...]
    money: tuple[Money, ...] = ()


def counts_table(passes: Sequence[Pass]) -> Table:
    """One line per flow and pass."""
    table = _table("What the flows did; API calls used / fewest possible")
    table.add_column("flow", no_wrap=True)
    for name in (*COUNTS, "calls to\nsource", "calls to\ntarget", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in passes:
        table.add_row(f"[bold]{each.name}")
        for place, flow in enumerate(each.flows, 1):
            table.add_row(*_cells(flow), end_section=place == len(each.flows))
    return table


def _cells(flow: FlowResult) -> Iterator[str]:
    yield flow.flow
    yield from (f"{flow.counts[name]:,}" if flow.counts[name] else "[dim]0" for name in COUNTS)
    yield from (_calls(flow, system) for system in (source_of(flow.flow), target_of(flow.flow)))
    yield f"{flow.seconds:.1f}"


def _calls(flow: FlowResult, system: str) -> str:
    return f"{flow.calls.get(system, 0)} / {flow.min_calls.get(system, 0)}"


def money_table(passes: Sequence[Pass]) -> Table:
    """One line per flow and currency; per pass what both sides have, and what was rejected or parked."""
    table = _table("Money on both sides: Brightpearl = target + rejected or parked")
    table.add_column("flow", no_wrap=True)
    table.add_column("")
    for each in passes:
        table.add_column(f"{each.name}\nBrightpearl", justify="right", no_wrap=True)
        table.add_column("\ntarget", justify="right", no_wrap=True)
        table.add_column("rejected,\nparked", justify="right", no_wrap=True)
    sides = {each.name: {(side.flow, side.currency): side for side in each.money} for each in passes}
    lines = sorted({key for found in sides.values() for key in found}, key=_in_order)
    for place, (flow, currency) in enumerate(lines):
        first = not place or lines[place - 1][0] != flow
        last = place + 1 == len(lines) or lines[place + 1][0] != flow
        found = (sides[each.name].get((flow, currency)) for each in passes)
        cells = (cell for side in found for cell in _amounts(side))
        table.add_row(flow if first else "", currency, *cells, end_section=last)
    return table


def _in_order(line: tuple[str, str]) -> tuple[int, str]:
    return FLOWS.index(line[0]), line[1]


def _amounts(side: Money | None) -> tuple[str, str, str]:
    if side is None:
        return "", "", ""
    style = "" if side.agrees else "[red]"
    out = f"{side.held_back:,.2f}" if side.held_back else ""
    return f"{side.source:,.2f}", f"{style}{side.target:,.2f}", out


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
    )


def write(path: Path, passes: Sequence[Pass], size: Mapping[str, int], seconds: float) -> None:
    """Writes all of it as JSON."""
    content = {
        "size": dict(size),
        "seconds": round(seconds, 1),
        "holds": all(check.holds for each in passes for check in each.checks),
        "passes": [asdict(each) | _plain(each) for each in passes],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def _plain(each: Pass) -> dict[str, Any]:
    return {
        "checks": [asdict(check) | {"holds": check.holds} for check in each.checks],
        "money": [
            {name: str(value) for name, value in asdict(side).items()} | {"agrees": side.agrees}
            for side in each.money
        ],
    }
