"""The period of source time that a run reads: half-open windows, planned once before the first request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import takewhile

from croniter import croniter

from airflow_provider_brightpearl.errors import Misconfigured

# a header names whole seconds, and an answer takes some; less than any delay that makes sense
_BARELY = timedelta(seconds=5)
_NO_CLOCK = timedelta(days=1)


class RunKind(StrEnum):
    """How a run came about; decides its window and whether it may move the watermark."""

    SCHEDULED = "scheduled"
    BACKFILL = "backfill"
    MANUAL = "manual"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open period ``[start, end)`` of aware instants; ``start`` None means from the beginning."""

    start: datetime | None
    end: datetime

    def __post_init__(self) -> None:
        for instant in (self.start, self.end):
            if instant is not None and instant.tzinfo is None:
                raise ValueError(f"a window needs instants with a time zone, got {instant.isoformat()}")

    def __contains__(self, instant: datetime) -> bool:
        return (self.start is None or self.start <= instant) and instant < self.end

    @property
    def empty(self) -> bool:
        return self.start is not None and self.start >= self.end

    def widened(self, margin: timedelta) -> Window:
        """The window with a margin on both sides, to ask a source for: what it answers is then held against this one.

        So it matters neither whether a system counts the ends of a period in, nor how finely it reads instants.
        """
        return Window(self.start and self.start - margin, self.end + margin)


def format_window(window: Window) -> str:
    """A window for people: ``2026-01-01T00:00:00+00:00 to …``, or ``all up to …``."""
    if window.start is None:
        return f"all up to {window.end.isoformat()}"
    start = window.start.isoformat()
    return f"{start} to {window.end.isoformat()}"


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run asks of its source: a window, or named ids, or both united.

    ``moves_watermark`` is true only where the window begins at or before the watermark, so nothing is skipped.
    ``swept_to`` is the instant, by our clock, before which no sweep is due any more once the run is settled.
    """

    window: Window | None
    ids: tuple[str, ...] = ()
    full_resync: bool = False
    moves_watermark: bool = False
    swept_to: datetime | None = None

    @property
    def sweep(self) -> bool:
        """Whether the schedule asks for a full resync, not a person."""
        return self.full_resync and self.window is not None


@dataclass(frozen=True, slots=True)
class Policy:
    """How far a scheduled window reaches back over its start and stays behind now; when everything is read.

    ``sweep`` is a cron expression in UTC.
    """

    lookback: timedelta
    delay: timedelta
    sweep: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What Airflow and the user ask of a run: kind, data interval if any, and params if any."""

    kind: RunKind
    interval: Window | None = None
    start: datetime | None = None
    end: datetime | None = None
    ids: tuple[str, ...] = ()
    full_resync: bool = False


def plan(
    request: Request,
    policy: Policy,
    watermark: datetime | None,
    now: datetime,
    swept_to: datetime | None = None,
) -> Selection:
    """The selection of one run.

    scheduled: ``[min(interval start, watermark) - lookback, interval end - delay)``, from the beginning
               without a watermark; everything where an instant of the policy's sweep lies in it, from ``swept_to``
    backfill:  exactly the interval, watermark untouched
    manual:    ``ids``, or ``[start, end)`` as given, or from the watermark to now
    event:     ``ids``

    Raises:
        Misconfigured: a backfill has no interval, or one without width.
    """
    if request.ids:
        return Selection(window=None, ids=request.ids)
    if request.full_resync:
        return Selection(window=None, full_resync=True)
    if request.start is not None or request.end is not None:
        return Selection(window=Window(request.start, request.end or now - policy.delay))
    if request.kind is RunKind.BACKFILL:
        return Selection(window=_stretch(request.interval))
    return _forward(request, policy, watermark, now, swept_to)


def ended_by(selection: Selection, now: datetime, source_now: datetime, policy: Policy) -> Selection:
    """A selection that was planned at ``now``, and ends by the clock of the source where that is behind ours.

    What is changed at the source after it was read bears an instant by its clock: a watermark that is ahead of it
    would leave that out. A clock that is further off than a day is no clock.

    Args:
        selection: of the run.
        now: when it was planned, by our clock.
        source_now: the same moment by the clock of the source.
        policy: of the flow.
    """
    window, behind = selection.window, now - source_now
    if window is None or not selection.moves_watermark or not _BARELY < behind < _NO_CLOCK:
        return selection
    end = min(window.end, source_now - policy.delay)
    return replace(selection, window=Window(window.start, max(end, window.start or end)))


def _stretch(interval: Window | None) -> Window:
    """The interval of a backfill; without one the run would read from the watermark, and move it."""
    if interval is not None and not interval.empty:
        return interval
    found = format_window(interval) if interval else "none"
    raise Misconfigured(
        f"this backfill run has no data interval to read ({found}): the DAG's timetable gives instants without "
        "width; schedule it with CronDataIntervalTimetable, as sync_dag does, or trigger runs with from and to"
    )


def _forward(
    request: Request, policy: Policy, watermark: datetime | None, now: datetime, swept_to: datetime | None
) -> Selection:
    end = now
    start = watermark
    if request.interval is not None and not request.interval.empty:
        end = request.interval.end
        if watermark is not None and request.interval.start is not None:
            start = min(request.interval.start, watermark)
    # an asset-triggered run may already have read past this interval's end
    end = min(end, now) - policy.delay
    window = Window(start - policy.lookback if start else None, end)
    # windows without their lookback join end to end, so that each instant of the sweep falls into one of them; those
    # that the clock of the source has ended earlier overlap
    since = max(start, swept_to or start) if start else None
    sweeps = policy.sweep is not None and (since is None or _fires(policy.sweep, since, end))
    return Selection(window=window, full_resync=sweeps, moves_watermark=True, swept_to=end)


def is_cron(text: str) -> bool:
    """Whether a text is a cron expression."""
    return bool(croniter.is_valid(text))


def fires_between(cron: str, window: Window, zone: tzinfo) -> int:
    """How many instants a cron expression has in a window, in local time: the runs of its backfill.

    Raises:
        ValueError: the window has no beginning.
    """
    if window.start is None:
        raise ValueError("cannot count the runs of a window without a start")
    upcoming = croniter(cron, window.start.astimezone(zone) - timedelta(microseconds=1))
    return sum(1 for _ in takewhile(lambda instant: instant < window.end, upcoming.all_next(datetime)))


def _fires(cron: str, start: datetime, end: datetime) -> bool:
    """Whether a cron expression has an instant in ``[start, end)``."""
    just_before = start.astimezone(UTC) - timedelta(microseconds=1)
    upcoming: datetime = croniter(cron, just_before).get_next(datetime)
    return upcoming < end


def parse_instant(text: str) -> datetime:
    """An aware instant from ISO 8601 text; a date or naive time is read as UTC."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
