"""A run's summary as lines of plain text."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from pathlib import Path

from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.records import Calls, Counts, Money
from airflow_provider_brightpearl.core.reports import RunSummary, WriteBackReport
from airflow_provider_brightpearl.core.window import format_window
from airflow_provider_brightpearl.pages import page

COUNTS = ("created", "updated", "unchanged", "rejected", "parked")
_REASONS = 10


def summary_lines(run: RunSummary) -> list[str]:
    """Records by outcome, calls beside plan and minimum, money by currency, top reasons, write-backs, warnings."""
    parts = (_calls(run.calls), _money(run.money), _reasons(run), _write_back(run), run.warnings)
    return [_records(run), *filter(None, [run.quarantine]), *chain.from_iterable(parts)]


def write_page(path: Path, run: RunSummary) -> None:
    """Writes the summary as a self-contained page."""
    html = page(f"Run of {run.flow}", "run.html", run=run, lines=summary_lines(run))
    path.write_text(html, encoding="utf-8")


def _records(run: RunSummary) -> str:
    window = f", changes: {format_window(run.window)}" if run.window else ""
    return f"{run.flow}: {counted(run.counts.extracted, 'record')}: {outcomes(run.counts)}{window}"


def outcomes(counts: Counts) -> str:
    """Records by outcome: ``2 created, 0 updated, ...``."""
    return ", ".join(f"{getattr(counts, name):,} {name}" for name in COUNTS)


def _calls(calls: Calls) -> Iterator[str]:
    for system, made in calls.made.items():
        planned = calls.planned.get(system)
        beside = f"{planned} planned, " if planned else ""
        looks = calls.looks.get(system, 0)
        also = f" and {looks} looks at running jobs" if looks else ""
        yield f"{system}: {made - looks} API calls ({beside}minimum {calls.minimum.get(system, 0)}){also}"


def _money(money: dict[str, Money]) -> Iterator[str]:
    extracted, loaded, rejected = (money.get(stage, {}) for stage in ("extracted", "loaded", "rejected"))
    for currency, amount in sorted(extracted.items()):
        held = rejected.get(currency)
        also = f", {amount_text(held)} rejected or parked" if held else ""
        there = amount_text(loaded.get(currency, Decimal(0)))
        yield f"{currency}: {amount_text(amount)} extracted, {there} loaded{also}"


def _reasons(run: RunSummary) -> Iterator[str]:
    for reason, number in run.reasons[:_REASONS]:
        yield f"{number} x {reason}"


def _write_back(run: RunSummary) -> Iterator[str]:
    if run.write_back:
        yield f"written back: {write_back_outcome(run.write_back)}"
        yield from filter(None, [run.write_back.note])


def write_back_outcome(report: WriteBackReport) -> str:
    """Records by what became of their write-backs: ``2 delivered, 0 waiting, 0 given up``."""
    return f"{report.delivered:,} delivered, {report.waiting:,} waiting, {report.given_up:,} given up"


def amount_text(value: Decimal) -> str:
    """An amount with thousands marked, without zeros that say nothing beyond two decimals."""
    short = value.quantize(Decimal("0.01"))
    return f"{short if short == value else value.normalize():,f}"
