"""What a run did, in words, for the log of its last task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_brightpearl.core.window import in_words

COUNTS = ("created", "updated", "unchanged", "rejected", "parked")
_REASONS = 10


def summary(run: Mapping[str, Any]) -> str:
    """Some lines of plain text: records by outcome, calls beside plan and minimum, money by currency, top reasons."""
    return "\n".join((_records(run), *_calls(run), *_money(run["money"]), *_reasons(run), *_write_back(run)))


def _records(run: Mapping[str, Any]) -> str:
    window = run["window"]
    where = f", changes from {in_words(window)}" if window else ""
    counted = ", ".join(f"{run[name]} {name}" for name in COUNTS)
    return f"{run['flow']}: {run['extracted']} records: {counted}{where}"


def _calls(run: Mapping[str, Any]) -> Iterator[str]:
    for system, made in run["calls"].items():
        fewest = run["fewest_calls"].get(system, 0)
        planned = run["planned_calls"].get(system)
        yield f"{system}: {made} calls, {fewest} the fewest possible" + (
            f", {planned} planned" if planned else ""
        )


def _money(money: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    extracted, loaded, rejected = (money.get(stage, {}) for stage in ("extracted", "loaded", "rejected"))
    for currency, amount in sorted(extracted.items()):
        held = rejected.get(currency)
        also = f", {_plain(held)} rejected or parked" if held and Decimal(held) else ""
        yield f"{currency}: {_plain(amount)} extracted, {_plain(loaded.get(currency, '0'))} loaded{also}"


def _reasons(run: Mapping[str, Any]) -> Iterator[str]:
    for reason, number in run["reasons"][:_REASONS]:
        yield f"{number} x {reason}"


def _write_back(run: Mapping[str, Any]) -> Iterator[str]:
    told = run.get("write_back")
    if told:
        yield f"written back: {told['told']} told, {told['waiting']} waiting, {told['given_up']} given up"


def _plain(amount: str) -> str:
    """An amount with thousands marked, without zeros that say nothing beyond two decimals."""
    value = Decimal(amount)
    short = value.quantize(Decimal("0.01"))
    return f"{short if short == value else value.normalize():,f}"
