"""Durations as people write them: a whole number and a unit, such as ``30m``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from airflow_provider_brightpearl.errors import Misconfigured

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _read(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit; write it as 30m, with s, m, h or d")  # noqa: TRY004
    number, unit = value[:-1], value[-1:]
    if unit not in _UNITS or not number.isdigit():
        raise ValueError(f"{value!r} is not a duration; write a whole number and s, m, h or d, such as 30m")
    return timedelta(**{_UNITS[unit]: int(number)})


Duration = Annotated[
    timedelta, BeforeValidator(_read, json_schema_input_type=str), Field(examples=["30m", "1d"])
]


def parse_duration(name: str, text: str) -> timedelta:
    """The duration that an option or param ``name`` holds; raises ``Misconfigured`` if it is not one."""
    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise Misconfigured(f"{name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
