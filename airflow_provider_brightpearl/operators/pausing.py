"""Operators that give up their worker while a system asks for more than a minute of pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_brightpearl.compat import BaseOperator, conf
from airflow_provider_brightpearl.errors import RateLimited
from airflow_provider_brightpearl.operators.retry import airflow_errors
from airflow_provider_brightpearl.triggers.pause import PauseTrigger

Plain = dict[str, Any]
# seconds that a worker waits itself: a minute's quota, and what clocks differ
SHORT_PAUSE = 65.0
LONG_PAUSE = 300.0


def default_deferrable() -> bool:
    """The switch of this Airflow: ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


class PausingOperator(BaseOperator):
    """An operator whose work goes on, after a pause, from a state of plain values.

    Args:
        deferrable: whether to wait without a worker; ``[operators] default_deferrable`` if left out.
    """

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
        with airflow_errors(self.log):
            return self.work(context, event["state"] if event else {})

    def work(self, context: Any, state: Plain) -> Any:
        raise NotImplementedError

    def defers(self, error: RateLimited) -> bool:
        """Whether the task is deferred until the quota opens."""
        return self.deferrable and error.wait_seconds is not None and error.wait_seconds > SHORT_PAUSE

    @contextmanager
    def pausing(self, state: Callable[[], Plain]) -> Iterator[None]:
        """Defers the task where the quota opens in more than a minute; ``state`` is what it goes on from."""
        try:
            yield
        except RateLimited as error:
            if not self.defers(error):
                raise
            seconds = float(error.wait_seconds or 0)
            self.log.info("deferred for %.0f s: %s", seconds, error)
            self.defer(
                trigger=PauseTrigger(time.time() + seconds, state()),
                method_name="resume",
                timeout=self.execution_timeout,
            )
