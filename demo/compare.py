"""Compares a system's records with the expected ones, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from demo.expected.records import Expected, Fields, Link, OneOf, Record, Value
from demo.found import Found


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it has to be."""

    object: str
    key: str
    field: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.object} {self.key} {self.field}: {self.found}, and has to be {self.wanted}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many records and values were held against each other, and what differs."""

    records: dict[str, int]
    values: int
    differences: tuple[Difference, ...]


def compare(wanted: Expected, found: Found) -> Comparison:
    """Every expected record and every record of ours that exists."""
    differences = [
        difference
        for object, records in wanted.records.items()
        for difference in _differences(object, records, found.records[object], found.keys)
    ]
    return Comparison(
        records={object: len(records) for object, records in wanted.records.items()},
        values=sum(len(fields) for records in wanted.records.values() for fields in records.values()),
        differences=tuple(differences),
    )


def _differences(
    object: str,
    wanted: Mapping[str, Fields],
    found: Mapping[str, Record],
    keys: Mapping[str, Mapping[str, str]],
) -> Iterator[Difference]:
    for key in sorted(wanted.keys() - found.keys()):
        yield Difference(object, key, "record", "there", "missing")
    for key in sorted(found.keys() - wanted.keys()):
        yield Difference(object, key, "record", "absent", "there")
    for key in sorted(wanted.keys() & found.keys()):
        for name, value in wanted[key].items():
            if not same(value, found[key].get(name), keys):
                yield Difference(object, key, name, repr(value), repr(found[key].get(name)))


def same(wanted: Value, found: Any, keys: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a value is the one expected; a link is followed to the key of its record."""
    if isinstance(wanted, Link):
        return keys[wanted.object].get(found) == wanted.key
    if wanted is None or found in (None, ""):
        # M3 keeps an empty text where nothing was ever sent
        return wanted is None and found in (None, "")
    if isinstance(wanted, OneOf):
        return found in wanted.values
    if isinstance(wanted, Decimal):
        return Decimal(str(found)) == wanted
    if isinstance(wanted, datetime):
        return datetime.fromisoformat(found) == wanted
    # numbers such as the category of an alias are no texts in M3
    return wanted == found or wanted == str(found)


def written(before: Found, after: Found) -> dict[str, set[str]]:
    """Per object the keys of records that were created or written between two snapshots."""
    return {
        object: {key for key, stamp in after.stamps(object).items() if was.get(key) != stamp}
        for object in after.records
        for was in [before.stamps(object)]
    }


def changed(before: Expected, after: Expected) -> dict[str, set[str]]:
    """Per object the keys of records of which something else is expected than before."""
    return {
        object: {key for key, fields in records.items() if before.records[object].get(key) != fields}
        for object, records in after.records.items()
    }
