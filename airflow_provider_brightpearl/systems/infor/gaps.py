"""Finds numbers that are missing in a series of M3, among and right below those that a run reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from airflow_provider_brightpearl.systems.infor.client import InforClient
from airflow_provider_brightpearl.systems.infor.streams.stream import InforStream

# farther apart, they are of two series, or one is an old record that was changed
_NEAR = 100
# so far below the first one it is looked whether the run before left a gap
_BELOW = 20
_SHOWN = 5


def missing_numbers(
    client: InforClient, stream: InforStream, keys: Iterable[Sequence[str]]
) -> Iterator[tuple[str, list[range]]]:
    """The gaps by year that M3 shows among the latest of some numbers, or between them and the one before.

    Takes one call a year.

    Args:
        client: calls to M3.
        stream: one with a series.
        keys: year and number of what a run reads.
    """
    if stream.series is None:
        return
    by_year: dict[str, set[int]] = {}
    for year, number in keys:
        by_year.setdefault(year, set()).add(int(number))
    for year, numbers in sorted(by_year.items()):
        first, last = _latest(sorted(numbers)), max(numbers)
        there = sorted(stream.series.numbers(client, year, max(1, first - _BELOW), last) | numbers)
        before = [number for number in there if number < first][-1:]
        known = [*before, *(number for number in there if first <= number <= last)]
        gaps = [range(a + 1, b) for a, b in zip(known, known[1:], strict=False) if b - a > 1]
        if gaps:
            yield year, gaps


def _latest(numbers: Sequence[int]) -> int:
    """The first of the numbers at the end that are near each other."""
    first = numbers[-1]
    for number in reversed(numbers):
        if first - number > _NEAR:
            break
        first = number
    return first


def gap_warning(stream: str, year: str, gaps: Sequence[range]) -> str:
    """What a run says of them."""
    shown = ", ".join(str(gap[0]) if len(gap) == 1 else f"{gap[0]} to {gap[-1]}" for gap in gaps[:_SHOWN])
    more = f" and {len(gaps) - _SHOWN} more gaps" if len(gaps) > _SHOWN else ""
    return (
        f"M3 has no {stream} {shown}{more} of {year}, though it has those before and after: "
        "released later, they come by themselves; if none was deleted on purpose, look for them in M3"
    )
