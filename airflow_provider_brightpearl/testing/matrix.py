"""The table of faults and properties, made of what the tests of one run have found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.testing.checker import PROPERTIES
from airflow_provider_brightpearl.testing.table import FAULTS

HELD, BROKEN, OPEN, NONE = "✓", "✗", "open", "–"
_INTRODUCTION = """\
# What holds when something fails

Each row is a fault that is injected into the [sandbox](sandbox.md), the worker, the state database or the disk while a flow runs; each column a property that a checker finds to hold, or not, in what both systems, their request logs, the state database and the staging folder contain. The checker shares no line with the product. A ✓ stands where the check ran and held for every flow of the row, in the run that wrote this page; `open` where it is known not to hold yet, with the reason below; – where the property cannot be checked, or the run did not try the fault (0 flows): the short profile tries most faults with one flow, `make faults` all of them with every flow that they can happen to.

{when}

`make faults` writes this page. `pytest --sync-faults include/mappings/your_flow.yaml` prints the same table for a flow of yours: see [Test your flows](howto/testing.md).

| | Property | Holds if |
|---|---|---|
| P1 | no loss | every source version in the window has its effect and shows its values, or is a dead letter, or is parked |
| P2 | no duplicate | no business key has two rows in the target, and there are no more rows than without the fault |
| P3 | counts add up | extracted = created + updated + unchanged + rejected + parked; a failed run says why, in the product's own error, and one that has to stop has written nothing |
| P4 | watermark | after each try, nothing before the watermark is unconfirmed |
| P5 | converges | when the fault ends, the target is what it is without it, no letter is left, and the next run writes nothing |
| P6 | money | sums per currency of source and target agree, and every voucher is in balance |
| P7 | quota | no system gets more requests than it allows in any rolling window |
| P8 | no secret | logs, errors, state database and staging files hold no credential |
| P9 | bounded | requests, waiting and memory are bounded; nothing stays in doubt, unconfirmed or open |
| P10 | audit | every record that changed in the target has an event with flow, run, outcome and the fingerprint of what was written |
"""  # noqa: E501 - lines of Markdown


@dataclass
class Matrix:
    """What was found.

    Args:
        found: by fault and flow, as ``suite.prove`` records it.
        profile: of the run.
        at: when, aware.
    """

    found: Sequence[Mapping[str, Any]]
    profile: str
    at: datetime

    @classmethod
    def of(cls, found: Sequence[Mapping[str, Any]], profile: str) -> Matrix:
        """The table of what was found now."""
        return cls(found, profile, datetime.now(UTC))

    def cell(self, fault: str, name: str) -> str:
        """What holds of a property under a fault, over all flows that were tried."""
        holds = [each["cells"][name]["holds"] for each in self._of(fault)]
        if any(each is False for each in holds):
            return BROKEN
        if "open" in holds:
            return OPEN
        return HELD if any(each is True for each in holds) else NONE

    def lines(self) -> Iterator[str]:
        """The table in plain text, with what did not hold."""
        width = max(len(each.name) for each in FAULTS)
        yield " " * width + "  " + " ".join(f"{name:>4}" for name in PROPERTIES)
        for fault in FAULTS:
            if self._of(fault.name):
                cells = " ".join(f"{self.cell(fault.name, name):>4}" for name in PROPERTIES)
                yield f"{fault.name:<{width}}  {cells}"
        for each in self.found:
            for name, cell in each["cells"].items():
                if cell["holds"] in (False, "open"):
                    yield f"{each['flow']}, {each['fault']}, {name} {PROPERTIES[name]}: {cell['why']}"

    def write(self, path: Path) -> None:
        """Writes the page, and everything that was found as JSON beside the build."""
        path.write_text(self.page(), encoding="utf-8")
        report = Path("build") / "faults" / "report.json"
        report.parent.mkdir(parents=True, exist_ok=True)
        content = {"at": self.at.isoformat(), "profile": self.profile, "found": list(self.found)}
        report.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    def page(self) -> str:
        """The table as Markdown."""
        flows = sorted({each["flow"] for each in self.found})
        when = (
            f"Written {self.at:%Y-%m-%d %H:%M} UTC, profile `{self.profile}`: {len(self.found)} trials of "
            f"{len({each['fault'] for each in self.found})} faults with {', '.join(f'`{each}`' for each in flows)}."
        )
        names = " | ".join(PROPERTIES)
        lines = [_INTRODUCTION.format(when=when)]
        for group in dict.fromkeys(fault.group for fault in FAULTS):
            lines += [
                f"## {group}",
                "",
                f"| Fault | | {names} | Flows |",
                "|---" * (len(PROPERTIES) + 3) + "|",
            ]
            for fault in FAULTS:
                if fault.group == group:
                    cells = " | ".join(self.cell(fault.name, name) for name in PROPERTIES)
                    tried = len(self._of(fault.name))
                    lines.append(f"| `{fault.name}` | {fault.title} | {cells} | {tried} |")
            lines.append("")
        return "\n".join([*lines, *self._reasons()])

    def _reasons(self) -> list[str]:
        reasons = [
            f"- `{each['fault']}` with `{each['flow']}`, {name}: {cell['why']}"
            for each in self.found
            for name, cell in each["cells"].items()
            if cell["holds"] in (False, "open")
        ]
        return ["## What is open", "", *sorted(set(reasons)), ""] if reasons else []

    def _of(self, fault: str) -> list[Mapping[str, Any]]:
        return [each for each in self.found if each["fault"] == fault]
