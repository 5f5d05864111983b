"""The gate's findings as one self-contained page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.pages import page

EXAMPLES = 5
UNJUDGED = "not judged"


@dataclass(slots=True)
class Finding:
    """One expectation over all parts: rows evaluated, rows that failed, and the first few of them.

    ``examples`` are (source id, row, value); ``passed`` is the expectation's own verdict.
    """

    object: str
    says: str
    blocks: bool
    evaluated: int = 0
    failed: int = 0
    passed: bool = True
    examples: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        if not self.evaluated:
            return UNJUDGED
        if self.passed:
            return "passed"
        return "failed" if self.blocks else "warned"


@dataclass(frozen=True, slots=True)
class Results:
    """All findings of a gate: sentences for people, and Great Expectations' results by part and object."""

    rows: int
    findings: Sequence[Finding]
    validations: Sequence[dict[str, Any]]


def write_page(path: Path, flow: str, run: str, results: Results) -> None:
    """Writes the page to ``path`` and its data beside it, with the suffix ``.json``."""
    objects: dict[str, list[Finding]] = {}
    for finding in results.findings:
        objects.setdefault(finding.object, []).append(finding)
    html = page(
        f"Gate of {flow}",
        "gate.html",
        flow=flow,
        run=run,
        results=results,
        objects=objects,
        counts=Counter(finding.verdict for finding in results.findings),
        unjudged=UNJUDGED,
        many=EXAMPLES,
        total=len(results.findings),
    )
    path.write_text(html, encoding="utf-8")
    result = {"flow": flow, "run": run, "rows": results.rows, "validations": list(results.validations)}
    path.with_suffix(".json").write_text(json.dumps(result, default=str), encoding="utf-8")
