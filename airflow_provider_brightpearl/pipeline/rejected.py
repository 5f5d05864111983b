"""Rejections as staged lines: each with the raw record it is about, so that a dead letter can be replayed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from airflow_provider_brightpearl.core.ports import Staging
from airflow_provider_brightpearl.core.records import Money, Outcome, PartRef, Rejection, Stage, add_money

Rejected = tuple[Rejection, bytes]


def write(staging: Staging, name: str, rejected: Iterable[Rejected]) -> dict[str, Any]:
    """Stages rejections with their raw records; gives the reference as a plain dict."""
    return staging.write_lines(name, (_line(*pair) for pair in rejected)).as_dict()


def read(staging: Staging, ref: Mapping[str, Any]) -> Iterator[Rejected]:
    """The rejections that ``write`` staged."""
    for line in staging.read_lines(PartRef.from_dict(ref)):
        yield _pair(line)


def raw_lines(staging: Staging, ref: Mapping[str, Any], positions: Iterable[int]) -> dict[int, bytes]:
    """The raw records at these lines of a part, by line."""
    wanted = set(positions)
    if not wanted:
        return {}
    return {pos: line for pos, line in enumerate(staging.read_lines(PartRef.from_dict(ref))) if pos in wanted}


def tally(rejected: Iterable[Rejection]) -> dict[str, int]:
    """How many were rejected and how many parked."""
    counts = {Outcome.REJECTED.value: 0, Outcome.PARKED.value: 0}
    for rejection in rejected:
        counts[rejection.outcome.value] += 1
    return counts


def money_of(rejected: Iterable[Rejection]) -> Money:
    """Totals of the rejected records whose amount is known."""
    return add_money({each.currency: each.amount} for each in rejected if each.amount is not None)


def money_as_text(money: Money) -> dict[str, str]:
    """Totals as plain values, digit by digit."""
    return {currency: str(amount) for currency, amount in sorted(money.items())}


def money_from_text(data: Mapping[str, str]) -> Money:
    """The totals that ``money_as_text`` wrote."""
    return {currency: Decimal(amount) for currency, amount in data.items()}


def _line(rejection: Rejection, raw: bytes) -> bytes:
    plain = asdict(replace(rejection, amount=None))
    plain |= {"amount": None if rejection.amount is None else str(rejection.amount), "raw": raw.decode()}
    return json.dumps(plain).encode()


def _pair(line: bytes) -> Rejected:
    data = json.loads(line)
    raw = data.pop("raw").encode()
    amount, waits = data.pop("amount"), data.pop("waits_for")
    data |= {"stage": Stage(data["stage"])}
    rejection = Rejection(
        **data,
        amount=None if amount is None else Decimal(amount),
        waits_for=tuple(waits) if waits else None,
    )
    return rejection, raw
