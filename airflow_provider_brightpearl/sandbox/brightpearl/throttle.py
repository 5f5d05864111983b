"""The request quota: a fixed window, reported in every response (reference, section 2.1)."""

from __future__ import annotations

from ..clock import Clock
from ..settings import float_setting, int_setting


class Throttle:
    """Counts the requests of each pool in windows of sandbox time.

    In recordings the window looks fixed, though the vendor calls it rolling (INFERRED).
    """

    def __init__(self, settings: dict[str, object], clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._start: dict[str, float] = {}
        self._used: dict[str, int] = {}
        self._pool = "private"

    def clear(self) -> None:
        """Start all windows afresh."""
        self._start.clear()
        self._used.clear()

    def take(self, pool: str) -> bool:
        """Count a request; False if it exceeds the quota."""
        self._pool = pool
        now = self._clock.seconds()
        if now - self._start.get(pool, float("-inf")) >= self._seconds:
            self._start[pool], self._used[pool] = now, 0
        if not self._settings["throttle"]:
            return True
        self._used[pool] += 1
        return self._used[pool] <= self._limit

    def headers(self) -> dict[str, str]:
        """The requests remaining, and the milliseconds until the window ends."""
        gone = self._clock.seconds() - self._start.get(self._pool, self._clock.seconds())
        left = max(0, self._limit - self._used.get(self._pool, 0))
        period = max(0, round((self._seconds - gone) * 1000))
        return {
            "brightpearl-requests-remaining": str(left),
            "brightpearl-next-throttle-period": str(period),
        }

    @property
    def _limit(self) -> int:
        return int_setting(self._settings, "throttle_limit")

    @property
    def _seconds(self) -> float:
        return float_setting(self._settings, "throttle_seconds")
