"""Id sets: `8`, `5-10`, `1,2,9`, combinations, and the unordered form with dots."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?$", re.ASCII)


def parse(text: str) -> list[tuple[int, int]] | None:
    """The ranges of an id set, both ends inclusive; None if the text is not an id set."""
    ranges = []
    for part in re.split(r"[.,]", text):
        shape = _PART.match(part)
        if shape is None:
            return None
        first = int(shape[1])
        last = int(shape[2] or first)
        if first < 1 or last < first:
            return None
        ranges.append((first, last))
    return ranges


def size(ranges: list[tuple[int, int]]) -> int:
    """The number of ids, duplicates included."""
    return sum(last - first + 1 for first, last in ranges)


def expand(ranges: list[tuple[int, int]]) -> list[int]:
    """The ids in the order given, without duplicates."""
    return list(dict.fromkeys(id for first, last in ranges for id in range(first, last + 1)))


def compact(ids: Iterable[int]) -> str:
    """Ascending ids as the shortest id set, the form in OPTIONS responses: `1-2,5,8,10-41`."""
    parts: list[str] = []
    start = last = None
    for id in ids:
        if last is not None and id == last + 1:
            last = id
            continue
        if start is not None:
            parts.append(_span(start, last))
        start = last = id
    return ",".join([*parts, _span(start, last)]) if start is not None else ""


def _span(first: int, last: int | None) -> str:
    return f"{first}-{last}" if last is not None and last > first else str(first)
