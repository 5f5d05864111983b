"""Expectations and their failures as sentences that a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_brightpearl.gates.rules import Rule

_LONGEST = 200
_LISTED = 8


def sentence(rule: Rule) -> str:
    """What a rule demands, such as ``Quantity must be above 0 (column_values_to_be_between)``, and its ``notes``."""
    say = _SENTENCES.get(rule.name)
    said = say(rule.options) if say else _plain(rule)
    share = rule.options.get("mostly", 1)
    few = f" in at least {share:.0%} of rows" if share != 1 else ""
    notes = rule.options.get("notes")
    why = f": {notes if isinstance(notes, str) else ' '.join(notes)}" if notes else ""
    return f"{said}{few}{why} ({rule.name})"


def shown(value: Any) -> str:
    """A value for people, cut where it is long; empty for None."""
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        return ", ".join(shown(item) or "nothing" for item in value)[:_LONGEST]
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def failure(rule: Rule, value: str) -> str:
    """The sentence with what was there instead; the value comes last, so that reasons can be grouped."""
    return f"{sentence(rule)}, got {value}" if value else sentence(rule)


def bounds(options: Mapping[str, Any]) -> str:
    """``above 0 and at most 5`` from ``min_value``, ``max_value``, ``strict_min`` and ``strict_max``."""
    said = []
    if options.get("min_value") is not None:
        said.append(f"{'above' if options.get('strict_min') else 'at least'} {options['min_value']}")
    if options.get("max_value") is not None:
        said.append(f"{'below' if options.get('strict_max') else 'at most'} {options['max_value']}")
    return " and ".join(said)


def _plain(rule: Rule) -> str:
    beside = {"column", "column_A", "column_B", "column_list", "mostly", "severity", "notes"}
    given = ", ".join(f"{name} {shown(value)}" for name, value in rule.options.items() if name not in beside)
    about = ", ".join(rule.columns) or "the table"
    return f"{about} must meet the expectation{f' with {given}' if given else ''}"


def _listed(values: Any) -> str:
    values = list(values)
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return ", ".join(str(value) for value in values[:_LISTED]) + more


def _column(text: str, *names: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda options: f"{options['column']} {text}{''.join(_listed_or(options[name]) for name in names)}"


def _listed_or(value: Any) -> str:
    return _listed(value) if isinstance(value, list | tuple | set) else str(value)


def _bounded(text: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda options: text.format(column=options.get("column", ""), bounds=bounds(options))


def _greater(options: Mapping[str, Any]) -> str:
    least = "at least" if options.get("or_equal") else "above"
    return f"{options['column_A']} must be {least} {options['column_B']}"


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "column_values_to_not_be_null": _column("must not be empty"),
    "column_values_to_be_null": _column("must be empty"),
    "column_values_to_be_unique": _column("must be unique"),
    "column_values_to_be_between": _bounded("{column} must be {bounds}"),
    "column_value_lengths_to_be_between": _bounded("{column} must have {bounds} characters"),
    "column_value_lengths_to_equal": lambda options: (
        f"{options['column']} must have {options['value']} characters"
    ),
    "column_values_to_be_in_set": _column("must be one of ", "value_set"),
    "column_values_to_not_be_in_set": _column("must be none of ", "value_set"),
    "column_values_to_match_regex": _column("must match ", "regex"),
    "column_values_to_not_match_regex": _column("must not match ", "regex"),
    "column_pair_values_a_to_be_greater_than_b": _greater,
    "column_pair_values_to_be_equal": lambda options: (
        f"{options['column_A']} must equal {options['column_B']}"
    ),
    "compound_columns_to_be_unique": lambda options: (
        f"{_listed(options['column_list'])} together must be unique"
    ),
    "column_min_to_be_between": _bounded("the smallest {column} must be {bounds}"),
    "column_max_to_be_between": _bounded("the largest {column} must be {bounds}"),
    "column_mean_to_be_between": _bounded("the mean of {column} must be {bounds}"),
    "column_median_to_be_between": _bounded("the median of {column} must be {bounds}"),
    "column_sum_to_be_between": _bounded("the sum of {column} must be {bounds}"),
    "table_row_count_to_be_between": _bounded("the number of rows must be {bounds}"),
}
