"""The clock of the sandbox: real time by default; it can be set, advanced, and run faster or slower."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


def parse_instant(text: str) -> datetime:
    """An aware datetime from ISO 8601, UTC without an offset. Raises: ValueError."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


class Clock:
    """A UTC clock shared by all simulated systems."""

    def __init__(self, speed: float = 1.0) -> None:
        self._first_speed = self._speed = speed
        self._elapsed = 0.0
        self._mark = time.monotonic()
        self._base = datetime.now(UTC)

    def reset(self) -> None:
        """Return to real time, at the initial speed."""
        self._settle()
        self._speed = self._first_speed
        self._base = datetime.now(UTC)

    @property
    def speed(self) -> float:
        """Sandbox seconds per real second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._settle()
        self._speed = value

    def now(self) -> datetime:
        """The current time of the sandbox, aware."""
        return self._base + timedelta(seconds=self._since())

    def seconds(self) -> float:
        """Sandbox seconds since the start, which never decrease, for rate limits and expiry."""
        return self._elapsed + self._since()

    def set(self, now: datetime) -> None:
        """Set the time; `seconds` advances by as much as the clock moves forward."""
        self._settle()
        self._elapsed += max(0.0, (now - self._base).total_seconds())
        self._base = now.astimezone(UTC)

    def kept(self) -> tuple[datetime, float]:
        """The time and `seconds`, for `go_back`."""
        self._settle()
        return self._base, self._elapsed

    def go_back(self, kept: tuple[datetime, float]) -> None:
        """Return to an earlier time, at the present speed."""
        self._settle()
        self._base, self._elapsed = kept

    def advance(self, seconds: float) -> None:
        """Move the clock forward by some seconds."""
        self.set(self.now() + timedelta(seconds=seconds))

    def _since(self) -> float:
        return (time.monotonic() - self._mark) * self._speed

    def _settle(self) -> None:
        since = self._since()
        self._mark = time.monotonic()
        self._base += timedelta(seconds=since)
        self._elapsed += since
