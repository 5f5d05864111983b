"""Counts events in a window that ends now."""

from __future__ import annotations

from bisect import bisect_right

from .clock import Clock


class RollingCount:
    """Counts events within a rolling window that ends now.

    Args:
        clock: the clock of the sandbox.
        keep_seconds: the longest window.
    """

    def __init__(self, clock: Clock, keep_seconds: float) -> None:
        self._clock, self._keep = clock, keep_seconds
        self._times: list[float] = []

    def clear(self) -> None:
        """Delete all events."""
        self._times.clear()

    def add(self) -> None:
        """Count an event that happens now."""
        now = self._clock.seconds()
        del self._times[: bisect_right(self._times, now - self._keep)]
        self._times.append(now)

    def within(self, seconds: float) -> int:
        """The number of events in the last seconds."""
        return len(self._times) - bisect_right(self._times, self._clock.seconds() - seconds)

    def oldest_age(self, seconds: float) -> float:
        """Seconds since the oldest event in the last seconds; 0 where there is none."""
        now = self._clock.seconds()
        first = bisect_right(self._times, now - seconds)
        return now - self._times[first] if first < len(self._times) else 0.0
