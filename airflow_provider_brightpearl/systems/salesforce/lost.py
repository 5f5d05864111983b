"""Rows that the org no longer has, deleted or merged into others: refusals raise the suspicion, a query settles it.

A merge deletes the loser, moves what refers to it to the survivor, and keeps the survivor's id in ``MasterRecordId``
for as long as the loser lies in the recycle bin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from more_itertools import chunked
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, Lost, RecordChange, RowResult
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.rows import decoded, raw
from airflow_provider_brightpearl.systems.salesforce.soql import KEYS_ASKED, listed

MERGEABLE = ("Account", "Contact", "Lead")
# the last two: what is sent of a bound row is too little to create it anew; a parent of the same record is not found
_SUSPECT = (
    "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    "REQUIRED_FIELD_MISSING", "Foreign key external ID",
)  # fmt: skip
_QUOTED_ID = 20


def refused_as_lost(result: RowResult) -> bool:
    """Whether a row may have been refused because it, or one it refers to, was deleted."""
    return result.refused and any(text in result.reason for text in _SUSPECT)


class LostRows:
    """What the org no longer has of the rows of these records, and of those that they refer to.

    Args:
        client: calls to the org: one that lists its objects, and one query for some hundred rows of each.
        records: what was refused.
    """

    def __init__(self, client: SalesforceClient, records: Sequence[RecordChange]) -> None:
        ids = {named for record in records for change in record.changes for _, named in _ids_of(change)}
        lost = find_lost(client, ids) if ids else {}
        self.of = {record.source_id: tuple(_lost_of(record, lost)) for record in records}

    def followed(self, record: RecordChange) -> RecordChange | None:
        """The record with survivors in place of what it refers to; None where that does not mend it."""
        lost = self.of[record.source_id]
        if not lost or not all(each.field and each.moved_to for each in lost):
            return None
        moved = {(each.object, each.field): each.moved_to for each in lost}
        return replace(record, changes=tuple(_moved(change, moved) for change in record.changes))

    def noted(self, result: RowResult) -> RowResult:
        """The result with what its record has lost."""
        return replace(result, lost=self.of.get(result.source_id, ()))


def find_lost(client: SalesforceClient, ids: Iterable[str]) -> dict[str, str]:
    """Those of the ids whose rows the org does not have, with that of the row they were merged into, or empty."""
    names = {str(each["keyPrefix"]): str(each["name"]) for each in client.objects()}
    by_object: dict[str, list[str]] = {}
    for each in sorted(set(ids)):
        if name := names.get(each[:3]):
            by_object.setdefault(name, []).append(each)
    found: dict[str, str] = {}
    for name, some in by_object.items():
        found |= survivors(client, name, some) if name in MERGEABLE else _missing(client, name, some)
    return found


def survivors(client: SalesforceClient, name: str, ids: Sequence[str]) -> dict[str, str]:
    """Those of the ids of an object that are deleted, with the survivor of their merges, or empty."""
    there: set[str] = set()
    moved: dict[str, str] = {}
    for chunk in chunked(ids, KEYS_ASKED):
        soql = f"SELECT Id, IsDeleted, MasterRecordId FROM {name} WHERE Id IN {listed(chunk)}"  # noqa: S608
        for row in client.query(soql, deleted=True):
            if row["IsDeleted"]:
                moved[str(row["Id"])] = str(row["MasterRecordId"] or "")
            else:
                there.add(str(row["Id"]))
    # a survivor may have lost a later merge
    heirs = sorted({each for each in moved.values() if each})
    further = survivors(client, name, heirs) if heirs else {}
    lost = {each: moved.get(each, "") for each in ids if each not in there}
    return {each: further.get(heir, heir) for each, heir in lost.items()}


def _missing(client: SalesforceClient, name: str, ids: Sequence[str]) -> dict[str, str]:
    there = {
        str(row["Id"])
        for chunk in chunked(ids, KEYS_ASKED)
        for row in client.query(f"SELECT Id FROM {name} WHERE Id IN {listed(chunk)}")  # noqa: S608
    }
    return {each: "" for each in ids if each not in there}


def _lost_of(record: RecordChange, lost: Mapping[str, str]) -> Iterator[Lost]:
    for change in record.changes:
        for name, named in _ids_of(change):
            if named in lost:
                yield Lost(change.object, name, named, lost[named])


def _ids_of(change: Change) -> Iterator[tuple[str, str]]:
    """The id of a bound row, without a field, and those that its fields hold."""
    if change.target_id:
        yield "", change.target_id
    for name, value in decoded(change.payload).items():
        text = bytes(value)
        if len(text) == _QUOTED_ID and text[:1] == b'"' and (named := full_id(text[1:-1].decode())):
            yield name, named


def _moved(change: Change, moved: Mapping[tuple[str, str], str]) -> Change:
    fields = decoded(change.payload)
    heirs = {name: raw(moved[change.object, name]) for name in fields if (change.object, name) in moved}
    if not heirs:
        return change
    return replace(change, payload=msgspec.json.encode({**fields, **heirs}).decode())
