"""Columns of mapped parts as DuckDB holds them, and values written so that DuckDB reads the very same ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

INSTANT = "TIMESTAMP WITH TIME ZONE"
_INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_COMPARABLE = {"VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", INSTANT, *_INTEGERS}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NotInSql(Exception):
    """DuckDB cannot give the verdict of Great Expectations here."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``sql`` is its name in a query, ``kind`` DuckDB's type of it in the mapped part."""

    sql: str
    kind: str

    def __str__(self) -> str:
        return self.sql

    @property
    def is_known(self) -> bool:
        """Whether DuckDB and Python compare values of its type alike; floating point is not exact."""
        return self.kind in _COMPARABLE or self.is_decimal

    @property
    def is_text(self) -> bool:
        return self.kind == "VARCHAR"

    @property
    def is_integer(self) -> bool:
        return self.kind in _INTEGERS

    @property
    def is_decimal(self) -> bool:
        return self.kind.startswith("DECIMAL(")

    @property
    def is_number(self) -> bool:
        return self.is_integer or self.is_decimal

    @property
    def is_ordered(self) -> bool:
        """Whether bounds make sense."""
        return self.is_known and self.kind != "BOOLEAN"

    @property
    def width(self) -> int:
        """Most digits."""
        found = _DECIMAL.fullmatch(self.kind)
        # the largest HUGEINT has 39, the largest BIGINT 19
        return int(found[1]) if found else _INTEGERS[self.kind] * 3 // 10 + 1

    @property
    def scale(self) -> int:
        """Digits behind the point."""
        found = _DECIMAL.fullmatch(self.kind)
        return int(found[2]) if found else 0

    @property
    def stored(self) -> str:
        """The type in which it is loaded."""
        # fetching aware instants as such needs pytz, which nothing else here does
        return "BIGINT" if self.kind == INSTANT else self.kind

    def reading(self, name: str) -> str:
        """SQL that reads it from a column of this name, to be given to ``python``."""
        quoted = '"' + name.replace('"', '""') + '"'
        return f"epoch_us({quoted})" if self.kind == INSTANT else quoted

    def python(self, values: Sequence[Any]) -> Sequence[Any]:
        """Loaded values as Python has them: instants aware."""
        if self.kind != INSTANT:
            return values
        return [None if value is None else _EPOCH + timedelta(microseconds=value) for value in values]

    def literal(self, value: Any) -> str | None:
        """Text that casts to exactly this value in the type it is loaded as; None if the type has no such value."""
        if self.is_number:
            return self._number(value)
        if self.kind == "BOOLEAN":
            # to Python, and so to Great Expectations, 1 is True
            return next((text for text, known in (("true", True), ("false", False)) if value == known), None)
        if self.is_text:
            return value if isinstance(value, str) else None
        if not isinstance(value, date) or isinstance(value, datetime) is (self.kind == "DATE"):
            return None
        return str((value - _EPOCH) // timedelta(microseconds=1)) if self.kind == INSTANT else str(value)

    def holding(self, value: Any) -> str:
        """The same for a value that has to be one of its type.

        Raises:
            NotInSql: it is none.
        """
        text = self.literal(value)
        if text is None:
            raise NotInSql
        return text

    def _number(self, value: Any) -> str | None:
        if not isinstance(value, Decimal) or not value.is_finite():
            return None
        numerator, denominator = value.as_integer_ratio()
        scaled, rest = divmod(numerator * 10**self.scale, denominator)
        bits = _INTEGERS.get(self.kind)
        room = 2 ** (bits - 1) if bits else 10**self.width
        if rest or abs(scaled) >= room:
            return None
        return f"{value:f}" if self.scale else str(scaled)
