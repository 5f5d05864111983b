"""What expectations about a whole part observe: one aggregate for DuckDB, and what Python makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl.gates.columns import Column, NotInSql

# whole numbers up to here are exact as floating point
_MOST_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``observed`` makes the observed value of what ``sql`` gives, None where there is none; or raises ``NotInSql``.

    One row that meets ``unless`` leaves all to Great Expectations.
    """

    sql: str
    observed: Callable[[Any], Any]
    unless: str = ""


def smallest(columns: Sequence[Column], options: Mapping[str, Any]) -> Aggregate:
    """The smallest value."""
    return _extreme("min", columns[0], options)


def largest(columns: Sequence[Column], options: Mapping[str, Any]) -> Aggregate:
    """The largest value."""
    return _extreme("max", columns[0], options)


def total(columns: Sequence[Column], options: Mapping[str, Any]) -> Aggregate:
    """The sum; 0 where there is no value."""
    return _of_numbers(columns[0], _exact_total if columns[0].is_integer else _total)


def mean(columns: Sequence[Column], options: Mapping[str, Any]) -> Aggregate:
    """The mean."""
    whole = columns[0].is_integer

    def observed(values: Sequence[Any]) -> float | None:
        known = [value for value in values if value is not None]
        # some versions of pandas add whole numbers as such, others as floating point
        if whole and sum(map(abs, known)) > _MOST_EXACT:
            raise NotInSql
        return _total(values) / len(known) if known else None

    return _of_numbers(columns[0], observed)


def median(columns: Sequence[Column], options: Mapping[str, Any]) -> Aggregate:
    """The median."""

    def observed(values: Sequence[Any]) -> float | None:
        import numpy as np

        known = [value for value in values if value is not None]
        return float(np.median(np.array(known, dtype=float))) if known else None

    return _of_numbers(columns[0], observed)


def row_count(columns: Sequence[Column], options: Mapping[str, Any]) -> Aggregate:
    """The number of rows."""
    return Aggregate("count(*)", lambda count: count)


def within(observed: Any, options: Mapping[str, Any]) -> bool:
    """Whether an observed value lies within the bounds; None never does."""
    least, most = options.get("min_value"), options.get("max_value")
    if observed is None:
        return False
    if least is not None and (observed <= least if options.get("strict_min") else observed < least):
        return False
    return most is None or bool(observed < most if options.get("strict_max") else observed <= most)


def _extreme(function: str, column: Column, options: Mapping[str, Any]) -> Aggregate:
    if not column.is_ordered:
        raise NotInSql
    if column.is_number:
        return Aggregate(f"{function}({column})", _inexact)
    for bound in ("min_value", "max_value"):
        if options.get(bound) is not None:
            column.holding(options[bound])
    # some versions of pandas find no smallest text or date beside NULL
    return Aggregate(
        f"{function}({column})", lambda value: column.python([value])[0], unless=f"{column} IS NULL"
    )


def _of_numbers(column: Column, observed: Callable[[Sequence[Any]], Any]) -> Aggregate:
    if not column.is_number:
        raise NotInSql
    return Aggregate(f"list({column} ORDER BY rowid)", observed)


def _exact_total(values: Sequence[Any]) -> int:
    return sum(value or 0 for value in values)


def _total(values: Sequence[Any]) -> float:
    import numpy as np

    # the last digits of a sum depend on its order; numpy adds in pairs, and NULL has a place in them
    return float(np.array([value or 0 for value in values], dtype=float).sum())


def _inexact(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else float(value)
