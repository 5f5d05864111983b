"""When a run reads everything: the windows of a flow pass each instant of its sweep once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_brightpearl.core.window import Policy, Request, RunKind, Window, ended_by, plan

DAY = datetime(2026, 3, 28, tzinfo=UTC)
NIGHTLY = Policy(lookback=timedelta(minutes=30), delay=timedelta(minutes=2), sweep="0 3 * * *")


def scheduled(start: datetime, watermark: datetime | None, policy: Policy = NIGHTLY) -> bool:
    interval = Window(start, start + timedelta(minutes=15))
    request = Request(RunKind.SCHEDULED, interval=interval)
    return plan(request, policy, watermark, interval.end).full_resync


@pytest.mark.parametrize("minute", [0, 1, 13, 14])
def test_a_day_of_runs_sweeps_once_wherever_its_intervals_begin(minute: int) -> None:
    watermark = DAY + timedelta(minutes=minute - 2)
    sweeps = []
    for number in range(96):
        start = DAY + timedelta(minutes=minute + 15 * number)
        if scheduled(start, watermark):
            sweeps.append(start)
        watermark = start + timedelta(minutes=13)
    assert 1 == len(sweeps)
    assert DAY + timedelta(hours=2, minutes=45) <= sweeps[0] <= DAY + timedelta(hours=3, minutes=15)


def test_a_sweep_that_was_missed_is_made_up_for() -> None:
    yesterday = DAY - timedelta(hours=12)
    assert scheduled(DAY + timedelta(hours=10), watermark=yesterday)


def test_a_source_whose_clock_is_hours_behind_is_swept_once() -> None:
    watermark, swept_to = DAY, None
    sweeps = 0
    for quarter in range(96):
        now = DAY + timedelta(minutes=15 * (quarter + 1))
        planned = plan(Request(RunKind.MANUAL), NIGHTLY, watermark, now, swept_to)
        sweeps += planned.full_resync
        ended = ended_by(planned, now, now - timedelta(hours=3), NIGHTLY)
        assert ended.window
        watermark, swept_to = max(watermark, ended.window.end), ended.swept_to
    assert 1 == sweeps


def test_a_sweep_that_a_manual_run_has_done_is_not_done_again_by_the_scheduled_one() -> None:
    night = DAY + timedelta(hours=3)
    manual = plan(
        Request(RunKind.MANUAL), NIGHTLY, night - timedelta(minutes=10), night + timedelta(minutes=5)
    )
    assert manual.full_resync
    assert manual.window
    request = Request(RunKind.SCHEDULED, Window(night - timedelta(minutes=5), night + timedelta(minutes=10)))
    now = night + timedelta(minutes=10)
    assert not plan(request, NIGHTLY, manual.window.end, now, manual.swept_to).full_resync


def test_the_first_run_reads_everything_as_it_begins_at_the_beginning() -> None:
    assert scheduled(DAY + timedelta(hours=10), watermark=None)


def test_a_flow_without_sweep_never_reads_everything_by_itself() -> None:
    plain = Policy(lookback=timedelta(minutes=30), delay=timedelta(minutes=2))
    assert not scheduled(DAY + timedelta(hours=3), DAY, plain)


def test_a_sweep_moves_the_watermark_like_any_other_run() -> None:
    interval = Window(DAY, DAY + timedelta(days=1))
    request = Request(RunKind.SCHEDULED, interval=interval)
    selection = plan(request, NIGHTLY, DAY, interval.end)
    assert selection.window is not None
    assert (True, True, interval.end - NIGHTLY.delay) == (
        selection.full_resync, selection.moves_watermark, selection.window.end,
    )  # fmt: skip


def test_a_backfill_reads_its_interval_and_no_more() -> None:
    interval = Window(DAY, DAY + timedelta(days=1))
    selection = plan(Request(RunKind.BACKFILL, interval=interval), NIGHTLY, None, interval.end)
    assert (False, interval) == (selection.full_resync, selection.window)
