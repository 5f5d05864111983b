"""Peak memory of runs of which all 200,000 orders are rejected, over that of a good one; takes some minutes."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rejected import compared
from benchmarks.report import Row


def rows(*, quick: bool) -> Iterator[Row]:
    yield from compared(40_000 if quick else 200_000)
