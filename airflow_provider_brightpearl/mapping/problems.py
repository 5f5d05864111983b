"""Rejections made from what the checks found in a row."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_brightpearl.core.records import Rejection, Stage


def rejection(
    name: str,
    source_id: str,
    row: str,
    amount: Decimal | None,
    currency: str | None,
    problems: list[dict[str, Any]],
) -> Rejection:
    """The rejection of a row for its problems: it is parked only if nothing but parents is missing."""
    # branches of one expression may find the same thing
    problems = list({_plain(problem): problem for problem in problems}.values())
    defects = [problem for problem in problems if not problem["waits"]]
    first, *others = defects or problems
    reason = f"{first['field']}: {first['value']!r} {first['reason']}" if first["value"] else _plain(first)
    also = "".join(f"; {_plain(other)}" for other in others[:5])
    waits = None
    if not defects:
        flow, _, target = first["waits"].partition(".")
        waits = (flow, target, first["value"])
    return Rejection(
        source_id,
        Stage.TRANSFORM,
        reason + also,
        object=name,
        row=row,
        field=first["field"],
        value=first["value"] or "",
        waits_for=waits,
        amount=amount,
        currency=currency or "",
    )


def _plain(problem: Mapping[str, Any]) -> str:
    value = f" {problem['value']!r}" if problem["value"] else ""
    return f"{problem['field']}:{value} {problem['reason']}"
