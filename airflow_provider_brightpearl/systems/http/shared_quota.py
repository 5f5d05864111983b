"""A quota that this process shares with all others, through the state database."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from functools import cached_property
from uuid import uuid4

from airflow_provider_brightpearl.core.ports.quota import Ask, Granted, QuotaStore
from airflow_provider_brightpearl.core.quota import Limit, Share, current_share
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.systems.http.quota import Budget, LocalBudget

# how long a process goes by the answers' headers alone, once the state database did not answer
_ON_ITS_OWN = 30.0
log = logging.getLogger(__name__)


class SharedBudget:
    """Takes grants of several calls, so that most calls cost no transaction; nothing happens between calls.

    The first grant is small, later ones grow as they are used up. A store that does not answer is replaced by
    ``alone`` for half a minute.

    Args:
        open_store: opens the store when the first call is made.
        pool: what shares the quota, such as ``brightpearl:acme``.
        limit: what the system allows.
        alone: the budget without the store.
        chance: a number in [0, 1); spreads what processes wait that do not know of each other.
    """

    def __init__(
        self,
        open_store: Callable[[], QuotaStore],
        pool: str,
        limit: Limit,
        alone: Budget | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.pool = pool
        self.limit = limit
        self._open_store = open_store
        self._alone = alone or LocalBudget()
        self._chance = chance
        self._holder = uuid4().hex
        self._lock = threading.Lock()
        self._grant = _Grant()
        self._wanted = 2
        self._since: float | None = None
        self._alone_until = float("-inf")

    @cached_property
    def _store(self) -> QuotaStore:
        return self._open_store()

    def wait_seconds(self, now: float) -> float:
        with self._lock:
            if now < self._alone_until:
                return self._wait_alone(now)
            if self._grant.take(now):
                return 0.0
            used = self._grant.used
            self._wanted = min(self.limit.largest_grant, max(1, 2 * used)) if used else self._wanted
            granted = self._ask(self._wanted, now)
            if granted is None:
                return self._wait_alone(now)
            if granted.calls:
                # usable from when it was asked for, not from when the answer came
                self._grant = _Grant(granted.calls, now + self.limit.horizon)
                self._grant.take(now)
            return granted.wait

    def answered(self, now: float) -> None:
        with self._lock:
            self._grant.answers.append(now)

    def learn(self, remaining: int, reset_seconds: float, now: float) -> None:
        with self._lock:
            self._alone.learn(remaining, reset_seconds, now)
            self._grant.remaining = (remaining, now)
            # fewer than are granted or kept in reserve: others outside have made calls, and all have to know
            short = remaining < self._grant.left or remaining < max(1, self.limit.reserve)
            if short and now >= self._alone_until:
                self._grant.left = 0
                self._ask(0, now)

    def left_today(self) -> int | None:
        if self.limit.per_day is None:
            return None
        try:
            used = self._store.calls_today(self.pool)
        except (SyncError, OSError):
            return None
        return max(0, self.limit.per_day - used)

    def _wait_alone(self, now: float) -> float:
        return self._alone.wait_seconds(now) * (1 + self._chance() / 5)

    def _ask(self, calls: int, now: float) -> Granted | None:
        """What the store grants; None where it does not answer."""
        grant = self._grant
        remaining, said = grant.remaining or (None, now)
        # an older figure cannot be compared with what counts now
        fresh = now - said <= self.limit.margin
        share: Share = current_share()
        flying = [-self.limit.flight] * grant.flying
        ask = Ask(
            self.pool, self._holder, share, calls, self._since,
            [*(now - answered for answered in grant.answers), *flying], remaining if fresh else None,
        )  # fmt: skip
        try:
            granted = self._store.ask(ask, self.limit)
        except (SyncError, OSError) as error:
            log.warning(
                "calls are not counted with those of other processes for %.0f s: %s", _ON_ITS_OWN, error
            )
            self._alone_until = now + _ON_ITS_OWN
            return None
        self._grant = _Grant()
        if calls:
            self._since = None if granted.calls else granted.since
        return granted


class _Grant:
    """Calls that this process may make, and those that it has made since it last reported."""

    def __init__(self, calls: int = 0, usable_until: float = 0.0) -> None:
        self.left = calls
        self.used = 0
        self.answers: list[float] = []
        self.remaining: tuple[int, float] | None = None
        self._usable_until = usable_until

    @property
    def flying(self) -> int:
        """Calls that are not answered yet."""
        return max(0, self.used - len(self.answers))

    def take(self, now: float) -> bool:
        if self.left <= 0 or now >= self._usable_until:
            return False
        self.left -= 1
        self.used += 1
        return True
