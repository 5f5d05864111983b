from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.window import (
    Policy,
    Request,
    RunKind,
    Selection,
    Window,
    ended_by,
    parse_instant,
    plan,
)
from airflow_provider_brightpearl.errors import Misconfigured

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = Policy(lookback=timedelta(minutes=30), delay=timedelta(minutes=2))

seconds = st.floats(-(3.15e7), 3.15e7).map(lambda number: timedelta(seconds=number))
instants = seconds.map(lambda span: NOON + span)
spans = st.timedeltas(timedelta(0), timedelta(hours=2))
policies = st.builds(Policy, lookback=spans, delay=spans)


def scheduled(start: datetime, end: datetime) -> Request:
    return Request(RunKind.SCHEDULED, Window(start, end))


def window_of(selection: Selection) -> Window:
    assert selection.window is not None
    return selection.window


@given(start=instants, end=instants, instant=instants)
def test_windows_hold_their_start_and_not_their_end(
    start: datetime, end: datetime, instant: datetime
) -> None:
    window = Window(start, end)
    assert (start <= instant < end) == (instant in window)
    assert (start < end) == (start in window)
    assert end not in window


@given(start=instants, middle=instants, end=instants, instant=instants)
def test_an_instant_lies_in_one_of_two_neighbouring_windows(
    start: datetime, middle: datetime, end: datetime, instant: datetime
) -> None:
    start, middle, end = sorted((start, middle, end))
    both = (instant in Window(start, middle)) + (instant in Window(middle, end))
    assert (1 if instant in Window(start, end) else 0) == both


@given(
    policy=policies,
    first=instants,
    step=st.timedeltas(timedelta(minutes=5), timedelta(hours=3)),
    fates=st.lists(st.sampled_from(["done", "failed", "skipped"]), min_size=1, max_size=12),
    lag=spans,
)
def test_scheduled_windows_leave_no_hole_whatever_became_of_runs_before(
    policy: Policy, first: datetime, step: timedelta, fates: list[str], lag: timedelta
) -> None:
    watermark: datetime | None = None
    read: list[Window] = []
    for number, fate in enumerate([*fates, "done"]):
        start = first + number * step
        if fate == "skipped":
            continue
        selection = plan(scheduled(start, start + step), policy, watermark, start + step + lag)
        assert selection.moves_watermark
        if fate == "done":
            read.append(window_of(selection))
            # the ledger moves it forward only
            watermark = max(watermark or read[-1].end, read[-1].end)
    assert read[0].start is None
    for before, after in zip(read, read[1:], strict=False):
        assert after.start is not None and after.start <= before.end
    assert watermark == first + len(fates) * step + step - policy.delay


@given(policy=policies, watermark=instants, start=instants, now=instants)
def test_a_run_never_begins_after_the_watermark(
    policy: Policy, watermark: datetime, start: datetime, now: datetime
) -> None:
    for request in (scheduled(start, start + HOUR), Request(RunKind.MANUAL), Request(RunKind.SCHEDULED)):
        selection = plan(request, policy, watermark, now)
        begin = window_of(selection).start
        assert selection.moves_watermark and begin is not None and begin <= watermark - policy.lookback


@given(policy=policies, start=instants, end=instants, now=instants)
def test_nothing_is_read_that_may_still_be_written(
    policy: Policy, start: datetime, end: datetime, now: datetime
) -> None:
    start, end = sorted((start, end))
    selection = plan(scheduled(start, end), policy, start, now)
    assert window_of(selection).end <= now - policy.delay


@given(policy=policies, watermark=st.none() | instants, start=instants, end=instants, now=instants)
def test_a_backfill_reads_exactly_its_interval(
    policy: Policy, watermark: datetime | None, start: datetime, end: datetime, now: datetime
) -> None:
    request = Request(RunKind.BACKFILL, Window(start, end))
    if start < end:
        assert Selection(Window(start, end)) == plan(request, policy, watermark, now)
    else:
        with pytest.raises(Misconfigured, match="no data interval"):
            plan(request, policy, watermark, now)


def test_a_backfill_without_an_interval_is_refused_and_one_that_names_what_to_read_is_not() -> None:
    with pytest.raises(Misconfigured, match=r"no data interval to read \(none\)"):
        plan(Request(RunKind.BACKFILL), POLICY, NOON, NOON)
    assert Selection(None, ids=("7",)) == plan(Request(RunKind.BACKFILL, ids=("7",)), POLICY, NOON, NOON)


def test_a_scheduled_run_reaches_back_and_stays_behind() -> None:
    selection = plan(scheduled(NOON - HOUR, NOON), POLICY, NOON - HOUR, NOON + timedelta(seconds=5))
    expected = Window(NOON - timedelta(minutes=90), NOON - timedelta(minutes=2))
    assert Selection(expected, moves_watermark=True, swept_to=NOON - POLICY.delay) == selection


def test_the_first_run_reads_from_the_beginning() -> None:
    selection = plan(scheduled(NOON - HOUR, NOON), POLICY, None, NOON)
    assert Window(None, NOON - POLICY.delay) == selection.window


def test_a_late_watermark_is_where_a_scheduled_run_begins() -> None:
    old = NOON - timedelta(days=3)
    assert old - POLICY.lookback == window_of(plan(scheduled(NOON - HOUR, NOON), POLICY, old, NOON)).start


def test_a_manual_run_reads_from_the_watermark_to_now() -> None:
    selection = plan(Request(RunKind.MANUAL), POLICY, NOON - HOUR, NOON)
    expected = Window(NOON - HOUR - POLICY.lookback, NOON - POLICY.delay)
    assert Selection(expected, moves_watermark=True, swept_to=NOON - POLICY.delay) == selection


@pytest.mark.parametrize("kind", [RunKind.MANUAL, RunKind.SCHEDULED])
def test_an_interval_of_no_width_is_no_interval(kind: RunKind) -> None:
    selection = plan(Request(kind, Window(NOON, NOON)), POLICY, NOON - HOUR, NOON + HOUR)
    assert Window(NOON - HOUR - POLICY.lookback, NOON + HOUR - POLICY.delay) == selection.window


def test_named_ids_are_read_alone_and_move_nothing() -> None:
    request = Request(RunKind.MANUAL, Window(NOON - HOUR, NOON), ids=("1", "2"))
    assert Selection(None, ("1", "2")) == plan(request, POLICY, NOON, NOON)


def test_everything_is_read_whole_and_moves_nothing() -> None:
    assert Selection(None, full_resync=True) == plan(
        Request(RunKind.MANUAL, full_resync=True), POLICY, NOON, NOON
    )


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (NOON - HOUR, NOON, Window(NOON - HOUR, NOON)),
        (NOON - HOUR, None, Window(NOON - HOUR, NOON + HOUR - POLICY.delay)),
        (None, NOON, Window(None, NOON)),
    ],
)
def test_a_given_stretch_is_read_as_it_is(
    start: datetime | None, end: datetime | None, expected: Window
) -> None:
    request = Request(RunKind.MANUAL, start=start, end=end)
    assert Selection(expected) == plan(request, POLICY, NOON - 5 * HOUR, NOON + HOUR)


def test_windows_need_time_zones() -> None:
    with pytest.raises(ValueError, match="a window needs instants with a time zone, got 2026-03-31"):
        Window(NOON.replace(tzinfo=None), NOON)
    with pytest.raises(ValueError, match="a window needs instants with a time zone, got 2026-03-31"):
        Window(None, NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-31T12:00:00Z", NOON),
        ("2026-03-31T12:00:00", NOON),
        ("2026-03-31", NOON - 12 * HOUR),
        ("2026-03-31T14:00:00+02:00", NOON.astimezone(timezone(2 * HOUR))),
    ],
)
def test_an_instant_without_a_zone_is_utc(text: str, expected: datetime) -> None:
    assert (expected, expected.utcoffset()) == (parse_instant(text), parse_instant(text).utcoffset())


@pytest.mark.parametrize(
    ("behind", "end"),
    [
        (timedelta(minutes=10), NOON - timedelta(minutes=12)),
        (timedelta(hours=1), NOON - timedelta(minutes=62)),
        # the delay is there for that much, and a header names whole seconds
        (timedelta(seconds=5), NOON - timedelta(minutes=2)),
        (timedelta(minutes=-10), NOON - timedelta(minutes=2)),
        (timedelta(minutes=-60), NOON - timedelta(minutes=2)),
        # no clock is that wrong
        (timedelta(days=365), NOON - timedelta(minutes=2)),
    ],
)
def test_a_window_ends_by_the_clock_of_its_source(behind, end):
    policy = Policy(timedelta(minutes=30), timedelta(minutes=2))
    planned = plan(Request(RunKind.MANUAL), policy, NOON - timedelta(hours=5), NOON)
    ended = ended_by(planned, NOON, NOON - behind, policy).window
    assert ended
    assert end == ended.end


def test_a_window_that_a_person_asks_for_stays_and_none_ends_before_its_start():
    policy = Policy(timedelta(minutes=30), timedelta(minutes=2))
    asked = plan(Request(RunKind.MANUAL, start=NOON - timedelta(hours=1)), policy, None, NOON)
    assert asked == ended_by(asked, NOON, NOON - timedelta(minutes=10), policy)
    recent = plan(Request(RunKind.MANUAL), policy, NOON, NOON)
    assert recent.window
    assert recent.window.start
    ended = ended_by(recent, NOON, NOON - timedelta(hours=1), policy).window
    assert ended == Window(recent.window.start, recent.window.start)
