"""What a run logs: each stage at its start and end with its counts, and its progress between them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.runtime.progress import logged_progress
from tests.chain import Chain
from tests.fakes import FakeSink, FakeSource
from tests.mapping.bench import SCHEMA, flow


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = "airflow_provider_brightpearl.runtime.progress"
    return [
        re.sub(r"after \d+ s", "after a while", record.getMessage())
        for record in caplog.records
        if record.name == ours
    ]


def test_every_stage_has_a_line_at_its_start_and_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stages = Chain(flow({"Name": "name"}), SCHEMA, tmp_path)
    with caplog.at_level(logging.INFO):
        stages.go(FakeSource([b'{"id": 1}', b'{"id": 2}']), FakeSink())
    assert [
        "bench extract: started",
        "bench extract: ended after a while: 2 records, 1 part, 1 call",
        "bench transform, part 00000: started",
        "bench transform, part 00000: ended after a while: 2 records: 0 rejected, 0 parked, 0 filtered; "
        "rows: 2 of Thing",
        "bench gate: started",
        "bench gate: ended after a while: no rows were judged",
        "bench load, part 00000: started",
        "bench load, part 00000: ended after a while: 2 created, 0 updated, 0 unchanged, 0 rejected, 0 parked; 1 call",
        "bench settle: started",
        "bench settle: ended after a while: 2 records: 2 created, 0 updated, 0 unchanged, 0 rejected, 0 parked",
    ] == messages(caplog)


def test_a_stage_that_takes_long_says_every_ten_seconds_how_far_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seconds: list[float] = []
    first, second, logged = Event(), Event(), Event()
    turns: Iterator[Event] = iter([first, second])

    def wait(for_seconds: float) -> bool:
        seconds.append(for_seconds)
        if len(seconds) > 1:
            logged.set()
        turn = next(turns)
        turn.wait()
        return turn is second

    with caplog.at_level(logging.INFO), logged_progress("orders extract", clock=lambda: 0.0, wait=wait):
        current().begin("read", "orders", 12_000)
        current().advance(4_500)
        with current().waiting("the account's quota", 60):
            first.set()
            logged.wait()
        second.set()
    assert (
        "orders extract: read 4,500 of 12,000 orders, about 10 seconds left; "
        "waiting 1 min 0 s more: the account's quota"
    ) == messages(caplog)[1]
    assert [10.0, 10.0] == seconds


def test_a_stage_that_fails_says_where_it_stopped(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(RuntimeError),
        logged_progress("orders load", clock=lambda: 0.0) as progress,
    ):
        progress.begin("wrote", "rows", 10)
        raise RuntimeError("a defect")
    assert "orders load: stopped after a while: wrote 0 of 10 rows" == messages(caplog)[-1]
