from __future__ import annotations

import pytest

from airflow_provider_brightpearl.core.retry import Backoff, delay, should_retry, wait_for
from airflow_provider_brightpearl.errors import RateLimited, SchemaMismatch, SyncError, TimedOut, Unavailable


@pytest.mark.parametrize(
    ("error", "repeatable", "expected"),
    [
        (Unavailable("x"), False, True),
        (TimedOut("x"), True, True),
        (TimedOut("x"), False, False),
        (RateLimited("x", wait_seconds=5), False, True),
        (RateLimited("x", wait_seconds=None), True, False),
        (RateLimited("x", wait_seconds=86_400), True, False),
        (SchemaMismatch("x"), True, False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: SyncError, repeatable: bool, expected: bool) -> None:
    assert expected == should_retry(error, 1, Backoff(), repeatable=repeatable)


def test_tries_end() -> None:
    tried = [n for n in range(1, 10) if should_retry(Unavailable("x"), n, Backoff(tries=4), repeatable=True)]
    assert [1, 2, 3] == tried


def test_delay_doubles_up_to_the_longest() -> None:
    assert [1, 2, 4, 5, 5] == [delay(Backoff(first=1, longest=5), n, 1.0) for n in range(1, 6)]


def test_chance_spreads_half_of_the_delay() -> None:
    assert 0.5 == delay(Backoff(first=1), 1, 0.0)


def test_an_announced_wait_is_kept() -> None:
    assert 12.5 == wait_for(RateLimited("x", wait_seconds=12.0), 3, Backoff(), 0.5)
