"""What a reconciliation found, in words: lines for a log or an alert, and a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.window import in_words

Found = Mapping[str, Any]

KINDS = {
    "missing": "in the source, not in the target",
    "differing": "in both, amounts differ",
    "deleted": "in the target, deleted at the source",
    "by_hand": "differ, and the flow cannot write them again",
    "waiting": "rejected or parked: see dead letters",
    "outside": "in the target, not among the records of this flow and period",
    "forgotten": "bound, gone from both systems",
    "pending": "changed since the flow last read",
    "unreadable": "cannot be mapped: see dead letters",
    "repeated": "there more than once",
}


def summary(found: Found) -> list[str]:
    """Some lines of plain text: what was compared, what differs, sums by currency, and the first ids of each kind."""
    counts = found["counts"]
    return [
        f"{found['flow']}: {found['state']}; records created {period_text(found)}",
        f"source {counts['source']}, target {counts['target']}, equal {counts['matched']}",
        *(f"{counts[kind]} {text}{_ids(found, kind)}" for kind, text in KINDS.items() if counts[kind]),
        *(_money_line(*row) for row in money_rows(found)),
        *([found["note"]] if found["note"] else []),
        *_done(found),
    ]


def period_text(found: Found) -> str:
    """The period of creation in words."""
    return f"from {in_words(found['period'])}"


def _ids(found: Found, kind: str) -> str:
    ids = found["ids"].get(kind)
    if not ids:
        return ""
    more = " …" if found["counts"][kind] > len(ids) else ""
    return f": {', '.join(ids)}{more}"


def money_rows(found: Found) -> Iterator[tuple[str, str, str, Decimal]]:
    """Currency, sum at the source, sum in the target, and how much more the target has."""
    source, target = found["money"]["source"], found["money"]["target"]
    for currency in sorted({*source, *target}):
        here, there = source.get(currency, "0"), target.get(currency, "0")
        yield currency, here, there, Decimal(there) - Decimal(here)


def _money_line(currency: str, here: str, there: str, difference: Decimal) -> str:
    return f"{currency or 'no currency'}: source {here}, target {there}, difference {difference:+f}"


def _done(found: Found) -> Iterator[str]:
    if found["state"] in ("repaired", "partly repaired"):
        yield f"repaired {found['repaired']}, removed {found['removed']}"
        if found["rejected"] or found["parked"]:
            yield f"not repaired: {found['rejected']} rejected, {found['parked']} parked; see dead letters"
        yield from found["refused"][:5]


def write_page(path: Path, found: Found) -> None:
    """Writes the result as one page that needs nothing else to be read."""
    # makes use of Jinja, which no DAG file needs
    from airflow_provider_brightpearl.pages import page

    good = found["state"] in ("clean", "repaired")
    html = page(
        f"Reconciliation of {found['flow']}",
        _BODY,
        found=found,
        kinds=KINDS,
        period=period_text(found),
        money=list(money_rows(found)),
        good=good,
    )
    path.write_text(html, encoding="utf-8")


_BODY = """\
<header class="{{ 'good' if good else 'bad' }}">
<h1>{{ found.flow }}: {{ found.state }}</h1>
<p>Records created {{ period }}. Run <code>{{ found.run }}</code></p>
{% if found.note %}<p>{{ found.note }}</p>{% endif %}
</header>
<main>
<h2>Records</h2>
<div class="scroll"><table>
<tbody>
<tr><th scope="row">in the source</th><td class="number">{{ found.counts.source }}</td><td></td></tr>
<tr><th scope="row">in the target</th><td class="number">{{ found.counts.target }}</td><td></td></tr>
<tr><th scope="row">equal</th><td class="number">{{ found.counts.matched }}</td><td></td></tr>
{% for kind, text in kinds.items() if found.counts[kind] %}
<tr><th scope="row">{{ text }}</th><td class="number">{{ found.counts[kind] }}</td>\
<td>{% for id in found.ids.get(kind, []) %}<code>{{ id }}</code> {% endfor %}</td></tr>
{% endfor %}
</tbody>
</table></div>
{% if money %}
<h2>Sums</h2>
<div class="scroll"><table>
<thead><tr><th scope="col">Currency</th><th scope="col" class="number">Source</th>\
<th scope="col" class="number">Target</th><th scope="col" class="number">Difference</th></tr></thead>
<tbody>
{% for currency, here, there, difference in money %}
<tr><th scope="row">{{ currency or 'none' }}</th><td class="number">{{ here }}</td>\
<td class="number">{{ there }}</td><td class="number">{{ difference }}</td></tr>
{% endfor %}
</tbody>
</table></div>
{% endif %}
</main>
"""
