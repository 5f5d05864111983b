from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.retry import Backoff, should_retry, wait_for
from airflow_provider_brightpearl.errors import RateLimited
from airflow_provider_brightpearl.systems.http.header_values import (
    LONGEST_WAIT,
    count_in,
    instant_in,
    retry_after,
    seconds_in,
)

ODD = [
    "-5", "-1e3", "1e308", "1e999", "NaN", "inf", "-inf", "Infinity", "0x10", "1_000", "²", "٣", "5, 10", "[5]", "",
    "9" * 5_000, "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "Wed, 99 Foo 2026 07:28:00 GMT",
    "Wed, 21 Oct 2015 07:28:00 +9999999", "Wed, 21 Oct 99999 07:28:00 GMT", "\x00", "\ud800", "soon", "naïve", None,
]  # fmt: skip
NUMBER = st.floats(allow_nan=True, allow_infinity=True).map(str) | st.integers().map(str)
DATES = st.text(alphabet=string.digits + string.ascii_letters + " ,:+-", max_size=40)
TEXTS = st.sampled_from(ODD) | st.text() | NUMBER | DATES


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None), ("7", 7.0), (" 7 ", 7.0), ("1.5", 1.5), ("soon", None), ("-5", None), ("NaN", None),
        ("1e308", None), ("5, 10", None), ("9" * 5_000, LONGEST_WAIT), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
    ],
)  # fmt: skip
def test_a_wait_is_announced_in_seconds_or_as_a_date(text: str, seconds: float | None) -> None:
    assert seconds == retry_after({"Retry-After": text})


def test_a_date_counts_from_the_clock_of_the_answer() -> None:
    headers = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2015 07:27:30 GMT"}
    assert 30.0 == retry_after(headers)


@given(TEXTS, TEXTS)
def test_no_value_of_a_header_raises_or_makes_a_long_wait(text: str | None, date: str | None) -> None:
    headers = {name: each for name, each in (("Retry-After", text), ("Date", date)) if each is not None}
    waits = [retry_after(headers), seconds_in(text), seconds_in(text, unit=0.001)]
    assert all(each is None or 0.0 <= each <= LONGEST_WAIT for each in waits)
    counted, moment = count_in(text), instant_in(text)
    assert counted is None or 0 <= counted < 10**15
    assert moment is None or moment.tzinfo is not None


@given(TEXTS)
def test_what_a_header_announces_is_waited_for_only_where_that_is_short(text: str | None) -> None:
    error = RateLimited("full", wait_seconds=retry_after({} if text is None else {"Retry-After": text}))
    if should_retry(error, 1, Backoff(), repeatable=True):
        assert 0.0 <= wait_for(error, 1, Backoff(), 0.5) <= Backoff().longest_throttle + 1
