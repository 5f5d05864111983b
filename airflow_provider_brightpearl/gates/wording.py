"""Expectations and their failures as sentences that a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_brightpearl.gates.rules import Rule

_LONGEST = 200
_LISTED = 8


def sentence(rule: Rule) -> str:
    """What a rule demands, such as ``Quantity must be above 0 (column_values_to_be_between)``, and its ``notes``."""
    said = rule.known.says(rule.options) if rule.known else _plain(rule)
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
    """Says which column has to be above which."""
    least = "at least" if options.get("or_equal") else "above"
    return f"{options['column_A']} must be {least} {options['column_B']}"


def equal(options: Mapping[str, Any]) -> str:
    """Says which two columns have to be equal."""
    return f"{options['column_A']} must equal {options['column_B']}"


def _listed_or(value: Any) -> str:
    return listed(value) if isinstance(value, list | tuple | set) else str(value)
