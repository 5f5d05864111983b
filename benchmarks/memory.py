"""Peak memory of a whole run over many orders, over that of one over 20,000.

Each stage runs in a process of its own as tasks of Airflow do, transform and load once per part; the peak of a run is
that of its hungriest process. The systems are simulated in yet another process, with the quota off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import workbench
from benchmarks.report import Row, at_most, said

CUSTOMERS, PRODUCTS = 1_000, 300


def rows(*, quick: bool) -> Iterator[Row]:
    yield from compared(*((4_000, 12_000) if quick else (20_000, 60_000)))


def compared(few: int, many: int) -> Iterator[Row]:
    """The peaks of runs over so many orders, and their ratio."""
    small, large = _peaks(few), _peaks(many)
    yield said("memory of a stage after its imports", small.pop("import"), "MB")
    large.pop("import")
    for stage in small:
        yield said(f"peak of {stage}, {few:,} orders", small[stage], "MB")
        yield said(f"peak of {stage}, {many:,} orders", large[stage], "MB")
    growth = max(large.values()) / max(small.values())
    yield at_most(1.2, f"peak of the run over {many:,} over {few:,} orders", growth, "times")


def _peaks(orders: int) -> dict[str, float]:
    """The peak of each stage, of all its processes."""
    with workbench.folder() as work:
        sizes = {"customers": CUSTOMERS, "products": PRODUCTS, "orders": orders}
        with workbench.simulated(work, **sizes) as sandbox:
            env = workbench.environment(work, sandbox.url)
            for flow in workbench.FLOWS[:2]:
                workbench.measured(
                    "benchmarks.stage", {"flow": flow, "stage": "everything", "given": ["seed"]}, env
                )
            return StagedRun(env).peaks(orders)


class StagedRun:
    """One run of a flow, by default that of orders, a process at a time, in the environment given."""

    def __init__(self, env: Mapping[str, str], flow: str = workbench.FLOWS[2]) -> None:
        self.env, self.flow = env, flow
        self.found: dict[str, float] = {}

    def peaks(self, orders: int, *, created: bool = True) -> dict[str, float]:
        """The peak of each stage of a run that creates so many orders, or else writes none of them.

        Raises:
            RuntimeError: it did something else.
        """
        info, parts, mapped, judged = self.judged()
        loads = [self._stage("load", info, part, judged) for part in mapped] if judged else []
        if judged:
            self._check(self._stage("settle", info, parts, mapped, judged, loads), orders, created=created)
        elif created:
            raise RuntimeError("the gate closed")
        return self.found

    def judged(self) -> tuple[Any, list[Any], list[Any], Any]:
        """What the stages before load give: run, parts, what was mapped, and the gate's report."""
        self._stage("import")
        extracted = self._stage("extract", "bench")
        info, parts = extracted["run"], extracted["parts"]
        mapped = [self._stage("transform", info, part) for part in parts]
        return info, parts, mapped, self._stage("gate", info, mapped)

    def _check(self, summary: Mapping[str, Any], orders: int, *, created: bool) -> None:
        counts = summary["counts"]
        done = counts["created"] if created else counts["rejected"] + counts["parked"]
        if done != orders:
            raise RuntimeError(f"{done} of {orders} orders were as wanted: {counts}, {summary['reasons']}")

    def _stage(self, stage: str, *given: Any) -> Any:
        request = {"flow": self.flow, "stage": stage, "given": given}
        answer = workbench.measured("benchmarks.stage", request, self.env)
        self.found[stage] = max(self.found.get(stage, 0), answer["peak_mb"])
        return answer["outcome"]
