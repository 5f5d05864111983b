"""Timestamps as Brightpearl reads and writes them: in the time zone of the account."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_CLOCK = [f"{minute:02d}:{second:02d}" for minute in range(60) for second in range(60)]
_SHAPE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?)?$", re.ASCII
)


class AccountTimeZone:
    """Formats and parses instants (seconds since 1970) in one time zone."""

    def __init__(self, name: str, zero: str) -> None:
        self.zone, self._zero = ZoneInfo(name), zero
        self._quarters: dict[int, tuple[str, int, str]] = {}

    def format(self, seconds: int) -> str:
        """`yyyy-MM-ddTHH:mm:ss.SSS` with the offset in force at that instant."""
        quarter, rest = divmod(seconds, 900)
        found = self._quarters.get(quarter)
        if found is None:
            found = self._quarters[quarter] = self._render_quarter(quarter)
        return f"{found[0]}:{_CLOCK[found[1] + rest]}.000{found[2]}"

    def format_date(self, seconds: int) -> str:
        """A date without a time: midnight UTC, shown in the account's time zone."""
        return self.format(seconds - seconds % 86400)

    def parse(self, text: object) -> float | None:
        """The instant of a text, which is account time without an offset; None if it is not a timestamp."""
        shape = _SHAPE.match(text) if isinstance(text, str) else None
        if shape is None:
            return None
        day, clock, offset = shape.groups()
        try:
            moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{offset or ''}")
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).timestamp()

    def parse_period(self, text: str) -> tuple[float | None, float | None] | None:
        """First and last instant of a PERIOD value: a day, an instant, `from/to`, `from/` or `/to`."""
        if "/" in text:
            return self._range(*text.split("/", 1))
        start = self.parse(text)
        if start is None:
            return None
        return (start, self._next_day(text) - 0.001) if len(text) == 10 else (start, start)

    def _range(self, first: str, last: str) -> tuple[float | None, float | None] | None:
        start, end = self.parse(first), self.parse(last)
        broken = (first and start is None) or (last and end is None) or not (first or last)
        return None if broken or (start is not None and end is not None and end < start) else (start, end)

    def _next_day(self, day: str) -> float:
        first = datetime.fromisoformat(day)
        following = datetime.fromordinal(first.toordinal() + 1).replace(tzinfo=self.zone)
        return following.timestamp()

    def _render_quarter(self, quarter: int) -> tuple[str, int, str]:
        local = datetime.fromtimestamp(quarter * 900, UTC).astimezone(self.zone)
        offset = local.strftime("%z")
        suffix = self._zero if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
        return local.strftime("%Y-%m-%dT%H"), local.minute * 60 + local.second, suffix

    def offset_changes(self, first: int, last: int) -> list[int]:
        """The instants between two others at which the UTC offset changes."""
        found = []
        for day in range(first - first % 86400, last, 86400):
            if self._offset(day) != self._offset(day + 86400):
                found.append(
                    next(t for t in range(day, day + 86401, 900) if self._offset(t) != self._offset(day))
                )
        return [instant for instant in found if first < instant < last]

    def _offset(self, seconds: int) -> object:
        return datetime.fromtimestamp(seconds, self.zone).utcoffset()
