"""Dates and datetimes in the vendor's text formats; canonical texts sort chronologically."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)", re.ASCII | re.IGNORECASE
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def stamp(moment: datetime) -> str:
    """An instant to the second, as `2022-03-17T16:21:26.000+0000`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def parse_instant(text: str) -> datetime | None:
    """The instant of a text; None without a time zone or in another format."""
    found = _INSTANT.fullmatch(text)
    if not found:
        return None
    day, clock, fraction, zone = found.groups()
    zone = "+0000" if zone in "Zz" else zone.replace(":", "")
    micros = (fraction or ".0")[1:7].ljust(6, "0")
    try:
        return datetime.strptime(f"{day}T{clock}.{micros}{zone}", "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def canonical_instant(text: str) -> str | None:
    """The canonical text of an instant, to the second; None if it is not an instant."""
    moment = parse_instant(text)
    return None if moment is None else stamp(moment)


def canonical_date(text: str) -> str | None:
    """The text itself if it is a valid date; None otherwise."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def day_start(day: date) -> datetime:
    """Midnight UTC, the time zone of the integration user."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def date_literal(word: str, amount: int | None, now: datetime) -> tuple[date, date] | None:
    """The half-open range of days of a SOQL date literal; None if it is unknown."""
    today, count = now.astimezone(UTC).date(), amount or 0
    one = timedelta(days=1)
    fixed = {
        "TODAY": (today, today + one),
        "YESTERDAY": (today - one, today),
        "TOMORROW": (today + one, today + 2 * one),
    }
    ranged = {
        "LAST_N_DAYS": (today - count * one, today + one),
        "NEXT_N_DAYS": (today + one, today + (count + 1) * one),
        "N_DAYS_AGO": (today - count * one, today - (count - 1) * one),
        "LAST_90_DAYS": (today - 90 * one, today + one),
    }
    if amount is None:
        return fixed.get(word) or _calendar(word, today) or (ranged[word] if word == "LAST_90_DAYS" else None)
    return ranged.get(word)


def _calendar(word: str, today: date) -> tuple[date, date] | None:
    which, _, unit = word.partition("_")
    shift = {"LAST": -1, "THIS": 0, "NEXT": 1}.get(which)
    if shift is None:
        return None
    if unit == "WEEK":
        first = today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=shift)
        return first, first + timedelta(weeks=1)
    if unit == "MONTH":
        return _month(today, shift), _month(today, shift + 1)
    if unit == "YEAR":
        return date(today.year + shift, 1, 1), date(today.year + shift + 1, 1, 1)
    return None


def _month(today: date, shift: int) -> date:
    months = today.year * 12 + today.month - 1 + shift
    return date(months // 12, months % 12 + 1, 1)
