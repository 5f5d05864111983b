"""A settled run has happened: all of it is recorded or nothing, and what fails afterwards takes nothing back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.source import Message
from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    RateLimited,
    RunChanged,
    SyncError,
    TimedOut,
    Unavailable,
)
from airflow_provider_brightpearl.pipeline.write_back import QUIET
from airflow_provider_brightpearl.runtime import run
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from tests.chain import NOW, Chain
from tests.fakes import FakeSink, FakeSource, FakeWriteBack
from tests.mapping.bench import SCHEMA, flow
from tests.postgres import sqlite_url

PAIR = "here:1>there:2"
GOOD, BAD = b'{"id": 1, "name": "n"}', b'{"id": 2, "name": "n", "amount": "none"}'
WRITE_BACK = {"Thing": {"fields": {"NO": "{target_id}"}, "note": "as {target_id}"}}


@pytest.fixture
def stages(tmp_path: Path, engine: Engine) -> Chain:
    spec = flow({"Name": "name", "Amount": "amount"}, write_back=WRITE_BACK, gate={"max_rejected": "100%"})
    return Chain(
        spec, SCHEMA, tmp_path, letters=SqlDeadLetters(engine, pair=PAIR), ledger=SqlLedger(engine),
        intents=SqlIntents(engine, pair=PAIR), pair=PAIR, replies=FakeWriteBack(),
    )  # fmt: skip


def go(stages: Chain, *lines: bytes, now: datetime = NOW) -> RunSummary:
    return stages.go(FakeSource(lines), FakeSink(), Request(RunKind.MANUAL), now)


def left(stages: Chain) -> tuple[set[str], bool, list[str]]:
    """Letters, whether there is a watermark, and the states in the ledger."""
    name = stages.flow.flow
    return (
        stages.letters.waiting(name, ["1", "2"]),
        stages.ledger.watermark(name, PAIR) is not None,
        [each.state for each in stages.ledger.runs(name)],
    )


def test_letters_ledger_row_and_watermark_are_written_together(stages: Chain) -> None:
    go(stages, GOOD, BAD)
    assert ({"2"}, True, ["done"]) == left(stages)


@pytest.mark.parametrize("dies", ["before the row", "before the end"])
def test_a_crash_while_a_run_is_settled_leaves_nothing_of_it(
    stages: Chain, engine: Engine, dies: str
) -> None:
    class Dies(SqlLedger):
        def record(self, run: RunSummary, watermark: object = None, swept_to: object = None) -> None:
            if dies == "before the end":
                super().record(run, NOW)
            raise KeyboardInterrupt

    stages.ledger = Dies(engine)
    with pytest.raises(KeyboardInterrupt):
        go(stages, GOOD, BAD)
    stages.ledger = SqlLedger(engine)
    assert (set(), False, []) == left(stages)
    go(stages, GOOD, BAD)
    assert ({"2"}, True, ["done"]) == left(stages)


def test_two_databases_have_a_transaction_each(engine: Engine, tmp_path: Path) -> None:
    other = SqlLedger(open_engine(sqlite_url(tmp_path, "other.db")))
    done = RunSummary("r", "f", "manual", "done", None, "v", Counts(), Calls(), {}, NOW)
    with pytest.raises(KeyboardInterrupt), SqlLedger(engine).transaction():
        SqlLedger(engine).record(done)
        other.record(done)
        raise KeyboardInterrupt
    assert ([], ["r"]) == (SqlLedger(engine).runs("f"), [each.run for each in other.runs("f")])


FAILURES: list[SyncError] = [
    Unavailable("the source answers 503", status=503),
    CredentialsRefused("the token has expired", status=401),
    RateLimited("the daily limit is exceeded", wait_seconds=3600.0),
    TimedOut("no answer"),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_source_that_takes_no_write_backs_leaves_the_run_settled_and_them_due(
    stages: Chain, error: SyncError
) -> None:
    source = FakeWriteBack([error])
    stages.replies = source
    summary = go(stages, GOOD)
    assert (set(), True, ["done"]) == left(stages)
    assert summary.write_back is not None
    assert (0, 1) == (summary.write_back.delivered, summary.write_back.waiting)
    [row] = stages.ledger.runs(stages.flow.flow)
    assert f"1 write-backs to a wait for the next run: {error}" == row.note == summary.warnings[0]

    # no note can still arrive
    again = go(stages, GOOD, now=datetime.now(UTC) + QUIET)
    assert again.write_back is not None
    assert (1, 0) == (again.write_back.delivered, again.write_back.waiting)
    assert [("1", "as T-Thing-1")] == source.notes()


def test_a_worker_that_dies_before_the_write_back_leaves_it_to_the_next_run(stages: Chain) -> None:
    class Dies(FakeWriteBack):
        def groups(self, messages: Sequence[Message]) -> Iterator[Sequence[int]]:
            raise KeyboardInterrupt

    stages.replies = Dies()
    with pytest.raises(KeyboardInterrupt):
        go(stages, GOOD)
    assert (set(), True, ["done"]) == left(stages)
    stages.replies = source = FakeWriteBack()
    go(stages)
    assert [("1", "as T-Thing-1")] == source.notes()


def test_another_try_of_the_task_delivers_and_says_so_in_the_row_of_the_run(stages: Chain) -> None:
    stages.replies = FakeWriteBack([Unavailable("away"), Unavailable("still away")])
    failed = go(stages, GOOD)
    settled, info = replace(failed, warnings=(), note=""), stages.extract(FakeSource([])).run
    again, error = run.write_back(stages.wiring, info, settled)
    assert ("still away", 1) == (str(error), len(again.warnings))
    _, error = run.write_back(stages.wiring, info, settled)
    assert error is None
    [row] = stages.ledger.runs(stages.flow.flow)
    assert ("done", "", failed.counts) == (row.state, row.note, row.counts)


def test_what_is_left_for_later_runs_is_in_the_ledger(stages: Chain) -> None:
    stages.write_back_limit = 2
    summary = go(stages, GOOD, b'{"id": 3, "name": "n"}')
    assert () == summary.warnings
    [row] = stages.ledger.runs(stages.flow.flow)
    assert "1 write-backs to a wait for later runs: one sends at most 2 messages" == row.note


def test_another_state_database_is_refused_before_anything_is_written_back(
    stages: Chain, tmp_path: Path
) -> None:
    settled = go(stages, GOOD)
    stages.extract(FakeSource([]))
    stages.ledger = SqlLedger(open_engine(sqlite_url(tmp_path, "other.db")))
    with pytest.raises(RunChanged):
        run.write_back(stages.wiring, stages.info, settled)
