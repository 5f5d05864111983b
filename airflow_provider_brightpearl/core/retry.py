"""Whether to repeat a failed call, and after how long; pure: clients bring clock, sleep and chance."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_brightpearl.errors import RateLimited, SyncError, TimedOut, Unavailable


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often to try and how long to wait: ``first * factor ** n`` seconds, at most ``longest``.

    ``tries`` counts the first call too; ``throttled_tries`` holds for calls that a quota rejected,
    which cost nothing but time, and ``longest_throttle`` is the longest announced wait that is waited for
    rather than raised.
    """

    tries: int = 4
    first: float = 1.0
    factor: float = 2.0
    longest: float = 60.0
    throttled_tries: int = 20
    longest_throttle: float = 300.0


def delay(backoff: Backoff, attempt: int, chance: float) -> float:
    """Seconds to wait after try number ``attempt`` (from 1); ``chance`` in [0, 1) spreads half of it."""
    full: float = min(backoff.longest, backoff.first * backoff.factor ** (attempt - 1))
    return full * (0.5 + chance / 2)


def should_retry(error: SyncError, attempt: int, backoff: Backoff, *, repeatable: bool) -> bool:
    """Whether try number ``attempt`` (from 1) that ended in ``error`` should be followed by another.

    ``RateLimited`` and ``Unavailable`` mean that nothing was done; after ``TimedOut`` only ``repeatable``
    calls (reads, upserts by key) may be sent again.
    """
    if isinstance(error, RateLimited):
        wait = error.wait_seconds
        return wait is not None and wait <= backoff.longest_throttle and attempt < backoff.throttled_tries
    if isinstance(error, TimedOut):
        return repeatable and attempt < backoff.tries
    return isinstance(error, Unavailable) and attempt < backoff.tries


def wait_for(error: SyncError, attempt: int, backoff: Backoff, chance: float) -> float:
    """Seconds before the next try: what the system announced plus up to a second, else the backoff."""
    if isinstance(error, RateLimited) and error.wait_seconds is not None:
        return error.wait_seconds + chance
    return delay(backoff, attempt, chance)
