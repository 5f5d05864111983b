"""Holds what is in Salesforce against what has to be there, record by record and field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from demo.expected import Expected, Link, Record, Value

KEYS = {
    "Account": "Brightpearl_Id__c",
    "Contact": "Brightpearl_Id__c",
    "Product2": "Brightpearl_Id__c",
    "PricebookEntry": "Brightpearl_Id__c",
    "Order": "Brightpearl_Order_Id__c",
    "OrderItem": "Brightpearl_Row_Id__c",
    "Pricebook2": "Name",
}


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


def compare(wanted: Expected, target: Mapping[str, list[Record]]) -> Comparison:
    """Every expected record and every record that carries a Brightpearl key.

    Args:
        wanted: what has to be there.
        target: all records of Salesforce, by object.
    """
    keys = {
        object: {record["Id"]: record[key] for record in target[object] if record[key]}
        for object, key in KEYS.items()
    }
    found = {
        object: {record[KEYS[object]]: record for record in target[object] if record[KEYS[object]]}
        for object in wanted.records
    }
    differences = [
        difference
        for object, records in wanted.records.items()
        for difference in _differences(object, records, found[object], keys)
    ]
    return Comparison(
        records={object: len(records) for object, records in wanted.records.items()},
        values=sum(len(fields) for records in wanted.records.values() for fields in records.values()),
        differences=tuple(differences),
    )


def _differences(
    object: str,
    wanted: Mapping[str, Mapping[str, Value]],
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
    """Whether a value of Salesforce is the one expected; a link is followed to the key of its record."""
    if isinstance(wanted, Link):
        return keys[wanted.object].get(found) == wanted.key
    if isinstance(wanted, Decimal):
        return found is not None and Decimal(str(found)) == wanted
    return bool(wanted == found)


def written(before: Mapping[str, list[Record]], after: Mapping[str, list[Record]]) -> dict[str, set[str]]:
    """Per object the keys of records that were created or written between two snapshots."""
    result = {}
    for object, key in KEYS.items():
        stamps = {record["Id"]: record["SystemModstamp"] for record in before[object]}
        result[object] = {
            record[key] for record in after[object] if stamps.get(record["Id"]) != record["SystemModstamp"]
        }
    return result
