"""The calls of a day, for a system whose answers say how many are used: flows stop before the last ones."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from airflow_provider_brightpearl.core.ports.quota import QuotaStore
from airflow_provider_brightpearl.core.progress import duration
from airflow_provider_brightpearl.errors import RateLimited, SyncError

# the 24 hours roll: an hour after a stop, some calls are free again
PAUSE = timedelta(hours=1)
# what one process was told, others are told so often, or when so many percent more are used
_REPORT_SECONDS = 60.0
_REPORT_PERCENT = 1
log = logging.getLogger(__name__)


class DailyQuota:
    """Believes what the system reports, which includes the calls of others; tells other processes now and then.

    Args:
        open_store: opens the store when it is first needed.
        pool: what shares the quota, such as ``salesforce:acme.my.salesforce.com``.
        reserve_percent: percent of the day that is left to others.
        now, clock: the time, aware, and monotonic seconds.
    """

    def __init__(
        self,
        open_store: Callable[[], QuotaStore],
        pool: str,
        reserve_percent: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pool = pool
        self.reserve_percent = reserve_percent
        self._open_store = open_store
        self._now = now
        self._clock = clock
        self._lock = threading.Lock()
        # used, of how many, and when that was said
        self._known: tuple[int, int, float] | None = None
        self._reported: tuple[int, float] | None = None

    def left(self) -> int | None:
        """Calls left before the reserve as far as is known, None where nothing is; asks the system nothing."""
        with self._lock:
            used, most, _ = self._current()
            return self._left(used, most) if most else None

    def check(self, system: str) -> None:
        """Raises ``RateLimited`` where only the reserve is left, with the seconds after which to look again."""
        with self._lock:
            used, most, at = self._current()
        wait = at + PAUSE.total_seconds() - self._clock()
        # after the pause, a call goes out to learn how many are left
        if most and wait > 0 and self._left(used, most) <= 0:
            raise RateLimited(
                f"{used:,} of {most:,} calls of 24 hours are used, and the last {self.reserve_percent} % are left to "
                f"others ([brightpearl] daily_reserve_percent); some are free again in {duration(wait)}",
                wait_seconds=wait, system=system,
            )  # fmt: skip

    def learn(self, used: int, most: int) -> None:
        """Takes what an answer reported."""
        with self._lock:
            self._known = (used, most, self._clock())
            if not self._due(used, most):
                return
            self._reported = (used, self._clock())
            try:
                self._open_store().report_day(self.pool, used, most)
            except (SyncError, OSError) as error:
                log.warning("other processes are not told of the calls that are left: %s", error)

    def _left(self, used: int, most: int) -> int:
        return most * (100 - self.reserve_percent) // 100 - used

    def _due(self, used: int, most: int) -> bool:
        if self._reported is None:
            return True
        before, at = self._reported
        return (
            abs(used - before) * 100 >= most * _REPORT_PERCENT or self._clock() - at >= _REPORT_SECONDS
        ) and used != before

    def _current(self) -> tuple[int, int, float]:
        """What is known; at first, what another process was told within the last hour; zeros where that is nothing."""
        if self._known is None:
            self._known = self._told_to_others()
        return self._known

    def _told_to_others(self) -> tuple[int, int, float]:
        nothing = (0, 0, self._clock())
        try:
            found = self._open_store().day_use(self.pool)
        except (SyncError, OSError) as error:
            log.debug("what others were told of the day's calls is not known: %s", error)
            return nothing
        age = self._now() - found.at if found else PAUSE
        if found is None or age >= PAUSE:
            return nothing
        return found.used, found.most, self._clock() - max(0.0, age.total_seconds())
