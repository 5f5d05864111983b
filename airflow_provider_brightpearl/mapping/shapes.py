"""Finds what is wrong in records whose JSON differs from their stream's schema, and makes the rest readable.

DuckDB stops a whole file at the first such record, and reads numbers with a point as floating point. So a file with
either is read again from a copy made here, record by record.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.core.schema import Column, ListOf, MapOf, Path, Schema, decimals

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Misshapen:
    """The first place of a record that has another shape than its stream declares."""

    field: str
    value: str
    reason: str


class _Members(dict[str, Any]):
    """A JSON object that remembers its duplicate names."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = Counter(name for name, _ in pairs) if len(self) < len(pairs) else {}
        self.twice = [name for name, count in names.items() if count > 1]


@dataclass(slots=True)
class _Fitting:
    """Walks a record along its schema and leaves out what does not fit."""

    problems: list[Misshapen] = field(default_factory=list)

    def fit(self, column: Column, value: Any, path: Path) -> Any:
        if value is None:
            return None
        if isinstance(column, str):
            return self._text(column, value, path) if isinstance(value, str) else value
        if isinstance(column, ListOf):
            return self._list(column, value, path)
        return self._members(column, value, path)

    def _list(self, column: ListOf, value: Any, path: Path) -> Any:
        if not isinstance(value, list):
            return self._wrong(path, value, "is not a list")
        return [self.fit(column.entry, each, (*path, str(place))) for place, each in enumerate(value, 1)]

    def _members(self, column: Schema | MapOf, value: Any, path: Path) -> Any:
        if value == []:
            # PHP, in which Brightpearl is written, has no other empty map
            return {}
        if not isinstance(value, _Members):
            return self._wrong(path, value, "is not an object")
        inner = {name: column.entry for name in value} if isinstance(column, MapOf) else column
        for name in value.twice:
            if name in inner:
                self._wrong((*path, name), value[name], "duplicate key")
        return {
            name: self.fit(inner[name], each, (*path, name)) for name, each in value.items() if name in inner
        }

    def _text(self, kind: str, text: str, path: Path) -> str:
        places = decimals(kind)
        if places is not None and _too_exact(text, places):
            kept = f"has more than {places} decimals" if places else "is not a whole number"
            self._wrong(path, text, f"{kept}: correct it at its source")
        if not text.isascii() and text != _storable(text):
            self._wrong(path, text, "holds half a character")
        return text

    def _wrong(self, path: Path, value: Any, reason: str) -> None:
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        self.problems.append(Misshapen(".".join(path), _storable(shown)[:_SHOWN], reason))


def _too_exact(text: str, places: int) -> bool:
    """Whether a number has more decimals than this, zeros at its end left aside."""
    number = decimal_of(text)
    if number is None or not number:
        return False
    _, digits, exponent = number.as_tuple()
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return -int(exponent) - zeros > places


def reshape(line: bytes, columns: Schema) -> tuple[bytes, Misshapen | None]:
    """The record of one line with these columns only, and its first problem, None if there is none.

    Numbers with a point become text, digit by digit. What does not fit is left out.
    """
    try:
        record = json.loads(line, parse_float=str, parse_constant=_refuse, object_pairs_hook=_Members)
    except (ValueError, RecursionError) as error:
        start = line.decode("utf-8", "replace").strip()[:_SHOWN]
        return b"{}", Misshapen("", start, f"is not JSON: {error}")
    fitting = _Fitting()
    fitted = fitting.fit(columns, record, ()) or {}
    found = fitting.problems[0] if fitting.problems else None
    return _storable(json.dumps(fitted, ensure_ascii=False)).encode(), found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
