"""Filters of resource searches, by the type of their column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import id_sets
from .call import Call, ServiceError
from .search_columns import Column


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter: numeric ranges where it has any, and a test of one value."""

    column: str
    ranges: tuple[tuple[float, float], ...] | None
    test: Callable[[Any], bool]
    text: str


def bad_parameter(message: str) -> ServiceError:
    """The error for an unknown or invalid parameter."""
    return ServiceError(400, "CMNC-017", message)  # INFERRED: the reference has no example of this error


def parse_filter(call: Call, known: dict[str, Column], name: str, value: str) -> Filter:
    """The filter of a query parameter. Raises: ServiceError if it is unknown or its value is malformed."""
    column = known.get(name)
    if column is None or not column.filterable:
        raise bad_parameter(f"Unknown parameter: {name}")
    built = _build_filter(call, column, value)
    if built is None:
        message = f"The filter {name}={value} cannot be parsed as: {column.kind}"
        raise ServiceError(500, "CMNC-018", message)
    return built


def _build_filter(call: Call, column: Column, value: str) -> Filter | None:
    text = f"{column.name}={value}"
    if column.kind in ("IDSET", "INTEGER"):
        ranges = [(0, 0)] if value == "0" else id_sets.parse(value)
        return None if ranges is None else _number_filter(column.name, ranges, text)
    if column.kind == "PERIOD":
        return _period_filter(call, column.name, value, text)
    if column.kind == "BOOLEAN":
        if value not in ("true", "false"):
            return None
        return Filter(column.name, None, lambda stored: bool(stored) == (value == "true"), text)
    if column.kind == "STRING_SET":
        return Filter(column.name, None, lambda stored: str(stored) in value.split("."), text)
    if column.kind == "SEARCH_STRING":
        needle = value.casefold()
        return Filter(column.name, None, lambda stored: _contains_text(stored, needle), text)
    return Filter(column.name, None, lambda stored: stored is not None and str(stored) == value, text)


def _number_filter(name: str, ranges: Iterable[tuple[float, float]], text: str) -> Filter:
    spans = tuple(ranges)

    def test(stored: Any) -> bool:
        values = stored if isinstance(stored, list) else [stored]
        return any(
            first <= number <= last
            for number in values
            if isinstance(number, int | float)
            for first, last in spans
        )

    return Filter(name, spans, test, text)


def _contains_text(stored: Any, needle: str) -> bool:
    values = stored if isinstance(stored, list) else [stored]
    return any(needle in str(text).casefold() for text in values if text is not None)


def _period_filter(call: Call, name: str, value: str, text: str) -> Filter | None:
    settings, zone = call.account.settings, call.account.zone
    if settings["encoded_slash"] == "reject" and "%2f" in call.raw_query.lower():
        return None
    found = zone.parse_period(value)
    if found is None:
        return None
    # INFERRED, hence a setting: whether an instant exactly on a boundary belongs to the period.
    epsilon = 0.0005
    first, last = found
    low = 1.0 if first is None else first + (0 if settings["period_start_inclusive"] else epsilon)
    high = 4e18 if last is None else last - (0 if settings["period_end_inclusive"] else epsilon)
    if first is not None and first == last:
        low, high = first, first

    def test(value: Any) -> bool:
        instant = zone.parse(value)
        return instant is not None and low <= instant <= high

    return Filter(name, ((low, high),), test, text)
