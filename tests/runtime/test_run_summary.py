"""A run's summary as lines of text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.reports import RunSummary, WriteBackReport
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.runtime.run_summary import summary_lines

BEGAN = datetime(2026, 4, 1, tzinfo=UTC)
RUN = RunSummary(
    run="r",
    flow="orders_to_infor",
    kind="manual",
    state="done",
    window=Window(None, BEGAN),
    mapping_version="v",
    counts=Counts(extracted=5, created=2, unchanged=1, rejected=1, parked=1),
    calls=Calls({"brightpearl": 4, "infor": 6}, {"brightpearl": 4, "infor": 6}, {"brightpearl": 5}),
    money={
        "extracted": {"GBP": Decimal("1234.5000"), "KWD": Decimal("2.1250")},
        "loaded": {"GBP": Decimal("1234.0000"), "KWD": Decimal("2.1250")},
        "rejected": {"GBP": Decimal("0.5000")},
    },
    started_at=BEGAN,
    reasons=(("OrderLine: waits for the item", 1),),
    write_back=WriteBackReport(delivered=2),
)


def test_records_calls_money_reasons_and_write_backs_have_a_line_each() -> None:
    assert [
        "orders_to_infor: 5 records: 2 created, 0 updated, 1 unchanged, 1 rejected, 1 parked, "
        "changes: all up to 2026-04-01T00:00:00+00:00",
        "brightpearl: 4 API calls (5 planned, minimum 4)",
        "infor: 6 API calls (minimum 6)",
        "GBP: 1,234.50 extracted, 1,234.00 loaded, 0.50 rejected or parked",
        "KWD: 2.125 extracted, 2.125 loaded",
        "1 x OrderLine: waits for the item",
        "written back: 2 delivered, 0 waiting, 0 given up",
    ] == summary_lines(RUN)


def test_a_run_by_ids_without_money_is_two_lines() -> None:
    calls = Calls({"brightpearl": 1}, {"brightpearl": 4}, {"brightpearl": 5})
    short = replace(RUN, window=None, money={}, reasons=(), write_back=None, calls=calls)
    assert [
        "orders_to_infor: 5 records: 2 created, 0 updated, 1 unchanged, 1 rejected, 1 parked",
        "brightpearl: 1 API calls (5 planned, minimum 4)",
    ] == summary_lines(short)


def test_what_waits_and_what_has_to_be_checked_are_lines_of_their_own() -> None:
    told = WriteBackReport(waiting=3, warnings=("no answer",), note="2 wait for later runs")
    lines = summary_lines(replace(RUN, write_back=told, warnings=("a new key", *told.warnings)))
    assert [
        "written back: 0 delivered, 3 waiting, 0 given up",
        "2 wait for later runs",
        "a new key",
        "no answer",
    ] == lines[-4:]
