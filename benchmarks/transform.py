"""Processor time to map orders with their rows, over what orjson needs to parse the same bytes, with as many workers.

Raw parts become mapped parts of both objects as a transform task does it: the mapping is opened anew for each part.
What a task does once besides (start of Python, imports, reading the flow file, asking the state database) is left out
on both sides. Parsing is ``orjson.loads`` line by line, each record dropped before the next: nothing parses faster.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workbench
from benchmarks.report import Row, at_most, said
from benchmarks.workbench import Worker

ORDERS, SEEDED = 100_000, 20_000
ROUNDS = 3
NAMES = {1: "one worker", 2: "two workers side by side"}


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds on the clock, and of processors."""

    wall: float
    cpu: float


def rows(*, quick: bool) -> Iterator[Row]:
    orders, seeded, rounds = (2_000, 1_000, 2) if quick else (ORDERS, SEEDED, ROUNDS)
    with workbench.folder() as work:
        # orders are seeded once and read several times: parts know nothing of each other
        repeats = orders // seeded
        parts = _staged(work, seeded)
        size = -(-seeded // len(parts))
        env = workbench.environment(work)
        with _worker(env) as one, _worker(env) as two:
            yield from _compared([one, two], parts * repeats, f"parts of {size:,}", rounds)


def _worker(env: dict[str, str]) -> Worker:
    return Worker.start("benchmarks.transform_worker", env)


def _staged(work: Path, orders: int) -> list[str]:
    request = {"folder": str(work / "staging")}
    with workbench.simulated(work, customers=2_000, products=500, orders=orders) as sandbox:
        request["url"] = sandbox.url
        found = workbench.measured("benchmarks.extraction_ours", request, workbench.environment(work))
    paths: list[str] = found["parts"]
    return paths


def _compared(workers: list[Worker], parts: list[str], kind: str, rounds: int) -> Iterator[Row]:
    times: dict[tuple[str, int], list[Took]] = {}
    counts = range(1, len(workers) + 1)
    _together(workers, "map", parts[: len(workers)])
    for _ in range(rounds):
        for count in counts:
            for work in ("parse", "map"):
                times.setdefault((work, count), []).append(_together(workers[:count], work, parts))
    for count in counts:
        where = f"{NAMES[count]}, {kind}"
        parsed, mapped = times["parse", count], times["map", count]
        yield said(f"parse with orjson, {where}", statistics.median(took.wall for took in parsed), "s")
        yield said(f"map, {where}", statistics.median(took.wall for took in mapped), "s")
        pairs = list(zip(mapped, parsed, strict=True))
        name = f"map over parse, {where}"
        yield said(name, statistics.median(one.wall / other.wall for one, other in pairs), "times")
        name = f"map over parse, processor time, {where}"
        ratio = statistics.median(one.cpu / other.cpu for one, other in pairs)
        # side by side, workers compete for caches: reported, without a goal
        yield at_most(2, name, ratio, "times") if count == 1 else said(name, ratio, "times")


def _together(workers: Sequence[Worker], work: str, parts: Sequence[str]) -> Took:
    """Until the last of the workers, each with its share of the parts, is done."""
    started = time.perf_counter()
    for place, worker in enumerate(workers):
        worker.ask({"work": work, "parts": parts[place :: len(workers)]})
    cpu = sum(worker.answer()["cpu"] for worker in workers)
    return Took(time.perf_counter() - started, cpu)
