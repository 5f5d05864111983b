"""Which rows fail an expectation about rows, as conditions for DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl.gates.columns import Column, NotInSql

FINDS = "python_finds"
"""Name of the function that searches a text for a regex as Python does."""

_MOST_DIGITS = 38


@dataclass(frozen=True, slots=True)
class Condition:
    """Rows that fail, of those ``among`` which an expectation looks.

    ``values`` fill the question marks in ``failing``. One row that meets ``unless`` leaves all to Great Expectations.
    """

    failing: str
    values: tuple[Any, ...] = ()
    among: str = "true"
    unless: str = ""


def is_null(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Rows without a value."""
    return Condition(f"{columns[0]} IS NULL")


def is_not_null(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Rows with a value."""
    return Condition(f"{columns[0]} IS NOT NULL")


def repeated(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Rows whose value another row has too."""
    return _value(columns[0], _again(columns))


def outside(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Values outside of the bounds."""
    (column,) = columns
    if not column.is_ordered:
        raise NotInSql
    least, most = _bounds(options)
    held = [None if bound is None else column.holding(bound) for bound in (least, most)]
    if None not in held and least > most:
        raise NotInSql
    return _outside(column, str(column), column.stored, held, options)


def length_outside(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Texts whose length is outside of the bounds."""
    return _outside(columns[0], f"length({_text(columns)})", "BIGINT", _bounds(options), options)


def other_length(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Texts of another length."""
    return _value(columns[0], f"length({_text(columns)}) <> ?", float(options["value"]))


def not_in_set(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Values that are not in the set."""
    found = in_set(columns, options)
    return _value(columns[0], f"NOT {found.failing}", *found.values)


def in_set(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Values that are in the set."""
    (column,) = columns
    # what a column of this type cannot hold is never found
    held = [text for value in options["value_set"] if (text := column.literal(value)) is not None]
    return _value(column, f"list_contains(CAST(? AS {column.stored}[]), {column})", held)


def not_found(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Texts in which the regex is not found."""
    return _value(columns[0], f"NOT {FINDS}(?, {_text(columns)})", options["regex"])


def found(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Texts in which the regex is found."""
    return _value(columns[0], f"{FINDS}(?, {_text(columns)})", options["regex"])


def not_greater(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Rows whose first value is not above the second, or not at least as great with ``or_equal``."""
    return _pair(columns, ">=" if options.get("or_equal") else ">", options)


def unequal(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Rows with two different values."""
    return _pair(columns, "=", options)


def repeated_together(columns: Sequence[Column], options: Mapping[str, Any]) -> Condition:
    """Rows whose values another row has too, all of them; NULL is a value like others."""
    ignored = {"all_values_are_missing": " AND ", "any_value_is_missing": " OR ", "never": None}
    joint = ignored[options.get("ignore_row_if", "all_values_are_missing")]
    among = f"NOT ({joint.join(f'{column} IS NULL' for column in columns)})" if joint else "true"
    # some versions of pandas end a text there when they look for duplicates
    unless = " OR ".join(f"contains({column}, chr(0))" for column in columns if column.is_text)
    return Condition(_again(columns), among=among, unless=unless)


def _value(column: Column, failing: str, *values: Any) -> Condition:
    return Condition(failing, values, among=f"{column} IS NOT NULL")


def _text(columns: Sequence[Column]) -> Column:
    if not columns[0].is_text:
        raise NotInSql
    return columns[0]


def _again(columns: Sequence[Column]) -> str:
    return f"count(*) OVER (PARTITION BY {', '.join(map(str, columns))}) > 1"


def _bounds(options: Mapping[str, Any]) -> tuple[Any, Any]:
    return options.get("min_value"), options.get("max_value")


def _outside(
    column: Column, measured: str, kind: str, bounds: Sequence[Any], options: Mapping[str, Any]
) -> Condition:
    signs = (">" if options.get("strict_min") else ">=", "<" if options.get("strict_max") else "<=")
    given = [(sign, bound) for sign, bound in zip(signs, bounds, strict=True) if bound is not None]
    inside = " AND ".join(f"{measured} {sign} CAST(? AS {kind})" for sign, _ in given)
    return _value(column, f"NOT ({inside})", *(bound for _, bound in given))


def _pair(columns: Sequence[Column], sign: str, options: Mapping[str, Any]) -> Condition:
    first, second = columns
    if not _comparable(first, second):
        raise NotInSql
    nulls = [f"{column} IS NULL" for column in columns]
    among = {
        "both_values_are_missing": f"NOT ({' AND '.join(nulls)})",
        "either_value_is_missing": f"NOT ({' OR '.join(nulls)})",
        "neither": "true",
    }[options.get("ignore_row_if", "both_values_are_missing")]
    return Condition(f"NOT coalesce({first} {sign} {second}, false)", among=among)


def _comparable(first: Column, second: Column) -> bool:
    if first.kind == second.kind:
        return True
    if not first.is_number or not second.is_number:
        return False
    whole = max(column.width - column.scale for column in (first, second))
    return whole + max(first.scale, second.scale) <= _MOST_DIGITS
