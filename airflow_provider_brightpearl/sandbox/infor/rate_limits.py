"""Spike arrest and quota of the gateway (reference 1.3, 1.7)."""

from __future__ import annotations

from ..rolling_count import RollingCount
from ..settings import int_setting
from .errors import GatewayError
from .tenant import Tenant

MINUTE, DAY = 60, 86_400


class RateLimits:
    """Counts the requests of the last minute and of the day."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._minute = RollingCount(tenant.clock, MINUTE)
        self._day, self._used = "", 0

    def clear(self) -> None:
        """Reset all counts."""
        self._minute.clear()
        self._used = 0

    def take(self) -> float:
        """Count a request and return the seconds to delay it. Raises: GatewayError 429."""
        settings = self._tenant.settings
        if not settings["throttle"]:
            return 0.0
        self._count_day()
        if self._minute.within(MINUTE) >= int_setting(settings, "calls_per_minute"):
            raise self._too_many("Spike arrest violation. Allowed rate is exceeded")
        if self._used >= int_setting(settings, "calls_per_day"):
            raise self._too_many("Quota is exceeded")
        self._minute.add()
        self._used += 1
        after = int_setting(settings, "smoothing_after")
        slow = after and self._minute.within(MINUTE) > after
        return int_setting(settings, "smoothing_milliseconds") / 1000 if slow else 0.0

    def _count_day(self) -> None:
        today = self._tenant.today()
        if today != self._day:
            self._day, self._used = today, 0

    def _too_many(self, text: str) -> GatewayError:
        wait = int_setting(self._tenant.settings, "retry_after")
        return GatewayError(429, text, {"Retry-After": str(wait)} if wait else None)
