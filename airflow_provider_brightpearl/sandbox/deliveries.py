"""Deliveries to subscribers: a queue with retries, a thread that makes the requests, and switches that disturb them.

The settings of a system steer them, each with the prefix of its kind of delivery, such as `webhook_`: `hosts`,
`attempts`, `retry_seconds` (a number, or a list with one for each attempt), `time_scale` (real seconds for each of
these), `timeout_seconds`, `paused`, `order` and `faults`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .delivery_faults import DeliveryFaults
from .outgoing import Answer, Outgoing, send
from .settings import float_setting, int_setting, list_setting

ORDERS: dict[str, Callable[[int], int]] = {
    "oldest": lambda waiting: 0,
    "newest": lambda waiting: waiting - 1,
    "random": random.randrange,
}


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One request to a subscriber, with what fault rules match."""

    event: str
    attempt: int = 0
    disturbed: bool = False  # a fault has been applied, or none matched

    def request(self) -> Outgoing:
        """The request of this attempt."""
        raise NotImplementedError


D = TypeVar("D", bound=Delivery)


def delivery_settings(prefix: str, **changes: object) -> dict[str, object]:
    """The default settings of deliveries."""
    values: dict[str, object] = {
        "hosts": ["127.0.0.1", "localhost", "::1"],  # those that are called
        "delay_seconds": 0.1,
        "retry_seconds": 2.0,
        "attempts": 5,
        "timeout_seconds": 10.0,
        "time_scale": 1.0,
        "paused": False,
        "order": "oldest",
        "faults": [],
    }
    return {f"{prefix}_{name}": value for name, value in (values | changes).items()}


class Deliveries(Generic[D]):
    """The deliveries of one kind, made by a thread while there are any.

    Args:
        settings: the settings of the system.
        prefix: that of the settings of these deliveries.
        retries: whether a delivery with this answer is tried again.
        record: notes an attempt: the delivery, its request, answer and fault.
    """

    def __init__(
        self,
        settings: Mapping[str, object],
        prefix: str,
        retries: Callable[[D, int], bool],
        record: Callable[[D, dict[str, Any]], None],
    ) -> None:
        self._settings, self._prefix = settings, prefix
        self._retries, self._record = retries, record
        self._faults = DeliveryFaults(settings, f"{prefix}_faults")
        self._waiting: list[tuple[float, D]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def clear(self) -> None:
        """Forget everything that was not delivered."""
        with self._changed:
            self._waiting.clear()
            self._faults.clear()
            self._changed.notify_all()

    def put(self, one: D, delay: float | None = None) -> None:
        """Deliver after some real seconds; None: those of the settings."""
        with self._changed:
            self._put(
                one, float_setting(self._settings, self._name("delay_seconds")) if delay is None else delay
            )

    def put_or_merge(self, one: D, merge: Callable[[D], bool]) -> None:
        """Deliver, unless `merge` adds it to a delivery that waits."""
        with self._changed:
            if not any(merge(known) for _, known in self._waiting):
                self._put(one, float_setting(self._settings, self._name("delay_seconds")))

    def _name(self, setting: str) -> str:
        return f"{self._prefix}_{setting}"

    def _put(self, one: D, delay: float) -> None:
        self._waiting.append((time.monotonic() + delay, one))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while (one := self._next()) is not None:
            try:
                again = self._deliver(one)
            except ValueError as error:  # settings that make no sense must not look like a lost delivery
                self._record(one, {"attempt": one.attempt, "status": 0, "fault": str(error)})
                continue
            if again is not None:
                self.put(one, again)

    def _next(self) -> D | None:
        """The next delivery, when it is due; None, and the end of the thread, if there is none."""
        with self._changed:
            while self._waiting:
                now = time.monotonic()
                due = sorted((one for one in self._waiting if one[0] <= now), key=lambda one: one[0])
                if due and not self._settings[self._name("paused")]:
                    chosen = due[
                        ORDERS.get(str(self._settings[self._name("order")]), ORDERS["oldest"])(len(due))
                    ]
                    self._waiting.remove(chosen)
                    return chosen[1]
                rest = min(when for when, _ in self._waiting) - now
                self._changed.wait(rest if rest > 0 else 0.02)  # paused: look again
            self._thread = None
            return None

    def _deliver(self, one: D) -> float | None:
        """Make one attempt; gives the real seconds until the next one, or None if there is none."""
        if self._settings[self._name("order")] not in ORDERS:
            raise ValueError(f"{self._name('order')} must be one of {', '.join(ORDERS)}")
        scale = float_setting(self._settings, self._name("time_scale"))
        fault = None
        if not one.disturbed:
            one.disturbed = True
            fault = self._faults.match(one.event, ("lose", "duplicate", "late"))
        seconds = float((fault or {}).get("seconds", 0)) * scale
        kind = fault["kind"] if fault else None
        if kind == "late":
            return seconds
        if kind == "duplicate":
            self.put(copy(one), seconds)
        one.attempt += 1
        request = one.request()
        if kind != "lose" and self._faults.match(one.event, ("no_answer",)):
            kind = "no_answer"
        answer = Answer()
        if kind not in ("lose", "no_answer"):
            hosts = list_setting(self._settings, self._name("hosts"))
            answer = send(request, hosts, float_setting(self._settings, self._name("timeout_seconds")))
        more = kind != "lose" and self._retries(one, answer.status)
        more = more and one.attempt < int_setting(self._settings, self._name("attempts"))
        self._record(
            one,
            {
                "attempt": one.attempt,
                "status": answer.status,
                "answer": answer.body,
                "method": request.method,
                "url": request.url,
                "body": (request.body or b"").decode("utf-8", "replace"),
                "fault": kind,
                "last": not more,
            },
        )
        return self._retry_seconds(one.attempt) * scale if more else None

    def _retry_seconds(self, attempt: int) -> float:
        schedule = self._settings[self._name("retry_seconds")]
        if isinstance(schedule, list):
            return float(schedule[min(attempt, len(schedule)) - 1]) if schedule else 0.0
        return float_setting(self._settings, self._name("retry_seconds"))
