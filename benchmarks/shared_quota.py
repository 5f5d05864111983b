"""Ten processes that call as often as one quota of 200 calls in 60 seconds allows, for three minutes.

The sandbox throttles in a rolling window, and its log says how many calls each window held. Every call but the first
200 can be made once the one 200 before it is 60 seconds old: the use is how near to that they were made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from benchmarks import workbench
from benchmarks.report import Row, at_least, at_most, said

PROCESSES = 10
CALLS, SECONDS, PERIODS = 200, 60.0, 3.0


def rows(*, quick: bool) -> Iterator[Row]:
    calls, seconds, periods = (30, 4.0, 1.5) if quick else (CALLS, SECONDS, PERIODS)
    with workbench.folder() as work:
        yield from _measured(work, "SQLite", f"sqlite:///{work / 'state.db'}", calls, seconds, periods)
    if quick:
        return
    with workbench.folder() as work, _postgres() as url:
        yield from _measured(work, "PostgreSQL", url, calls, seconds, periods)


def _measured(work: Path, name: str, state: str, calls: int, seconds: float, periods: float) -> Iterator[Row]:
    with workbench.simulated(work, throttle=True, customers=1, products=1, orders=1) as sandbox:
        throttle = {"throttle_limit": calls, "throttle_seconds": seconds}
        sandbox.control("POST", "/settings/brightpearl", throttle)
        request = {
            "state": state, "url": sandbox.url, "calls": calls, "seconds": seconds, "periods": periods,
            "processes": PROCESSES,
        }  # fmt: skip
        found = workbench.measured("benchmarks.shared_quota_worker", request, workbench.environment(work))
        log = sandbox.control("GET", "/log?system=brightpearl")
        peak = sandbox.control("GET", f"/peak/brightpearl?seconds={seconds}")["most"]
    arrived = sorted(datetime.fromisoformat(call["at"]) for call in log)
    waits = [(arrived[each + calls] - arrived[each]).total_seconds() for each in range(len(arrived) - calls)]
    statuses = Counter(call["status"] for call in log)
    yield said(f"{name}: calls of {PROCESSES} processes", len(log), "calls")
    yield said(f"{name}: transactions for the quota", found["asked"], "transactions")
    yield at_most(0, f"{name}: calls that were throttled", statuses[503], "calls")
    yield at_most(calls, f"{name}: calls in the fullest {seconds:g} s", peak, "calls")
    yield at_least(95, f"{name}: use of the quota", 100 * seconds * len(waits) / sum(waits), "%")


@contextmanager
def _postgres() -> Iterator[str]:
    """URL of a fresh database on the server that the tests use."""
    from tests.postgres import run_there, server

    name = f"bp_bench_{uuid4().hex[:12]}"
    run_there(f"CREATE DATABASE {name}")
    yield server().set(database=name).render_as_string(hide_password=False)
    run_there(f"DROP DATABASE {name} WITH (FORCE)")
