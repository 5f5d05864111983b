"""Expectations and their failures as sentences that a person can act on."""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl.gates.rules import Rule

_LONGEST = 200


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


def _plain(rule: Rule) -> str:
    beside = {"column", "column_A", "column_B", "column_list", "mostly", "severity", "notes"}
    given = ", ".join(f"{name} {shown(value)}" for name, value in rule.options.items() if name not in beside)
    about = ", ".join(rule.columns) or "the table"
    return f"{about} must meet the expectation{f' with {given}' if given else ''}"
