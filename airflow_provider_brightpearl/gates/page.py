"""What the gate found, as one page that needs nothing else to be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment

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
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_PAGE)
    failed = sum(finding.verdict == "failed" for finding in results.findings)
    html = template.render(
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


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gate of {{ flow }}</title>
<style>
:root { color-scheme: light dark; --line: #8884;
  --good: light-dark(#15803d, #4ade80); --bad: light-dark(#b91c1c, #f87171);
  --mild: light-dark(#a16207, #facc15); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
header { border-left: .4rem solid var(--good); padding: .2rem 1rem; }
header.failed { border-color: var(--bad); }
h1 { font-size: 1.3rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .2rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.word { font-weight: 600; color: var(--good); }
.failed .word { color: var(--bad); }
.warned .word { color: var(--mild); }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1rem; }
</style>
</head>
<body>
<header class="{{ 'failed' if failed else 'passed' }}">
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
</body>
</html>
"""
