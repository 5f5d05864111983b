"""Brightpearl id sets: ``1,2,5-10`` (reference: id sets, sorted and ascending ranges only)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def ranges(text: str) -> Iterator[range]:
    """The ids of an id set such as ``1-2,5``, piece by piece; both separators ``,`` and ``.`` are read."""
    for piece in text.replace(".", ",").split(","):
        first, _, last = piece.strip().partition("-")
        if first:
            yield range(int(first), int(last or first) + 1)


def parse(text: str) -> Iterator[int]:
    """The ids of an id set."""
    for ids in ranges(text):
        yield from ids


def compress(ids: Iterable[int]) -> str:
    """The shortest id set of these ids: sorted, unique, neighbours joined to ranges."""
    return ",".join(_piece(first, last) for first, last in _runs(sorted(set(ids))))


def batches(ids: Iterable[int], size: int, chars: int) -> Iterator[tuple[int, ...]]:
    """Sorted unique ids in groups of at most ``size`` whose id set is at most ``chars`` long."""
    ordered = sorted(set(ids))
    start = 0
    while start < len(ordered):
        count = _fitting(ordered, start, size, chars)
        yield tuple(ordered[start : start + count])
        start += count


def _fitting(ordered: Sequence[int], start: int, size: int, chars: int) -> int:
    count = min(size, len(ordered) - start)
    while count > 1 and len(compress(ordered[start : start + count])) > chars:
        count = max(1, count * 9 // 10)
    return count


def _runs(ordered: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for value in ordered:
        if last is not None and first is not None and value != last + 1:
            yield first, last
            first = value
        first = value if first is None else first
        last = value
    if first is not None and last is not None:
        yield first, last


def _piece(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"
