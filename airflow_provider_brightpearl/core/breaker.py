"""When a system that is down is looked at again, and in which order what waits for it starts afterwards; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """How soon an outage that has ended is noticed, and how fast what waited starts.

    Args:
        shortest, longest: seconds between two looks at a system that is down.
        share: of the outage's age, so much passes between two looks.
        spacing: seconds between the starts of two waiting tasks, once the system answers.
    """

    shortest: float = 15.0
    longest: float = 300.0
    share: float = 0.1
    spacing: float = 2.0

    def next_look(self, since: datetime, now: datetime) -> datetime:
        """When an outage that began at ``since`` is looked at after now."""
        age = (now - since).total_seconds()
        return now + timedelta(seconds=min(self.longest, max(self.shortest, age * self.share)))


def wake_at(next_look: datetime, now: datetime, chance: float) -> datetime:
    """When a waiting task wakes: after the look, and not all at once; ``chance`` in [0, 1) spreads them."""
    wait = max((next_look - now).total_seconds(), 1.0)
    return now + timedelta(seconds=wait * (1 + chance / 5))


def part_pause(since: datetime, now: datetime, chance: float) -> timedelta:
    """How long a task waits before it tries again what a system has failed to do since an instant.

    It doubles from a minute up to a quarter of an hour; ``chance`` in [0, 1) spreads tasks.
    """
    age = max(now - since, timedelta(0))
    return min(max(age, timedelta(minutes=1)), timedelta(minutes=15)) * (1 + chance / 5)


@dataclass(frozen=True, slots=True)
class Waiter:
    """A task that waits for a system.

    Args:
        place: names the task of a run; no other has the same.
        flow: the flow, or what else the task is called.
        run: the run.
        after: flows that this one follows.
        since: when it began to wait, aware.
    """

    place: str
    flow: str
    run: str
    after: tuple[str, ...]
    since: datetime


def drain_order(waiting: Iterable[Waiter]) -> list[Waiter]:
    """The order in which waiting tasks start: flows after those they follow, then by age."""
    tasks = list(waiting)
    after = {each.flow: each.after for each in tasks}
    return sorted(
        tasks, key=lambda each: (_depth(each.flow, after, frozenset()), each.since, each.flow, each.place)
    )


def _depth(flow: str, after: Mapping[str, tuple[str, ...]], seen: frozenset[str]) -> int:
    """How many waiting flows precede a flow, one after the other; a circle ends where it closes."""
    above = [each for each in after.get(flow, ()) if each in after and each not in seen]
    return 1 + max((_depth(each, after, seen | {flow}) for each in above), default=-1)
