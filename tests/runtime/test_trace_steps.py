"""What the history of a record says of when it was read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.runtime.trace_steps import TracedRecord, steps_of
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.trace import SqlTraces
from tests.postgres import sqlite_url

PAIR = "here:1>there:2"
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_engine(sqlite_url(tmp_path))


def happened(
    engine: Engine, *events: tuple[str, str, EventOutcome, datetime | None]
) -> list[tuple[str, str]]:
    """What the steps say of events of these runs, stages, outcomes and readings, an hour apart; and the system."""
    stored = [
        RecordEvent("1", run, stage, outcome, NOON + timedelta(hours=hour), "Order", read_at=read_at)
        for hour, (run, stage, outcome, read_at) in enumerate(events)
    ]
    SqlRecordEvents(engine, PAIR).record("orders", stored)
    stores = SqlTraces(engine)
    found = stores.events(PAIR, "orders", "1")
    record = TracedRecord(PAIR, "orders", "1", ["Order"], ["Order"], events=found)
    steps = sorted(steps_of(stores, record), key=lambda step: step.at)
    return [(step.system.partition(":")[0], step.what) for step in steps]


def test_each_run_that_wrote_or_refused_a_record_has_read_it_once(engine: Engine) -> None:
    read = NOON - timedelta(minutes=1)
    assert [
        ("here", "read"), ("there", "created"), ("there", "removed"), ("here", "read"), ("here", "rejected"),
    ] == happened(
        engine,
        ("r1@2026-04-01T11:00:00+00:00", "load", EventOutcome.CREATED, read),
        ("r1@2026-04-01T11:00:00+00:00", "load", EventOutcome.REMOVED, None),
        ("r2@2026-04-01T13:30:00+00:00", "transform", EventOutcome.REJECTED, None),
    )  # fmt: skip


def test_a_write_back_of_a_later_run_and_an_answer_follow_from_no_reading(engine: Engine) -> None:
    assert [
        ("here", "read"),
        ("there", "created"),
        ("here", "written back"),
        ("here", "answered"),
    ] == happened(
        engine,
        ("r1@2026-04-01T11:00:00+00:00", "load", EventOutcome.CREATED, NOON - timedelta(minutes=1)),
        ("r2@2026-04-01T12:30:00+00:00", "write_back", EventOutcome.WRITTEN_BACK, None),
        ("person__2026-04-01T14:00:00+00:00", "match", EventOutcome.ANSWERED, None),
    )
