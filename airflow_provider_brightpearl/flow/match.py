"""What identifies a row that the target has already: ``match`` of an object."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field


def _fields(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _once(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError(f"{' and '.join(value)}: names a field twice")
    return value


# one field, or several that have to agree
MatchRule = Annotated[
    list[Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")]],
    BeforeValidator(_fields, json_schema_input_type=str | list[str]),
    Field(min_length=1),
    AfterValidator(_once),
]


def rule_text(rule: list[str] | tuple[str, ...]) -> str:
    """A rule for people: ``primaryEmail``, ``lastName and companyName``."""
    *some, last = rule
    return f"{', '.join(some)} and {last}" if some else last
