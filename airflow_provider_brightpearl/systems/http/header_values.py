"""What a server says in a header, as a count or a wait: whatever stands there, no error, and no wait without end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# no system asks for a longer pause; the longest of their quotas is that of a day
LONGEST_WAIT = 86_400.0
# no quota and no number of records has more digits
_DIGITS = 15
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?")


def count_in(text: str | None) -> int | None:
    """The whole number that a header's value is; None for anything else, also for one that nothing counts to."""
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else None


def seconds_in(text: str | None, unit: float = 1.0) -> float | None:
    """Seconds that a header's value asks to wait, at most ``LONGEST_WAIT``; None where it is no number from 0 on.

    ``unit`` is what its number counts in, in seconds.
    """
    number = (text or "").strip()
    return min(float(number) * unit, LONGEST_WAIT) if _NUMBER.fullmatch(number) else None


def instant_in(text: str | None) -> datetime | None:
    """The instant that a header's value is, aware; None where it is no date of HTTP or mail."""
    try:
        found = parsedate_to_datetime(text or "")
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks for, whether it holds seconds or a date, at most ``LONGEST_WAIT``.

    A date counts from the answer's own, as clocks differ; one that has passed asks for no wait.

    Returns:
        None where it holds neither.
    """
    text = headers.get("Retry-After", "")
    until = instant_in(text)
    if until is None:
        return seconds_in(text)
    now = instant_in(headers.get("Date")) or datetime.now(UTC)
    return min(max(0.0, (until - now).total_seconds()), LONGEST_WAIT)
