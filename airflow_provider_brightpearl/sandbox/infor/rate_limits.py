"""Spike arrest and quota of the gateway (reference 1.3, 1.7)."""

from __future__ import annotations

from collections import deque

from .errors import GatewayError
from .settings import number
from .tenant import Tenant


class RateLimits:
    """Counts the requests of the last minute and of the day."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._minute: deque[float] = deque()
        self._day, self._used = "", 0

    def clear(self) -> None:
        """Reset all counts."""
        self._minute.clear()
        self._used = 0

    def take(self) -> float:
        """Count a request and return the seconds to delay it. Raises: GatewayError 429."""
        settings, now = self._tenant.settings, self._tenant.clock.seconds()
        if not settings["throttle"]:
            return 0.0
        while self._minute and self._minute[0] <= now - 60:
            self._minute.popleft()
        self._count_day()
        if len(self._minute) >= number(settings, "calls_per_minute"):
            raise self._too_many("Spike arrest violation. Allowed rate is exceeded")
        if self._used >= number(settings, "calls_per_day"):
            raise self._too_many("Quota is exceeded")
        self._minute.append(now)
        self._used += 1
        after = number(settings, "smoothing_after")
        slow = after and len(self._minute) > after
        return number(settings, "smoothing_milliseconds") / 1000 if slow else 0.0

    def _count_day(self) -> None:
        today = self._tenant.today()
        if today != self._day:
            self._day, self._used = today, 0

    def _too_many(self, text: str) -> GatewayError:
        wait = number(self._tenant.settings, "retry_after")
        return GatewayError(429, text, {"Retry-After": str(wait)} if wait else None)
