"""The request quota, reported in every response (reference, section 2.1)."""

from __future__ import annotations

from ..clock import Clock
from ..rolling_count import RollingCount
from ..settings import float_setting, int_setting

_LONGEST = 3600.0


class Throttle:
    """Counts the requests of each pool in sandbox time.

    The vendor calls the window rolling. In recordings it looks fixed (INFERRED): the setting `throttle_window`
    chooses. Refused requests are not counted in a rolling window, or a client that insists would never get in
    (INFERRED).
    """

    def __init__(self, settings: dict[str, object], clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._start: dict[str, float] = {}
        self._used: dict[str, int] = {}
        self._rolling: dict[str, RollingCount] = {}
        self._pool = "private"

    def clear(self) -> None:
        """Start all windows afresh."""
        self._start.clear()
        self._used.clear()
        self._rolling.clear()

    def take(self, pool: str) -> bool:
        """Count a request; False if it exceeds the quota."""
        self._pool = pool
        if self._fixed:
            return self._take_fixed(pool)
        if not self._settings["throttle"]:
            return True
        count = self._rolling.setdefault(pool, RollingCount(self._clock, _LONGEST))
        if count.within(self._seconds) >= self._limit:
            return False
        count.add()
        return True

    def _take_fixed(self, pool: str) -> bool:
        now = self._clock.seconds()
        if now - self._start.get(pool, float("-inf")) >= self._seconds:
            self._start[pool], self._used[pool] = now, 0
        if not self._settings["throttle"]:
            return True
        self._used[pool] += 1
        return self._used[pool] <= self._limit

    def headers(self) -> dict[str, str]:
        """The requests remaining, and the milliseconds until the window ends or its oldest request leaves it."""
        if self._fixed:
            gone = self._clock.seconds() - self._start.get(self._pool, self._clock.seconds())
            used = self._used.get(self._pool, 0)
        else:
            count = self._rolling.get(self._pool)
            gone = count.oldest_age(self._seconds) if count else 0.0
            used = count.within(self._seconds) if count else 0
        return {
            "brightpearl-requests-remaining": str(max(0, self._limit - used)),
            "brightpearl-next-throttle-period": str(max(0, round((self._seconds - gone) * 1000))),
        }

    @property
    def _fixed(self) -> bool:
        return self._settings["throttle_window"] == "fixed"

    @property
    def _limit(self) -> int:
        return int_setting(self._settings, "throttle_limit")

    @property
    def _seconds(self) -> float:
        return float_setting(self._settings, "throttle_seconds")
