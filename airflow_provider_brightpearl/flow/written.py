"""The values that a flow file itself names for the fields it writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from airflow_provider_brightpearl.core.drift import Written
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec

_TEXT = r"'((?:[^']|'')*)'"
# texts that are what an expression gives: all of it, a branch, or what stands for nothing
_GIVEN = re.compile(
    rf"^\s*{_TEXT}\s*$|\b(?:then|else)\s+{_TEXT}|^\s*coalesce\(.*,\s*{_TEXT}\s*\)\s*$", re.I | re.S
)
_LOOKUP = re.compile(r"\blookup\(\s*'(\w+)'")
# of these the outcome is that of what they hold
_PASSING_ON = re.compile(r"^\s*(?:lookup|coalesce|case|if)\b", re.I)


def written_values(flow: FlowSpec, tables: Mapping[str, LookupTable]) -> dict[str, Written]:
    """By object of a flow file, the fields that it writes, with the values that its texts and lookups name.

    Columns of the source may bring others. ``tables`` are the lookups by name; those that are missing name no value.
    """
    return {
        name: Written(
            {
                field: frozenset(_values(text, tables))
                | ({spec.set_last[field]} if field in spec.set_last else set())
                for field, text in {**spec.key, **dict.fromkeys(spec.parent, ""), **spec.fields}.items()
            },
            spec.key_field,
        )
        for name, spec in flow.objects.items()
    }


def _values(expression: str, tables: Mapping[str, LookupTable]) -> Iterator[str]:
    for found in _GIVEN.findall(expression):
        yield from (text.replace("''", "'") for text in found if text)
    for name in _LOOKUP.findall(expression) if _PASSING_ON.match(expression) else ():
        if table := tables.get(name):
            yield from filter(None, (*table.values.values(), table.default))
