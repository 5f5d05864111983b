"""The one place where an error of a run becomes what Airflow does next.

| error | Airflow 2.11 and 3.x | Airflow 3.3 in addition |
|---|---|---|
| Stop | fails at once, no retry | |
| RecordRefused | fails at once: the same record would be refused again | |
| RateLimited of more than five minutes, a limit of a day | comes back in the same try once it opens (``pausing``) | |
| RateLimited | retries with growing delay | waits as long as the system said |
| TimedOut, Unavailable of a call, in a stage | comes back in the same try, for ``outage_hours`` (``pausing``) | |
| RetryLater, anything else | retries with growing delay | |
| RetryLater with an outage | waits until the system answers, in the same try (``pausing``) | |
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.errors import RateLimited, RecordRefused, Stop, SyncError

RETRY_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(minutes=30)


@contextmanager
def airflow_errors(log: logging.Logger) -> Iterator[None]:
    """Reports a stage's error as one line of the task log, and to Airflow whether to try again."""
    try:
        yield
    except (Stop, RecordRefused) as error:
        log.error("%s", error)
        raise compat.AirflowFailException(str(error)) from None
    except SyncError as error:
        log.error("%s", error)
        raise


def retry_arguments(retries: int) -> dict[str, Any]:
    """Arguments of a task that is tried again ``retries`` times, one minute later and then ever more."""
    arguments: dict[str, Any] = {
        "retries": retries,
        "retry_delay": RETRY_DELAY,
        "retry_exponential_backoff": True,
        "max_retry_delay": LONGEST_DELAY,
    }
    if compat.airflow_version() >= (3, 3):
        arguments["retry_policy"] = _honour_retry_after()
    return arguments


def wait_of(error: BaseException) -> timedelta | None:
    """How long the system asked to wait, None where it did not say."""
    if isinstance(error, RateLimited) and error.wait_seconds:
        return timedelta(seconds=error.wait_seconds)
    return None


def _honour_retry_after() -> Any:
    class HonourRetryAfter(compat.RetryPolicy):
        def evaluate(
            self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
        ) -> Any:
            wait = wait_of(exception)
            if wait is None:
                return compat.RetryDecision.default()
            return compat.RetryDecision.retry(wait, str(exception))

    return HonourRetryAfter()
