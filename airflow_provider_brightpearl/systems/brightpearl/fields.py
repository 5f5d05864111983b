"""Fields that flows write to Brightpearl: where each stands in the JSON of its object, and how it is read there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

_DIGITS = 15
CUSTOM = re.compile(r"PCF_[A-Z0-9_]+")


class Kind(Enum):
    """The type of a field; a date is a day without a time, an instant is aware."""

    TEXT = "text"
    ID = "an id"
    NUMBER = "a number"
    FLAG = "true or false"
    DATE = "a date such as 2026-03-31; cast an instant, as in taxDate::DATE"
    INSTANT = "an instant with a time zone"
    PART = "an id of its own or with that of its owner, such as 100231|5001"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its path in the JSON that creates its object, steps parted by ``/``, and its type.

    ``patch`` is the path under which an existing object takes a new value; None where it takes none.
    ``longest`` is the number of characters that Brightpearl stores, ``places`` the number of decimals to which it
    rounds, None where it is not known. A ``computed`` field is never sent: it has to equal what Brightpearl computes.
    """

    path: str
    kind: Kind = Kind.TEXT
    patch: str | None = None
    longest: int | None = None
    computed: bool = False
    places: int | None = None

    def read(self, value: Any) -> Any:
        """A mapped value as it is sent; None stays None.

        Raises:
            ValueError: it is not of this field's type, or longer than Brightpearl stores.
        """
        if value is None:
            return None
        try:
            found: Any = _READERS[self.kind](value)
        except (ValueError, InvalidOperation):
            raise ValueError(f"is not {self.kind.value}") from None
        # sums and taxes of longer ones would no longer be exact
        if self.kind is Kind.NUMBER and found and found.adjusted() >= _DIGITS:
            raise ValueError(f"has more than {_DIGITS} digits before the point")
        if self.longest is not None and len(found) > self.longest:
            raise ValueError(f"is longer than the {self.longest} characters that Brightpearl stores")
        return found

    def same(self, ours: Any, theirs: Any) -> bool:
        """Whether Brightpearl's value means the same as one that ``read`` returned."""
        if ours in (None, "") or theirs in (None, ""):
            empty = (None, "", 0) if self.kind is Kind.ID else (None, "")
            return ours in empty and theirs in empty
        try:
            if self.places is not None:
                return abs(_number(ours) - _number(theirs)) < Decimal(1).scaleb(-self.places)
            return bool(_COMPARED[self.kind](ours) == _COMPARED[self.kind](theirs))
        except (ValueError, InvalidOperation):
            return False


def _id(value: Any) -> int:
    return int(str(value))


def _part(value: Any) -> int:
    return int(str(value).rpartition("|")[2])


def _number(value: Any) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(value)
    return number


def _flag(value: Any) -> bool:
    if (text := str(value).lower()) not in ("true", "false"):
        raise ValueError(value)
    return text == "true"


def _date(value: Any) -> str:
    # the day of an instant is another one in another time zone
    return date.fromisoformat(str(value)).isoformat()


def _instant(value: Any) -> str:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(value: Any) -> str:
    """The day of a date, which Brightpearl keeps as midnight in UTC and shows in the account's time zone."""
    text = str(value)
    if len(text) <= 10:
        return text
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date().isoformat()


def _second(value: Any) -> int:
    return int(datetime.fromisoformat(str(value)).timestamp())


_READERS = {
    Kind.TEXT: lambda value: str(value).strip(),
    Kind.ID: _id,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
    Kind.DATE: _date,
    Kind.INSTANT: _instant,
    Kind.PART: _part,
}
_COMPARED = {
    Kind.TEXT: lambda value: str(value).strip(),
    Kind.ID: _id,
    Kind.NUMBER: _number,
    Kind.FLAG: lambda value: str(value).lower(),
    Kind.DATE: _day,
    Kind.INSTANT: _second,
    Kind.PART: _part,
}


def at(record: Any, path: str) -> Any:
    """The value at a path of an object, None where it has none."""
    for step in path.split("/"):
        record = record.get(step) if isinstance(record, dict) else None
    return record


def nested(fields: Mapping[str, Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of these values; empty ones and those of unknown fields are left out."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or name not in fields or not fields[name].path or fields[name].computed:
            continue
        *steps, last = fields[name].path.split("/")
        inner = found
        for step in steps:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return found
