"""The extra of a connection, read so that a mistake in it is one sentence: connection, field, what to change."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_brightpearl.errors import Misconfigured

_PREFIX = "extra__"


@dataclass(frozen=True, slots=True)
class Extra:
    """What a connection's extra holds; values may be secrets, so no message repeats one that is not named harmless."""

    conn_id: str
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, connection: Any) -> Extra:
        """The extra of an Airflow connection; names with Airflow's old prefix ``extra__<type>__`` count too.

        Raises:
            Misconfigured: it is not one JSON object.
        """
        place = f"connection {connection.conn_id}: extra"
        try:
            found = json.loads(connection.extra) if connection.extra else {}
        except ValueError as error:
            raise Misconfigured(f"{place} is not JSON: {_where(error)}; write one JSON object") from None
        if isinstance(found, str):
            raise Misconfigured(f"{place} is JSON in a text, encoded twice: write the JSON object itself")
        if not isinstance(found, dict):
            raise Misconfigured(f"{place} is a {_kind(found)}; write one JSON object")
        prefix = f"{_PREFIX}{connection.conn_type}__"
        old = {name.removeprefix(prefix): found[name] for name in found if name.startswith(prefix)}
        # what masks secrets in logs, as reading it through Airflow does
        try:
            _ = connection.extra_dejson
        except UnicodeEncodeError:
            # the masker of Airflow 2.11 takes whole characters only
            raise Misconfigured(f"{place} holds half a character; write that value anew") from None
        return cls(str(connection.conn_id), old | found)

    def text(self, name: str) -> str:
        """A value as text without blanks around it, empty where it is missing.

        Raises:
            Misconfigured: it is a list, an object, or true or false, or cannot be sent.
        """
        value = self.values.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(name, f"is a {_kind(value)}; write text")
        text = str(value).strip()
        if not is_unicode(text):
            raise self.wrong(name, "holds half a character; write it anew")
        return text

    def required(self, name: str) -> str:
        """A value as text.

        Raises:
            Misconfigured: it is missing, or no text.
        """
        if not (text := self.text(name)):
            raise self.wrong(name, "is missing")
        return text

    def number(self, name: str, default: float, least: float = 0.0) -> float:
        """A number, also one that is written as text; ``default`` where it is missing.

        Raises:
            Misconfigured: it is no finite number of at least ``least``.
        """
        text = self.text(name)
        try:
            value = float(text) if text else default
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= least):
            raise self.wrong(name, f"{text!r} is not a valid number; write {default:g}, for example")
        return value

    def wrong(self, name: str, problem: str) -> Misconfigured:
        """The error for one value."""
        return Misconfigured(f"connection {self.conn_id}: extra {name} {problem}")


def is_unicode(text: str) -> bool:
    """Whether a text can be sent: JSON and command lines may hold one half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    names = {bool: "true or false", dict: "JSON object", list: "list", type(None): "null"}
    return names.get(type(value), "number")


def _where(error: ValueError) -> str:
    return (
        f"{error.msg} at line {error.lineno}, column {error.colno}"
        if isinstance(error, json.JSONDecodeError)
        else "it cannot be read"
    )
