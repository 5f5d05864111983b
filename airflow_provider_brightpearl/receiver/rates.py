"""How many requests a second are taken, in memory: each process counts its own."""

from __future__ import annotations


class Bucket:
    """Lets through ``burst`` requests at once, and ``rate`` a second in the long run; times are seconds, monotonic."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = float("-inf")

    def take(self, now: float) -> bool:
        """Whether one more is let through."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
