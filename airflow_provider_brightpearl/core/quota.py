"""How many calls of a quota a process may make now, and when it asks again, where all processes share it; pure.

A system allows so many calls in any period of some seconds. A process takes a grant of several calls at a time. Each
of them counts from when it was granted until the period has passed since it was answered, so that no period holds more
calls than allowed, whatever a call takes. Instants are seconds by the one clock that all processes share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from airflow_provider_brightpearl.core.window import RunKind


class Share(StrEnum):
    """On whose behalf a call is made, the most urgent first."""

    EVENT = "event"
    SCHEDULE = "schedule"
    BACKFILL = "backfill"


# percent of a quota that a kind gets even while the more urgent ones wait; what a kind does not ask for, others use
PERCENT: Mapping[Share, int] = {Share.EVENT: 50, Share.SCHEDULE: 35, Share.BACKFILL: 15}
_URGENCY = {share: place for place, share in enumerate(Share)}
# a person who starts a run waits for it as the schedule does
_OF_KINDS = {RunKind.BACKFILL: Share.BACKFILL, RunKind.EVENT: Share.EVENT}
_share: ContextVar[Share] = ContextVar("share of the quota", default=Share.SCHEDULE)


def share_of(kind: RunKind) -> Share:
    """The share that a run of this kind draws on."""
    return _OF_KINDS.get(kind, Share.SCHEDULE)


def current_share() -> Share:
    """The share that calls draw on here."""
    return _share.get()


@contextmanager
def drawing_on(share: Share) -> Iterator[None]:
    """Makes all calls within draw on this share."""
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls in any ``seconds``.

    Args:
        calls: calls that the system allows.
        seconds: length of the period.
        reserve: calls of each period that are left to others.
        per_day: calls in any 24 hours, None where there is no such limit.
    """

    calls: int
    seconds: float = 60.0
    reserve: int = 0
    per_day: int | None = None

    @property
    def usable(self) -> int:
        """Calls of a period that are not left to others, at least one."""
        return max(1, self.calls - self.reserve)

    @property
    def margin(self) -> float:
        """Seconds that a call counts longer than the period, as the system's clock is another one."""
        return self.seconds / 120

    @property
    def horizon(self) -> float:
        """Seconds within which the calls of a grant are sent, or not at all."""
        return self.seconds / 10

    @property
    def flight(self) -> float:
        """Seconds that a call is believed to need to arrive where its process did not live to say so."""
        return self.seconds / 10

    @property
    def patience(self) -> float:
        """Seconds that the place of a process is kept free after its turn has come."""
        return self.seconds / 30

    @property
    def largest_grant(self) -> int:
        """Calls of one grant: few enough that a dead process takes little with it."""
        return max(1, self.usable // 20)

    def fair(self, calls: int, processes: int) -> int:
        """What one of so many processes gets at a time, that asks for so many calls."""
        return min(calls, max(1, self.usable // (2 * processes)))

    def counts_until(self, answered: float) -> float:
        """Until when a call counts that was answered at an instant."""
        return answered + self.seconds + self.margin


@dataclass(frozen=True, slots=True)
class Counted:
    """Calls that count until an instant, made or granted; ``share`` is None for those of others."""

    calls: int
    until: float
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """A process that asks for calls: how many, and since when it has been waiting."""

    holder: str
    share: Share
    calls: int
    since: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Calls that may be made now; where there are none, the seconds after which to ask again."""

    calls: int
    wait: float = 0.0


def decide(
    limit: Limit, counted: Sequence[Counted], waiting: Sequence[Asking], asking: Asking, now: float
) -> Decision:
    """What a process gets that asks now, while others wait.

    Those go first whose kind has not had its share of this period; among them the more urgent kind, then whoever has
    waited longer. What those ahead ask for stays free for them.
    """
    counting = [each for each in counted if each.until > now]
    free = limit.usable - sum(each.calls for each in counting)
    ahead = _ahead(limit, counting, waiting, asking)
    taken = sum(each.calls for each in ahead)
    if free > taken:
        return Decision(min(asking.calls, free - taken))
    # spread a little, so that those who wait for the same calls do not come at once
    spread = len(ahead) * limit.seconds / 2_000
    until = now + limit.margin
    for each in sorted(counting, key=lambda each: each.until):
        free, until = free + each.calls, each.until
        if free > taken:
            break
    return Decision(0, max(limit.margin / 10, until - now) + spread)


def _ahead(
    limit: Limit, counting: Sequence[Counted], waiting: Sequence[Asking], asking: Asking
) -> list[Asking]:
    used = {share: sum(each.calls for each in counting if each.share is share) for share in Share}
    served = {share: 100 * used[share] >= PERCENT[share] * limit.usable for share in Share}

    def turn(each: Asking) -> tuple[bool, int, float, str]:
        return served[each.share], _URGENCY[each.share], each.since, each.holder

    return [each for each in waiting if each.holder != asking.holder and turn(each) < turn(asking)]


def settled(limit: Limit, answered: Sequence[float], share: Share) -> list[Counted]:
    """Calls that were answered at these instants, as few entries as are exact enough."""
    groups = groupby(sorted(answered), key=lambda instant: instant // limit.margin)
    found = [list(instants) for _, instants in groups]
    return [Counted(len(each), limit.counts_until(each[-1]), share) for each in found]


def calls_of_others(limit: Limit, counted: Sequence[Counted], remaining: int, now: float) -> int:
    """Calls that nobody here has made, where a system says that so many remain; 0 where it allows what we do."""
    known = sum(each.calls for each in counted if each.until > now)
    return max(0, limit.calls - remaining - known)
