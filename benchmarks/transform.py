"""Time to map orders with their rows, over the time orjson needs to parse the same bytes, with as many workers.

Raw parts become mapped parts of both objects as a transform task does it: the mapping is opened anew for each part.
What a task does once besides (start of Python, imports, reading the flow file) is left out on both sides. Parsing is
``orjson.loads`` line by line, each record dropped before the next, which is the fastest way to parse that there is.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import workbench
from benchmarks.report import Row, at_most, said
from benchmarks.workbench import Worker

ORDERS, SEEDED = 100_000, 20_000
ROUNDS = 5


def rows(*, quick: bool) -> Iterator[Row]:
    orders, seeded, rounds = (10_000, 5_000, 2) if quick else (ORDERS, SEEDED, ROUNDS)
    with workbench.folder() as work:
        parts = _staged(work, seeded)
        # every order counts as often as it takes to reach the number; parts know nothing of each other
        parts = parts * (orders // seeded)
        env = workbench.environment(work)
        with Worker.start(f"{__package__}.transform_worker", env) as one, \
                Worker.start(f"{__package__}.transform_worker", env) as two:  # fmt: skip
            yield from _compared([one, two], parts, orders, rounds)


def _staged(work: Path, orders: int) -> list[str]:
    request = {"folder": str(work / "staging")}
    with workbench.simulated(work, customers=2_000, products=500, orders=orders) as sandbox:
        found = workbench.measured(f"{__package__}.extraction_ours", {**request, "url": sandbox.url}, workbench.environment(work))
    paths: list[str] = found["parts"]
    return paths


def _compared(workers: list[Worker], parts: list[str], orders: int, rounds: int) -> Iterator[Row]:
    times: dict[tuple[str, int], list[float]] = {}
    for count in (1, 2):
        _together(workers[:count], "map", parts[:count])
    for _ in range(rounds):
        for count in (1, 2):
            for work in ("parse", "map"):
                times.setdefault((work, count), []).append(_together(workers[:count], work, parts))
    for count, name in ((1, "one worker"), (2, "two workers side by side")):
        parsed, mapped = times["parse", count], times["map", count]
        yield said(f"parse {orders:,} orders with orjson, {name}", statistics.median(parsed), "s")
        yield said(f"map {orders:,} orders, {name}", statistics.median(mapped), "s")
        ratios = [took / base for took, base in zip(mapped, parsed, strict=True)]
        yield at_most(2, f"map over parse, {name}", statistics.median(ratios), "times")


def _together(workers: list[Worker], work: str, parts: list[str]) -> float:
    """Seconds until the last of the workers, each with its share of the parts, is done."""
    started = time.perf_counter()
    for place, worker in enumerate(workers):
        worker.ask({"work": work, "parts": parts[place :: len(workers)]})
    for worker in workers:
        worker.answer()
    return time.perf_counter() - started
