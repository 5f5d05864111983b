"""Peak memory of reading and mapping 200,000 Salesforce accounts, over that of 20,000; takes some minutes."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.memory_into import compared
from benchmarks.report import Row


def rows(*, quick: bool) -> Iterator[Row]:
    yield from compared(*((400, 4_000) if quick else (20_000, 200_000)))
