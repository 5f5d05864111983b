"""Tasks that wait for a system that is down: their turn once it answers, and what people hear of it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.alerts import Alert
from airflow_provider_brightpearl.errors import Outage, SyncError
from airflow_provider_brightpearl.notifications import announce

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.breaker import Waiter
    from airflow_provider_brightpearl.stores.breakers import OutageRow, PartWait, Queued, SqlBreakers

log = logging.getLogger(__name__)

# a worker sits out a turn that comes that soon, which takes less than to start the task anew
SHORT_TURN = 15.0


@dataclass
class OutageQueue:
    """One task among those that wait for systems; without a state database nothing is shared, and nothing waits.

    Args:
        context: of the task.
        on_alert: notifiers that get what people have to hear.
    """

    context: Any
    on_alert: Sequence[Any] = ()
    _breakers: SqlBreakers | None = field(init=False, default=None)
    _waited: list[Queued] = field(init=False, default_factory=list)
    _part: PartWait | None = field(init=False, default=None)

    @property
    def place(self) -> str:
        """Names the task of a run."""
        instance = self.context["ti"]
        return f"{instance.dag_id}.{instance.task_id}[{getattr(instance, 'map_index', -1)}]/{self.context['run_id']}"

    def now(self) -> datetime:
        """The time by the clock that all workers share; by this one's where that cannot be asked."""
        try:
            if self._breakers:
                return self._breakers.now()
        except SyncError as error:
            log.info("the clock of the state database cannot be asked: %s", error)
        return datetime.now(UTC)

    def turn(self) -> timedelta | None:
        """How long the task has to wait, None where it may begin; looks first whether a system it waited for answers.

        Raises:
            Unavailable: the system is still down; ``outage`` says when somebody looks again.
        """
        from airflow_provider_brightpearl.environment import breakers

        try:
            self._breakers = breakers()
            self._waited = self._breakers.queued(self.place)
            self._part = self._breakers.part_wait(self.place)
        except SyncError as error:
            log.info("whether this task waits for a system is not known: %s", error)
            return None
        for each in self._waited:
            if each.go_at is None:
                _connect(each)
            self._tell(self._breakers, each.address)
        turns = [each.go_at for each in self._breakers.queued(self.place)] if self._waited else []
        now = self.now()
        return max((turn - now for turn in turns if turn and turn > now), default=None)

    def wait(self, outage: Outage, flow: str, after: Sequence[str]) -> timedelta:
        """Queues the task until the system answers; returns after how long it should come back."""
        from airflow_provider_brightpearl.core.breaker import Waiter, wake_at

        now = self.now()
        if self._breakers:
            waiter = Waiter(self.place, flow, str(self.context["run_id"]), tuple(after), now)
            self._breakers.wait(outage.address, waiter)
            self._tell(self._breakers, outage.address)
        return wake_at(outage.next_look, now, random.random()) - now  # noqa: S311 - no secret

    def sits_out(self) -> bool:
        """Whether the task is to wait once more where a part of a system fails."""
        hours = settings.number("outage_hours")
        if not (hours and self._breakers):
            return False
        return self._part is None or self.now() < self._part.since + timedelta(hours=hours)

    def sat_out(self) -> str:
        """How long the task has waited for a part of a system, as text; empty where it did not."""
        return _span(self.now() - self._part.since) if self._part else ""

    def began_at(self) -> datetime | None:
        """When the task, which waits for a part of a system, was to try again this time."""
        return self._part.go_at if self._part else None

    def wait_for_part(
        self, error: SyncError, flow: str, after: Sequence[str], *, anew: bool
    ) -> timedelta | None:
        """Records that the task waits, and tells people once where it lasts.

        Args:
            error: what the part of the system failed with.
            flow: what people call the work.
            after: the flows after which it comes.
            anew: whether the task has come further, so that its time starts anew.

        Returns:
            After how long it should come back; None where the state database cannot keep it, so that nothing would end
            the wait.
        """
        from airflow_provider_brightpearl.core.breaker import Waiter, part_pause

        now = self.now()
        since = self._part.since if self._part and not anew else now
        back = now + part_pause(since, now, random.random())  # noqa: S311 - no secret
        waiter = Waiter(self.place, flow, str(self.context["run_id"]), tuple(after), since)
        try:
            if self._breakers is None:
                return None
            self._breakers.wait_for_part(waiter, back)
            news = self._part_is_news(now - since)
        except SyncError as unknown:
            log.warning("the task is retried, as its wait cannot be kept: %s", unknown)
            return None
        until = since + timedelta(hours=settings.number("outage_hours"))
        log.info(
            "waiting since %s, next try at %s, until %s: %s",
            *map(_instant, (since, back, until)), error,
        )  # fmt: skip
        if news:
            announce(_part_lasts(waiter, error, now, until), self.context, self.on_alert)
        return back - now

    def leave(self) -> None:
        """Ends the wait of a task that has begun, if there was one."""
        if (self._waited or self._part) and self._breakers:
            self._breakers.leave(self.place)
            self._part = None

    def _part_is_news(self, age: timedelta) -> bool:
        from airflow_provider_brightpearl.core.ports.notices import REMINDER
        from airflow_provider_brightpearl.environment import state_engine
        from airflow_provider_brightpearl.stores.notices import SqlNotices

        # a notice comes again after REMINDER, and this one is to come once
        asked = timedelta(minutes=settings.number("outage_alert_minutes"))
        if not asked <= age < asked + REMINDER:
            return False
        instance = self.context["ti"]
        task, run = f"{instance.dag_id}.{instance.task_id}", self.context["run_id"]
        return SqlNotices(state_engine()).is_news("", f"{task} of {run} waits", uuid4().hex)

    def _tell(self, breakers: SqlBreakers, address: str) -> None:
        from airflow_provider_brightpearl.stores.breakers import Event

        limit = timedelta(minutes=settings.number("outage_alert_minutes"))
        texts = {Event.BEGAN: _began, Event.LASTS: _lasts, Event.ENDED: _ended}
        for event, row in breakers.news(address, limit):
            alert = texts[event](row, breakers.waiters(address), breakers.now())
            announce(alert, self.context, self.on_alert)


def sit_out(turn: timedelta) -> bool:
    """Waits for a turn that comes soon; False where it does not."""
    if turn.total_seconds() > SHORT_TURN:
        return False
    time.sleep(max(turn.total_seconds(), 0.0))
    return True


def _connect(waited: Queued) -> None:
    from airflow_provider_brightpearl.environment import connect
    from airflow_provider_brightpearl.systems.registry import find_system

    connect(find_system(waited.system), waited.connection)


def _began(row: OutageRow, waiting: Sequence[Waiter], now: datetime) -> Alert:
    return Alert(
        f"{_name(row)} is down",
        (
            f"It does not answer since {_instant(row.outage.since)}: {row.reason}",
            "Flows that use it wait and go on by themselves; nothing has to be done. Other flows are not affected.",
            f"next look: {_instant(row.outage.next_look)}",
            *_waiting(waiting, now),
        ),
    )


def _lasts(row: OutageRow, waiting: Sequence[Waiter], now: datetime) -> Alert:
    return Alert(
        f"{_name(row)} is still down, for {_span(now - row.outage.since)}",
        (
            f"It does not answer since {_instant(row.outage.since)}: {row.reason}",
            f"Check whether the vendor knows of it, and whether connection {row.outage.connection} leads to the right "
            "place. Flows go on by themselves once it answers.",
            *_waiting(waiting, now),
        ),
    )


def _ended(row: OutageRow, waiting: Sequence[Waiter], now: datetime) -> Alert:
    ended = row.closed_at or now
    return Alert(
        f"{_name(row)} answers again, after {_span(ended - row.outage.since)}",
        (
            f"It was down from {_instant(row.outage.since)} to {_instant(ended)}.",
            *(["What waited starts now, in this order:"] if waiting else []),
            *_waiting(waiting, ended),
        ),
    )


def _part_lasts(waiter: Waiter, error: SyncError, now: datetime, until: datetime) -> Alert:
    return Alert(
        f"{waiter.flow} waits for {error.system.capitalize()}, for {_span(now - waiter.since)}",
        (
            f"A part of {error.system.capitalize()} fails since {_instant(waiter.since)}: {error}",
            f"Run {waiter.run} goes on by itself once that works, and fails at {_instant(until)} if it does not. "
            "Check whether the vendor knows of it.",
        ),
    )


def _waiting(waiting: Sequence[Waiter], until: datetime) -> Iterator[str]:
    """A line for each run that waits, in order; several tasks of one run are one."""
    first: dict[tuple[str, str], datetime] = {}
    for each in waiting:
        key = (each.flow, each.run)
        first[key] = min(each.since, first.get(key, each.since))
    for (flow, run), since in first.items():
        yield f"- {flow}, run {run}: waiting for {_span(until - since)}"


def _name(row: OutageRow) -> str:
    return f"{row.outage.system.capitalize()} ({row.outage.connection})"


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _span(span: timedelta) -> str:
    """A length of time for people, such as ``2 h 5 min``."""
    seconds = max(int(span.total_seconds()), 0)
    hours, minutes = divmod(seconds // 60, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts) or f"{seconds} s"
