"""Rejections as staged lines: each with its raw record, so that a dead letter can be replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from airflow_provider_brightpearl.core.ports.stores import Staging
from airflow_provider_brightpearl.core.records import Cause, Money, PartRef, Rejection, add_money

Rejected = tuple[Rejection, bytes]


class _Line(msgspec.Struct):
    rejection: Rejection
    raw: str


_decode = msgspec.json.Decoder(_Line).decode


def write_rejections(staging: Staging, name: str, rejected: Iterable[Rejected]) -> PartRef:
    """Stages rejections with their raw records."""
    lines = (
        msgspec.json.encode(_Line(rejection, raw.decode("utf-8", "replace"))) for rejection, raw in rejected
    )
    return staging.write_lines(name, lines)


def read_rejections(staging: Staging, ref: PartRef) -> Iterator[Rejected]:
    """The rejections that ``write_rejections`` staged."""
    for line in staging.read_lines(ref):
        found = _decode(line)
        yield found.rejection, found.raw.encode()


def raw_lines(staging: Staging, ref: PartRef, positions: Iterable[int]) -> dict[int, bytes]:
    """The raw records at these lines of a part, by line."""
    wanted = set(positions)
    if not wanted:
        return {}
    return {pos: line for pos, line in enumerate(staging.read_lines(ref)) if pos in wanted}


def money_of(rejected: Iterable[Rejection]) -> Money:
    """Totals of the rejected records whose amount is known."""
    return add_money({each.currency: each.amount} for each in rejected if each.amount is not None)


def top_causes(rejected: Iterable[Rejection], limit: int, examples: int = 5) -> list[Cause]:
    """The most common reasons as in ``top_reasons``, each with the ids of its first few records."""
    met: dict[str, list[Rejection]] = {}
    for each in rejected:
        met.setdefault(_cause(each), []).append(each)
    commonest = sorted(met.items(), key=lambda item: -len(item[1]))[:limit]
    return [
        Cause(
            reason, len(found), tuple(dict.fromkeys(each.source_id for each in found))[:examples],
            found[0].object, found[0].field,
        )
        for reason, found in commonest
    ]  # fmt: skip


def top_reasons(rejected: Iterable[Rejection], limit: int) -> list[tuple[str, int]]:
    """The most common reasons with counts, without values, so that equal causes add up."""
    return Counter(_cause(each) for each in rejected).most_common(limit)


def _cause(rejection: Rejection) -> str:
    reason = rejection.reason
    if rejection.waits_for:
        reason = f"waits for {rejection.waits_for[0]} {rejection.waits_for[1]}"
    elif rejection.value and f"{rejection.value!r} " not in reason:
        reason = reason.removesuffix(f", got {rejection.value}")
    return f"{rejection.object}.{rejection.field}: {reason}" if rejection.field not in reason else reason
