"""Values put in the place of a record's own: JSON merge patches (RFC 7396), and whether a record is still the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.schema import Column, ListOf, MapOf

# numbers pass as they were written
EXACT = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def decode(text: str | bytes) -> Any:
    """A JSON text, its numbers exact."""
    return _DECODER.decode(text)


def merged(value: Any, patch: Any) -> Any:
    """A value with a merge patch applied: objects member by member, where null removes one; all else as a whole."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), change)
    return result


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that makes one object of another; nulls that only the second has are left out."""
    patch: dict[str, Any] = {}
    for name in [*before, *(each for each in after if each not in before)]:
        old, new = before.get(name), after.get(name)
        if name not in after:
            patch[name] = None
        elif new != old or name not in before:
            both = isinstance(old, dict) and isinstance(new, dict)
            patch[name] = difference(old, new) if both else new  # type: ignore[arg-type]
    return patch


def patch_of(record: Any, place: str, value: Any) -> dict[str, Any]:
    """The patch that puts a value in one place of a record.

    Args:
        record: the record.
        place: names with dots between, numbers from 0 for entries of lists.
        value: the value; None removes a member.

    Raises:
        LookupError: there is no such list entry, or the place lies within a plain value; the message says which.
    """
    patch: dict[str, Any] = _within(record, place.split("."), value, place)
    return patch


def _within(holder: Any, steps: list[str], value: Any, place: str) -> Any:
    if not steps:
        return value
    name, rest = steps[0], steps[1:]
    if isinstance(holder, list):
        if not name.isdigit() or int(name) >= len(holder):
            raise LookupError(f"{place}: the list has entries 0 to {len(holder) - 1}, not {name}")
        # a merge patch replaces a list as a whole
        changed = list(holder)
        changed[int(name)] = merged(changed[int(name)], _within(changed[int(name)], rest, value, place))
        return changed
    if holder is not None and not isinstance(holder, dict):
        raise LookupError(f"{place}: {name!r} lies within the plain value {holder!r}")
    return {name: _within((holder or {}).get(name), rest, value, place)}


def places(patch: Any, place: str = "") -> list[str]:
    """The places that a merge patch changes, with dots."""
    if not isinstance(patch, dict) or (place and not patch):
        return [place]
    return [
        each for name, value in patch.items() for each in places(value, f"{place}.{name}" if place else name)
    ]


def at(record: Any, place: str) -> Any:
    """The value at a place with dots, None where there is none."""
    for name in place.split("."):
        if isinstance(record, list):
            record = record[int(name)] if name.isdigit() and int(name) < len(record) else None
        else:
            record = record.get(name) if isinstance(record, dict) else None
    return record


def read_by(record: Any, column: Column, without: Collection[str] = ()) -> Any:
    """What of a record lies in columns, so that two readings of it compare equal where only the rest differs.

    ``without`` are names of members that count for nothing, wherever they are.
    """
    if isinstance(column, MapOf | ListOf) and isinstance(record, dict | list):
        entries: Iterable[Any] = record.items() if isinstance(record, dict) else enumerate(record)
        return {str(name): read_by(entry, column.entry, without) for name, entry in entries}
    if not isinstance(record, dict):
        return record
    if isinstance(column, str | MapOf | ListOf):
        return {name: value for name, value in record.items() if name not in without}
    known = {name: inner for name, inner in column.items() if name not in without}
    return {name: read_by(record.get(name), inner, without) for name, inner in known.items()}
