"""What the gate found, as one page that needs nothing else to be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.pages import page

EXAMPLES = 5


@dataclass(slots=True)
class Finding:
    """One expectation over all parts: rows it looked at, rows that failed it, and the first few of them.

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
        if self.passed:
            return "passed"
        return "failed" if self.blocks else "warned"


@dataclass(frozen=True, slots=True)
class Results:
    """All that a gate found: findings for people, and Great Expectations' results by part and object."""

    rows: int
    findings: Sequence[Finding]
    validations: Sequence[dict[str, Any]]


def write_page(path: Path, flow: str, run: str, results: Results) -> None:
    """Writes the page to ``path`` and Great Expectations' results beside it, with the ending ``.json``."""
    objects: dict[str, list[Finding]] = {}
    for finding in results.findings:
        objects.setdefault(finding.object, []).append(finding)
    failed = sum(finding.verdict == "failed" for finding in results.findings)
    html = page(
        f"Gate of {flow}",
        _BODY,
        flow=flow,
        run=run,
        results=results,
        objects=objects,
        failed=failed,
        many=EXAMPLES,
        total=len(results.findings),
    )
    path.write_text(html, encoding="utf-8")
    result = {"flow": flow, "run": run, "rows": results.rows, "validations": list(results.validations)}
    path.with_suffix(".json").write_text(json.dumps(result, default=str), encoding="utf-8")


_BODY = """\
<header class="{{ 'bad' if failed else 'good' }}">
<h1>{{ flow }}: {% if failed %}{{ failed }} of {{ total }} expectations failed\
{% else %}all {{ total }} expectations passed{% endif %}</h1>
<p>{% if run %}Run <code>{{ run }}</code>, {% endif %}{{ results.rows }} rows judged</p>
</header>
<main>
{% for name, findings in objects.items() %}
<section>
<h2>{{ name }}</h2>
<div class="scroll">
<table>
<thead><tr><th scope="col">Expectation</th><th scope="col">Verdict</th>\
<th scope="col" class="number">Rows</th><th scope="col" class="number">Failed</th>\
<th scope="col">Examples</th></tr></thead>
<tbody>
{% for finding in findings %}
<tr class="{{ finding.verdict }}">
<td>{{ finding.says }}</td>
<td><span class="word">{{ finding.verdict }}</span></td>
<td class="number">{{ finding.evaluated }}</td>
<td class="number">{{ finding.failed }}</td>
<td>{% if finding.examples or finding.notes %}<ul>
{% for source_id, row, value in finding.examples %}
<li>record <code>{{ source_id }}</code>{% if row %}, row <code>{{ row }}</code>{% endif %}: \
{% if value %}<code>{{ value }}</code>{% else %}nothing{% endif %}</li>
{% endfor %}
{% for note in finding.notes[:many] %}
<li>{{ note }}</li>
{% endfor %}
</ul>{% endif %}</td>
</tr>
{% endfor %}
</tbody>
</table>
</div>
</section>
{% else %}
<p>This flow expects nothing of its rows.</p>
{% endfor %}
</main>
"""
