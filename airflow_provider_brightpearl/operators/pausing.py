"""Operators that give up their worker while a system is down or wants a pause, or another run of the flow writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.compat import BaseOperator, airflow_version, conf
from airflow_provider_brightpearl.errors import FlowBusy, RateLimited, RetryLater
from airflow_provider_brightpearl.operators.outages import OutageQueue, sit_out
from airflow_provider_brightpearl.operators.quotas import announce_stop
from airflow_provider_brightpearl.operators.retry import airflow_errors
from airflow_provider_brightpearl.triggers.pause import PauseTrigger

Plain = dict[str, Any]
# seconds that a worker waits itself: a minute's quota, and what clocks differ
SHORT_PAUSE = 65.0
LONG_PAUSE = 300.0
# seconds between two looks of a task whose flow another run writes, and those that it sits out first
LOOK = 60.0
BUSY_PAUSE = 15.0
# a task that comes back before the scheduler has read that its worker ended is taken for killed, and fails
LEAST_PAUSE = 20.0
# a deferral that no triggerer ends fails so long after its moment, for people to see
GRACE = timedelta(hours=1)


def default_deferrable() -> bool:
    """The switch of this Airflow: ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


class PausingOperator(BaseOperator):
    """An operator whose work goes on, after a pause, from a state of plain values.

    While a system is down, its calls of a day are used up, or another run of the flow writes, its tasks wait without a
    worker and without using up a retry: deferred on Airflow 3, put back to be scheduled later on 2.11, where time
    deferred would count as time of execution.

    Args:
        deferrable: whether to wait for a quota without a worker; ``[operators] default_deferrable`` if left out.
    """

    on_alert: Sequence[Any] = ()
    # whether the work waits where a part of a system fails: it may begin anew, as its writes are probed
    waits_for_parts = False
    # whether this start of the task waits where a part of a system fails
    sits_out = False

    if airflow_version() < (3, 0):
        from airflow.ti_deps.deps.ready_to_reschedule import ReadyToRescheduleDep

        # without these, the scheduler of Airflow 2 would not wait before it starts the task again
        reschedule = True
        deps = BaseOperator.deps | {ReadyToRescheduleDep()}

        @classmethod
        def get_serialized_fields(cls) -> frozenset[str]:
            """What the scheduler gets to know of the task."""
            return frozenset({*super().get_serialized_fields(), "reschedule"})

    def __init__(self, *, deferrable: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = default_deferrable() if deferrable is None else deferrable

    @property
    def longest_pause(self) -> float:
        """Seconds of an announced pause that the worker sits out."""
        return SHORT_PAUSE if self.deferrable else LONG_PAUSE

    def execute(self, context: Any) -> Any:
        return self.resume(context)

    def resume(self, context: Any, event: Plain | None = None) -> Any:
        """Does the work, or goes on with it from the ``state`` of an event."""
        self._context = context
        self._state: Plain = event["state"] if event else {}
        queue = OutageQueue(context, self.on_alert)
        with airflow_errors(self.log):
            try:
                if (turn := queue.turn()) and not sit_out(turn):
                    self._come_back(queue, turn)
                self.sits_out = self.waits_for_parts and queue.sits_out()
                result = self.work(context, self._state)
            except FlowBusy as error:
                queue.leave()
                self.log.info("waiting: %s", error)
                self._come_back(queue, timedelta(seconds=min(error.wait_seconds, LOOK)))
            except RetryLater as error:
                if error.partial and self.waits_for_parts:
                    self._sit_out_part(queue, error, context)
                if error.outage is None:
                    queue.leave()
                    if isinstance(error, RateLimited) and (error.wait_seconds or 0) > LONG_PAUSE:
                        # a limit of a day: a retry would find it used up as well
                        announce_stop(error, context, self.on_alert)
                        self.log.info("waiting: %s", error)
                        self._come_back(queue, timedelta(seconds=error.wait_seconds or 0))
                    raise
                self.log.info("waiting: %s", error.outage)
                self._come_back(queue, queue.wait(error.outage, *self.waits_as(context)))
            except Exception:
                queue.leave()
                raise
            queue.leave()
            return result

    def _sit_out_part(self, queue: OutageQueue, error: RetryLater, context: Any) -> None:
        """Comes back later where a part of a system fails; returns where the task is to be retried instead."""
        began = queue.began_at()
        further = began is not None and self.came_further(began)
        if not (self.sits_out or further):
            if waited := queue.sat_out():
                queue.leave()
                # a retry would find the same
                self.log.error("given up after %s: %s", waited, error)
                raise compat.AirflowFailException(f"given up after {waited}: {error}") from None
            return
        back = queue.wait_for_part(error, *self.waits_as(context), anew=further)
        if back is not None:
            self._come_back(queue, back)

    def came_further(self, since: datetime) -> bool:
        """Whether the work has achieved something after an instant that it need not do again."""
        return False

    def waits_as(self, context: Any) -> tuple[str, Sequence[str]]:
        """What people call the work of this task while it waits, and the flows after which it comes."""
        return f"{context['ti'].dag_id}.{self.task_id}", ()

    def work(self, context: Any, state: Plain) -> Any:
        raise NotImplementedError

    def defers(self, error: RetryLater) -> bool:
        """Whether the task is deferred, with its state, until the quota opens or the system answers."""
        if not isinstance(error, RateLimited):
            return error.outage is not None and (self.deferrable or airflow_version() >= (3, 0))
        return self.deferrable and error.wait_seconds is not None and error.wait_seconds > SHORT_PAUSE

    @contextmanager
    def pausing(self, state: Callable[[], Plain]) -> Iterator[None]:
        """Defers the task where it has to wait for more than a minute; ``state`` is what it goes on from."""
        try:
            yield
        except RetryLater as error:
            self._state = state()
            if not (isinstance(error, RateLimited) and self.defers(error)):
                raise
            seconds = float(error.wait_seconds or 0)
            if seconds > LONG_PAUSE:
                announce_stop(error, self._context, self.on_alert)
            self.log.info("deferred for %.0f s: %s", seconds, error)
            self.defer(
                trigger=PauseTrigger(time.time() + seconds, self._state),
                method_name="resume",
                timeout=self.execution_timeout,
            )

    def _come_back(self, queue: OutageQueue, pause: timedelta) -> None:
        """Ends this start of the task, which Airflow starts anew after a pause or soon after it, in the same try."""
        pause = max(pause, timedelta(seconds=LEAST_PAUSE))
        # Airflow compares it with the clock of another machine, so a worker's own would not do
        at = queue.now() + pause
        if airflow_version() >= (3, 0) or (self.deferrable and self._state):
            self.defer(
                trigger=PauseTrigger(at.timestamp(), self._state),
                method_name="resume",
                # on 2.11, time deferred counts as time of execution
                timeout=pause + GRACE if airflow_version() >= (3, 0) else None,
            )
        raise compat.AirflowRescheduleException(at)
