"""A queue of requests to make at a certain time, and the thread that makes them while there are any."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class DeliveryQueue(Generic[T]):
    """Items that become due, each delivered by a thread of the queue.

    Args:
        deliver: makes one request; returns the seconds until the next attempt, or None if there is none.
    """

    def __init__(self, deliver: Callable[[T], float | None]) -> None:
        self._deliver = deliver
        self._waiting: list[tuple[float, T]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def clear(self) -> None:
        """Forget everything that was not delivered."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def put(self, item: T, delay: float) -> None:
        """Deliver an item after some real seconds."""
        with self._changed:
            self._put(item, delay)

    def put_or_merge(self, item: T, delay: float, merge: Callable[[T], bool]) -> None:
        """Deliver an item after some real seconds, unless `merge` adds it to one that waits."""
        with self._changed:
            if not any(merge(known) for _, known in self._waiting):
                self._put(item, delay)

    def _put(self, item: T, delay: float) -> None:
        self._waiting.append((time.monotonic() + delay, item))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            (item,) = due
            again = self._deliver(item)
            if again is not None:
                self.put(item, again)

    def _next(self) -> tuple[T] | None:
        """The next item, when it is due; None, and the end of the thread, if there is none."""
        with self._changed:
            while self._waiting:
                first = min(self._waiting, key=lambda one: one[0])
                rest = first[0] - time.monotonic()
                if rest <= 0:
                    self._waiting.remove(first)
                    return (first[1],)
                self._changed.wait(rest)
            self._thread = None
            return None
