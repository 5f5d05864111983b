"""A run that fails leaves a row in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.ports.source import Read
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind, Selection
from airflow_provider_brightpearl.errors import GateClosed, Unavailable
from tests.chain import NOW, Chain
from tests.fakes import FakeSink, FakeSource, MemoryLedger, PassingGate
from tests.mapping.bench import SCHEMA, flow


@dataclass
class FailingSink(FakeSink):
    error: Exception = field(default_factory=RuntimeError)

    def write(self, records: object) -> Iterator[list[RowResult]]:
        raise self.error


class FailingSource(FakeSource):
    def read(self, selection: Selection) -> Iterator[Read]:
        yield from ()
        raise Unavailable("no answer", system="c")


def chain(folder: Path) -> Chain:
    return Chain(flow({"Name": "name"}), SCHEMA, folder)


def rows(stages: Chain) -> list[RunSummary]:
    return stages.ledger.runs("bench")


@pytest.mark.parametrize(
    "error", [Unavailable("no answer", system="salesforce"), ZeroDivisionError("a defect")]
)
def test_a_failed_stage_is_in_the_ledger_with_its_reason_and_the_calls_so_far(
    tmp_path: Path, error: Exception
) -> None:
    stages = chain(tmp_path)
    with pytest.raises(type(error)):
        stages.go(FakeSource([b'{"id": 1}']), FailingSink(error=error), name="scheduled 1")
    (row,) = rows(stages)
    assert ("scheduled 1", "failed", f"load: {error}") == (row.run, row.state, row.note)
    assert (NOW, {"a": 1}) == (row.started_at, row.calls.made)


def test_a_run_that_fails_before_its_window_is_known_is_in_the_ledger_too(tmp_path: Path) -> None:
    stages = chain(tmp_path)
    with pytest.raises(Unavailable):
        stages.go(FailingSource([]), FakeSink(), Request(RunKind.SCHEDULED), name="scheduled 1")
    (row,) = rows(stages)
    assert ("scheduled 1", "scheduled", "failed", None) == (row.run, row.kind, row.state, row.window)


def test_a_closed_gate_has_a_row_of_its_own(tmp_path: Path) -> None:
    stages = chain(tmp_path)
    stages.judge = PassingGate(batch=["nonsense"])
    with pytest.raises(GateClosed):
        stages.go(FakeSource([b'{"id": 1}']), FakeSink())
    assert ["gate closed"] == [row.state for row in rows(stages)]


def test_a_later_try_replaces_the_row(tmp_path: Path) -> None:
    stages = chain(tmp_path)
    with pytest.raises(RuntimeError):
        stages.go(FakeSource([b'{"id": 1}']), FailingSink(), name="r")
    stages.go(FakeSource([b'{"id": 1}']), FakeSink(), name="r")
    assert ["done"] == [row.state for row in rows(stages)]


def test_the_error_itself_goes_on_where_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    class Down(MemoryLedger):
        def record(self, run: RunSummary, watermark: object = None, swept_to: object = None) -> None:
            raise Unavailable("the state database is down")

    stages = chain(tmp_path)
    stages.ledger = Down()
    with pytest.raises(ZeroDivisionError, match="the reason"):
        stages.go(FakeSource([b'{"id": 1}']), FailingSink(error=ZeroDivisionError("the reason")))
