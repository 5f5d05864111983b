"""How long something took, as counts by length: small enough to keep for each day, exact to a tenth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import timedelta

# two neighbouring bounds differ by this factor; the first one is a millisecond
_STEP = 1.1


def histogram(times: Iterable[timedelta]) -> dict[int, int]:
    """How many of these times lie up to each bound, by the number of the bound."""
    found: dict[int, int] = {}
    for each in times:
        milliseconds = max(1.0, each.total_seconds() * 1000)
        place = math.ceil(math.log(milliseconds, _STEP))
        found[place] = found.get(place, 0) + 1
    return found


def added(counts: Mapping[int, int], more: Mapping[int, int]) -> dict[int, int]:
    """Both together."""
    return {place: counts.get(place, 0) + more.get(place, 0) for place in sorted({*counts, *more})}


def percentile(counts: Mapping[int, int], percent: float) -> timedelta | None:
    """The bound up to which so many percent of the times lie, at most a tenth too long; None where there are none."""
    wanted, seen = sum(counts.values()) * percent / 100, 0
    for place in sorted(counts):
        seen += counts[place]
        if seen >= wanted:
            return timedelta(milliseconds=_STEP**place)
    return None
