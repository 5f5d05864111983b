"""Phrases from which the table of expectations makes its sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_LISTED = 8


def bounds(options: Mapping[str, Any]) -> str:
    """``above 0 and at most 5`` from ``min_value``, ``max_value``, ``strict_min`` and ``strict_max``."""
    said = []
    if options.get("min_value") is not None:
        said.append(f"{'above' if options.get('strict_min') else 'at least'} {options['min_value']}")
    if options.get("max_value") is not None:
        said.append(f"{'below' if options.get('strict_max') else 'at most'} {options['max_value']}")
    return " and ".join(said)


def listed(values: Any) -> str:
    """The first few of some values."""
    values = list(values)
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return ", ".join(str(value) for value in values[:_LISTED]) + more


def of_column(text: str, *names: str) -> Callable[[Mapping[str, Any]], str]:
    """Says ``text`` of the column, with the values of these arguments behind it."""

    def say(options: Mapping[str, Any]) -> str:
        given = (options.get(name, "anything") for name in names)
        return f"{options['column']} {text}{''.join(_listed_or(value) for value in given)}"

    return say


def bounded(text: str) -> Callable[[Mapping[str, Any]], str]:
    """Says ``text`` with the column and the bounds in their places."""
    return lambda options: text.format(column=options.get("column", ""), bounds=bounds(options))


def greater(options: Mapping[str, Any]) -> str:
    """Says which column must be above which."""
    least = "at least" if options.get("or_equal") else "above"
    return f"{options['column_A']} must be {least} {options['column_B']}"


def equal(options: Mapping[str, Any]) -> str:
    """Says which two columns must be equal."""
    return f"{options['column_A']} must equal {options['column_B']}"


def _listed_or(value: Any) -> str:
    return listed(value) if isinstance(value, list | tuple | set) else str(value)
