"""Peak memory of a whole run over 200,000 orders, over that of one over 20,000; takes some minutes."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.memory import compared
from benchmarks.report import Row


def rows(*, quick: bool) -> Iterator[Row]:
    yield from compared(*((4_000, 40_000) if quick else (20_000, 200_000)))
