"""What a reconciliation found, for people: lines for a log or an alert, and a page."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from airflow_provider_brightpearl.core.reports import Certified, ReconcileReport, ReconcileState
from airflow_provider_brightpearl.core.window import format_window

KINDS = {
    "missing": "in the source, not in the target",
    "differing": "in both, with another amount or other fields",
    "deleted": "in the target, deleted at the source",
    "detach": "deleted on one side, left alone on the other from now on",
    "manual": "differ, and the flow cannot write them again",
    "waiting": "rejected or parked: see dead letters",
    "unmatched": "in the target, not among the records of this flow and period",
    "stale_bindings": "bound, gone from both systems",
    "pending": "changed since the flow last read",
    "unreadable": "cannot be read or mapped: see dead letters",
    "repeated": "listed more than once",
}


def reconcile_lines(found: ReconcileReport) -> list[str]:
    """What was compared, what differs, sums by currency, and the first ids of each kind of difference."""
    counts = found.counts
    return [
        f"{found.flow}: {found.state}; records created {period_text(found)}",
        f"source {counts['source']}, target {counts['target']}, equal {counts['matched']}",
        *(f"{counts[kind]} {text}{_ids(found, kind)}" for kind, text in KINDS.items() if counts.get(kind)),
        *(_money_line(*row) for row in money_rows(found)),
        *([found.note] if found.note else []),
        *_done(found),
        *([certificate_line(found.certificate)] if found.certificate else []),
    ]


def certificate_line(given: Certified) -> str:
    """Number, state and place of a certificate, and why the books are open where they are."""
    reasons = f" ({'; '.join(given.reasons)})" if given.reasons else ""
    signed = f", signed by {given.signed_by}" if given.signed_by else ", not signed"
    return f"certificate {given.number}: {given.state}{reasons}{signed}: {given.path}"


def period_text(found: ReconcileReport) -> str:
    """The period of creation."""
    return format_window(found.period).removeprefix("all ")


def money_rows(found: ReconcileReport) -> Iterator[tuple[str, Decimal, Decimal, Decimal]]:
    """Currency, sum at the source, sum in the target, and how much more the target has."""
    source, target = found.money["source"], found.money["target"]
    for currency in sorted({*source, *target}):
        here, there = source.get(currency, Decimal(0)), target.get(currency, Decimal(0))
        yield currency, here, there, there - here


def write_page(path: Path, found: ReconcileReport) -> None:
    """Writes the result as one self-contained page."""
    # Jinja is needed by no DAG file
    from airflow_provider_brightpearl.pages import page

    html = page(
        f"Reconciliation of {found.flow}",
        "reconciliation.html",
        found=found,
        kinds=KINDS,
        period=period_text(found),
        money=list(money_rows(found)),
        good=found.state in (ReconcileState.CLEAN, ReconcileState.REPAIRED),
    )
    path.write_text(html, encoding="utf-8")


def _ids(found: ReconcileReport, kind: str) -> str:
    ids = found.ids.get(kind)
    if not ids:
        return ""
    more = " …" if found.counts[kind] > len(ids) else ""
    return f": {', '.join(ids)}{more}"


def _money_line(currency: str, here: Decimal, there: Decimal, difference: Decimal) -> str:
    return f"{currency or 'no currency'}: source {here}, target {there}, difference {difference:+f}"


def _done(found: ReconcileReport) -> Iterator[str]:
    if found.state in (ReconcileState.REPAIRED, ReconcileState.PARTIALLY_REPAIRED):
        yield f"repaired {found.repaired}, removed {found.removed}"
        if found.rejected or found.parked:
            yield f"not repaired: {found.rejected} rejected, {found.parked} parked; see dead letters"
        yield from found.refused[:5]
