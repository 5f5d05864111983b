"""Throttling and quota of the gateway (reference 1.3, 1.7)."""

from __future__ import annotations

from collections import deque

from .errors import GatewayRefusal
from .settings import number
from .tenant import World


class Limits:
    """Calls of the last minute and of the day."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._minute: deque[float] = deque()
        self._day, self._used = "", 0

    def clear(self) -> None:
        """Forget every call."""
        self._minute.clear()
        self._used = 0

    def spend(self) -> float:
        """Count a call; the seconds it is to be held back, or a refusal when there were too many."""
        settings, now = self._world.settings, self._world.clock.seconds()
        if not settings["throttle"]:
            return 0.0
        while self._minute and self._minute[0] <= now - 60:
            self._minute.popleft()
        self._count_day()
        if len(self._minute) >= number(settings, "calls_per_minute"):
            raise self._refusal("Spike arrest violation. Allowed rate is exceeded")
        if self._used >= number(settings, "calls_per_day"):
            raise self._refusal("Quota is exceeded")
        self._minute.append(now)
        self._used += 1
        after = number(settings, "smoothing_after")
        slow = after and len(self._minute) > after
        return number(settings, "smoothing_milliseconds") / 1000 if slow else 0.0

    def _count_day(self) -> None:
        today = self._world.today()
        if today != self._day:
            self._day, self._used = today, 0

    def _refusal(self, text: str) -> GatewayRefusal:
        wait = number(self._world.settings, "retry_after")
        return GatewayRefusal(429, text, {"Retry-After": str(wait)} if wait else None)
