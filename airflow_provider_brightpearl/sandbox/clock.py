"""The time of the sandbox: real by default, and can be set, advanced, or run faster."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """An aware UTC clock all simulated systems share."""

    def __init__(self, speed: float = 1.0) -> None:
        self._first_speed = self._speed = speed
        self._elapsed = 0.0
        self._mark = time.monotonic()
        self._base = datetime.now(UTC)

    def reset(self) -> None:
        """Back to real time, at the speed the clock was made with."""
        self._settle()
        self._speed = self._first_speed
        self._base = datetime.now(UTC)

    @property
    def speed(self) -> float:
        """How many sandbox seconds pass in a real second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._settle()
        self._speed = value

    def now(self) -> datetime:
        """The present moment of the sandbox."""
        return self._base + timedelta(seconds=self._since())

    def seconds(self) -> float:
        """Seconds of sandbox time that never run backwards, for throttle windows."""
        return self._elapsed + self._since()

    def set(self, now: datetime) -> None:
        """Move to an instant; windows that were open have passed by as much as the clock went forward."""
        self._settle()
        self._elapsed += max(0.0, (now - self._base).total_seconds())
        self._base = now.astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.set(self.now() + timedelta(seconds=seconds))

    def _since(self) -> float:
        return (time.monotonic() - self._mark) * self._speed

    def _settle(self) -> None:
        since = self._since()
        self._mark = time.monotonic()
        self._base += timedelta(seconds=since)
        self._elapsed += since
