"""Durations as people write them: a whole number and a unit, such as ``30m``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from airflow_provider_brightpearl.errors import Misconfigured

_FORM = re.compile("([0-9]+)([smhd])")
_LONGEST = timedelta(days=36_500)
_DIGITS = 10
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _read(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit; write it as 30m, with s, m, h or d")  # noqa: TRY004
    found = _FORM.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is not a duration; write a whole number and s, m, h or d, such as 30m")
    # a longer one is a typo, and no instant lies so long ago
    unit = timedelta(**{_UNITS[found[2]]: 1})
    if len(found[1]) > _DIGITS or int(found[1]) > _LONGEST // unit:
        raise ValueError(f"{value!r} is too long; write {_LONGEST.days}d at most")
    return int(found[1]) * unit


Duration = Annotated[
    timedelta, BeforeValidator(_read, json_schema_input_type=str), Field(examples=["30m", "1d"])
]


def parse_duration(name: str, text: str) -> timedelta:
    """The duration that an option or param ``name`` holds; raises ``Misconfigured`` if it is not one."""
    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise Misconfigured(f"{name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
