"""How many calls a minute are left, and how long to wait before the next one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_brightpearl.core.progress import current, duration
from airflow_provider_brightpearl.errors import RateLimited

log = logging.getLogger(__name__)


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
        """0 where the next call may be made, which counts it; else the seconds after which to ask again."""
        ...

    def answered(self, now: float) -> None:
        """Says that a call is over, with or without an answer."""
        ...

    def learn(self, remaining: int, reset_seconds: float, now: float) -> None:
        """Records what an answer announced."""
        ...

    def left_today(self) -> int | None:
        """Calls of a day that are left, None where there is no such limit, or it is not known."""
        ...


class LocalBudget:
    """A budget known to one process only, by what the answers announce.

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

    def answered(self, now: float) -> None:
        pass

    def left_today(self) -> int | None:
        return None

    def learn(self, remaining: int, reset_seconds: float, now: float) -> None:
        with self._lock:
            self._allowance = Allowance(remaining, now + reset_seconds + self.margin)


def wait_for_turn(
    budget: Budget, system: str, longest: float, sleep: Callable[[float], None], now: Callable[[], float]
) -> None:
    """Waits until a call may be made.

    Raises:
        RateLimited: the quota opens later than in ``longest`` seconds.
    """
    while (seconds := budget.wait_seconds(now())) > 0:
        if seconds > longest:
            raise RateLimited(
                f"all calls that the quota allows are made, and the next one is free in {duration(seconds)}; "
                "`brightpearl quota` shows the quota",
                wait_seconds=seconds, system=system,
            )  # fmt: skip
        log.log(logging.INFO if seconds > 5 else logging.DEBUG, "quota: waiting %.1f s", seconds)
        with current().waiting("the account's quota of calls a minute", seconds):
            sleep(seconds)
