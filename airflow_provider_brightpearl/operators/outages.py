"""Tasks that wait for a system that is down: their turn once it answers, and what people hear of it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.alerts import Alert
from airflow_provider_brightpearl.errors import Outage, SyncError
from airflow_provider_brightpearl.notifications import announce

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.breaker import Waiter
    from airflow_provider_brightpearl.stores.breakers import OutageRow, Queued, SqlBreakers

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

    @property
    def place(self) -> str:
        """Names the task of a run."""
        instance = self.context["ti"]
        return f"{instance.dag_id}.{instance.task_id}[{getattr(instance, 'map_index', -1)}]/{self.context['run_id']}"

    def turn(self) -> datetime | None:
        """When the task may begin, None for now; where it waited for a system, looks first whether that answers.

        Raises:
            Unavailable: the system is still down; ``outage`` says when somebody looks again.
        """
        from airflow_provider_brightpearl.environment import breakers

        try:
            self._breakers = breakers()
            self._waited = self._breakers.queued(self.place)
        except SyncError as error:
            log.info("whether this task waits for a system is not known: %s", error)
            return None
        for each in self._waited:
            if each.go_at is None:
                _connect(each)
            self._tell(self._breakers, each.address)
        turns = [each.go_at for each in self._breakers.queued(self.place)] if self._waited else []
        now = self._breakers.now()
        return max((turn for turn in turns if turn and turn > now), default=None)

    def wait(self, outage: Outage, flow: str, after: Sequence[str]) -> datetime:
        """Queues the task until the system answers; returns when it should come back."""
        from airflow_provider_brightpearl.core.breaker import Waiter, wake_at

        now = datetime.now(UTC)
        if self._breakers:
            waiter = Waiter(self.place, flow, str(self.context["run_id"]), tuple(after), now)
            self._breakers.wait(outage.address, waiter)
            self._tell(self._breakers, outage.address)
        return wake_at(outage.next_look, now, random.random())  # noqa: S311 - no secret

    def leave(self) -> None:
        """Ends the wait of a task that has begun, if there was one."""
        if self._waited and self._breakers:
            self._breakers.leave(self.place)

    def _tell(self, breakers: SqlBreakers, address: str) -> None:
        from airflow_provider_brightpearl.stores.breakers import Event

        limit = timedelta(minutes=settings.number("outage_alert_minutes"))
        texts = {Event.BEGAN: _began, Event.LASTS: _lasts, Event.ENDED: _ended}
        for event, row in breakers.news(address, limit):
            alert = texts[event](row, breakers.waiters(address), breakers.now())
            announce(alert, self.context, self.on_alert)


def sit_out(turn: datetime) -> bool:
    """Waits for a turn that comes soon; False where it does not."""
    seconds = (turn - datetime.now(turn.tzinfo)).total_seconds()
    if seconds > SHORT_TURN:
        return False
    time.sleep(max(seconds, 0.0))
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
