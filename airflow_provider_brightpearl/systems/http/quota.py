"""How many calls a minute are left, and how long to wait before the next one."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Allowance:
    """The last answer's figures: calls left in this period, and its end by the caller's clock."""

    remaining: int
    resets_at: float


def wait_before(allowance: Allowance | None, now: float, reserve: int) -> float:
    """Seconds until a call may be made without going below ``reserve``; 0 where nothing is known."""
    if allowance is None or allowance.remaining > reserve:
        return 0.0
    return max(0.0, allowance.resets_at - now)


class Budget(Protocol):
    """The quota of one account; an implementation may share it between workers."""

    def wait_seconds(self, now: float) -> float:
        """Seconds to wait before the next call; counts the call as made."""
        ...

    def learn(self, remaining: int, reset_seconds: float, now: float) -> None:
        """Records what an answer announced."""
        ...


class LocalBudget:
    """A budget known to one process only.

    ``reserve`` calls of each period are left for others that share the pool (200 a minute and account,
    all private apps together). ``margin`` seconds are added to the period's end, as clocks differ.
    """

    def __init__(self, reserve: int = 2, margin: float = 0.05) -> None:
        self.reserve = reserve
        self.margin = margin
        self._allowance: Allowance | None = None
        self._lock = threading.Lock()

    def wait_seconds(self, now: float) -> float:
        with self._lock:
            wait = wait_before(self._allowance, now, self.reserve)
            if wait > 0:
                # the next period's figure is not known before its first answer
                self._allowance = None
            return wait

    def learn(self, remaining: int, reset_seconds: float, now: float) -> None:
        with self._lock:
            self._allowance = Allowance(remaining, now + reset_seconds + self.margin)
