"""What Airflow does after each group of errors."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_brightpearl import compat, errors
from airflow_provider_brightpearl.operators.retry import airflow_errors, retry_arguments, wait_of

log = logging.getLogger("brightpearl.test")


@pytest.mark.parametrize(
    "error",
    [
        errors.CredentialsRefused,
        errors.Misconfigured,
        errors.SchemaMismatch,
        errors.GateClosed,
        errors.OutOfBalance,
        errors.RunChanged,
        errors.RecordRefused,
    ],
)
def test_stop_fails_the_task_without_retry(error, caplog):
    with (
        pytest.raises(compat.AirflowFailException, match=r"why \(system x, status 401\)") as raised,
        airflow_errors(log),
    ):
        raise error("why", system="x", status=401)
    assert raised.value.__suppress_context__
    assert "why (system x, status 401)" == caplog.messages[-1]


@pytest.mark.parametrize("error", [errors.RateLimited, errors.TimedOut, errors.Unavailable])
def test_retry_later_is_left_to_airflows_retries(error, caplog):
    with pytest.raises(error), airflow_errors(log):
        raise error("busy")
    assert "busy" == caplog.messages[-1]


def test_retries_grow_up_to_a_limit():
    arguments = retry_arguments(3)
    assert (3, True, timedelta(minutes=30)) == (
        arguments["retries"],
        arguments["retry_exponential_backoff"],
        arguments["max_retry_delay"],
    )


def test_wait_is_what_the_system_said():
    assert timedelta(seconds=90) == wait_of(errors.RateLimited("quota", wait_seconds=90))
    assert None is wait_of(errors.RateLimited("quota"))
    assert None is wait_of(errors.Unavailable("down"))


def test_airflow_3_3_waits_as_told():
    policy: Any = retry_arguments(3).get("retry_policy")
    if compat.airflow_version() < (3, 3):
        assert None is policy
        return
    told = policy.evaluate(errors.RateLimited("quota", wait_seconds=90), 1, 3)
    assert ("retry", timedelta(seconds=90)) == (told.action.value, told.retry_delay)
    assert "default" == policy.evaluate(errors.Unavailable("down"), 1, 3).action.value
