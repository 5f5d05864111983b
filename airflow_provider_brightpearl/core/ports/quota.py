"""A quota that all processes share, as clients see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airflow_provider_brightpearl.core.quota import Limit, Share


@dataclass(frozen=True, slots=True)
class Ask:
    """What a process asks for, and what it reports of its last grant.

    Args:
        pool: what shares one quota, such as ``brightpearl:acme``.
        holder: names the process.
        share: on whose behalf.
        calls: calls wanted; 0 to report only.
        since: since when it has waited, as an earlier answer said; None the first time.
        ages: how many seconds ago each call since the last report was answered; the rest of that grant is given back.
        remaining: calls that the system said just now remain, None where it said nothing.
    """

    pool: str
    holder: str
    share: Share
    calls: int
    since: float | None = None
    ages: Sequence[float] = ()
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """Calls granted, or the seconds after which to ask again, with ``since`` for that."""

    calls: int
    wait: float
    since: float


@dataclass(frozen=True, slots=True)
class DayUse:
    """Calls of a day as the system reported them, with those of others: ``used`` of ``most``."""

    used: int
    most: int
    at: datetime


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A pool as it stands.

    Args:
        pool: its name.
        calls: calls that count now, by share; those of others under ``others``.
        waiting: processes that wait.
        last_day: calls of the last 24 hours, where the system has such a limit.
        day: what the system reported of its day, if it does.
    """

    pool: str
    calls: dict[str, int]
    waiting: int
    last_day: int
    day: DayUse | None


class QuotaStore(Protocol):
    """Counts the calls of all processes.

    Every method raises ``SyncError`` where the state database does not answer.
    """

    def ask(self, ask: Ask, limit: Limit) -> Granted:
        """Counts what was reported, and grants calls or says when to ask again."""
        ...

    def report_day(self, pool: str, used: int, most: int) -> None:
        """Keeps what a system reported of its day."""
        ...

    def day_use(self, pool: str) -> DayUse | None:
        """What a system last reported of its day, through any process."""
        ...

    def calls_today(self, pool: str) -> int:
        """Calls of the last 24 hours, of a pool with such a limit."""
        ...

    def pools(self) -> list[PoolUse]:
        """All pools as they stand."""
        ...
