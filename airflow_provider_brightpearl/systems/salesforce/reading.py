"""One reading of a stream: the fields that the org has, the query for them, and records from its rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from math import ceil
from operator import itemgetter
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.core.raw import unusable
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.systems.salesforce.answers import SYSTEM, UNREADABLE
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.pages import PAGE
from airflow_provider_brightpearl.systems.salesforce.selected import Described, Selected
from airflow_provider_brightpearl.systems.salesforce.soql import where
from airflow_provider_brightpearl.systems.salesforce.streams.stream import CUSTOM, SalesforceStream

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_ID = re.compile(r'"Id"\s*:\s*"(\w{15,18})"', re.ASCII)


class _Rows(msgspec.Struct):
    records: list[dict[str, Any]]
    totalSize: int
    nextRecordsUrl: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row that was found: its id, its record or why there is none, and the values of its own fields."""

    source_id: str
    record: bytes | Unread
    fields: Mapping[str, Any] = field(default_factory=dict)


class Reading:
    """Reads records of a stream, and counts the fewest calls that takes.

    Args:
        client: calls to the org.
        stream: what is read.
    """

    def __init__(self, client: SalesforceClient, stream: SalesforceStream) -> None:
        self.client = client
        self.stream = stream
        self.min_calls = 0
        self.batches = 0

    def count(self, object_name: str, *conditions: str) -> int:
        """How many rows of an object, deleted ones too, fulfil all conditions."""
        self.min_calls += 1
        return self.client.count(f"SELECT COUNT() FROM {object_name}{where(*conditions)}", deleted=True)  # noqa: S608

    def plain(self, object_name: str, fields: tuple[str, ...], *conditions: str) -> Iterator[dict[str, Any]]:
        """A few fields of the rows of an object, deleted ones too."""
        soql = f"SELECT {', '.join(fields)} FROM {object_name}{where(*conditions)}"  # noqa: S608
        rows = 0
        for row in self.client.query(soql, deleted=True):
            rows += 1
            if missing := [name for name in fields if name.partition(".")[0] not in row]:
                raise SchemaMismatch(
                    f"a row of {object_name} has no {missing[0]}: {row}"[:300], system=SYSTEM
                )
            yield row
        self.min_calls += max(1, ceil(rows / PAGE))

    def rows(self, *conditions: str) -> Iterator[Row]:
        """The rows of the stream's object that fulfil all conditions, deleted ones too, with their rows."""
        soql = f"SELECT {self._select} FROM {self.stream.shape.object}{where(*conditions)} ORDER BY Id"  # noqa: S608
        # one for all pages: when the org reads those after the first is not documented
        self.batches += 1
        rows = 0
        for raw in self.client.query_records(soql, deleted=True):
            rows += 1
            yield self._row(raw)
        self.min_calls += max(1, ceil(rows / PAGE))

    @cached_property
    def fields(self) -> Mapping[str, Selected]:
        """What the org has of the stream's own shape, by empty text, and of its rows, by their relationship."""
        known: dict[str, list[Described]] = {}

        def describe(name: str) -> list[Described]:
            if name not in known:
                self.min_calls += 1
                known[name] = _described(name, self.client.describe(name))
            return known[name]

        return {relation: Selected.of(shape, describe) for relation, shape in self.stream.shapes.items()}

    @cached_property
    def _select(self) -> str:
        parts = list(self.fields[""].paths())
        for relation in self.stream.children:
            # deleted rows are left out, so that a mapping sees them vanish as from any other source
            paths = ", ".join(self.fields[relation].paths())
            parts.append(f"(SELECT {paths} FROM {relation} WHERE IsDeleted = false ORDER BY Id)")  # noqa: S608
        return ", ".join(parts)

    def _row(self, raw: bytes) -> Row:
        try:
            found = _decode(raw)
        except UNREADABLE as error:
            return Row(id_in(raw), Unread(unusable(raw) or f"not the expected JSON: {error}", raw))
        source_id = full_id(str(found.get("Id"))) or id_in(raw)
        record = self.fields[""].record(found)
        for relation, children in self.stream.children.items():
            try:
                rows = list(self._children(relation, found.get(relation)))
                record[relation] = children.ordered(rows, record, itemgetter(CUSTOM))
            except UNREADABLE as error:
                return Row(source_id, Unread(f"{relation} cannot be read: {error}", raw), found)
        return Row(source_id, msgspec.json.encode(record), found)

    def _children(self, relation: str, value: Any) -> Iterator[dict[str, Any]]:
        """The rows of a record: those that came with it, then those of further pages."""
        if value is None:
            return
        first, record = msgspec.convert(value, _Rows), self.fields[relation].record
        yield from map(record, first.records)
        given, total = len(first.records), first.totalSize
        if given != total or first.nextRecordsUrl:
            self.min_calls += max(1, ceil((total - given) / PAGE))
            for raw in self.client.query_rest(first.nextRecordsUrl or "", given, total):
                yield record(_decode(raw))


def _described(name: str, answer: Mapping[str, Any]) -> list[Described]:
    try:
        return msgspec.convert(answer.get("fields"), list[Described])
    except msgspec.ValidationError as error:
        raise SchemaMismatch(f"the describe of {name} cannot be read: {error}", system=SYSTEM) from None


def id_in(raw: bytes) -> str:
    """The id in a raw row that cannot be read as a whole.

    Raises:
        SchemaMismatch: it has none.
    """
    found = _ID.search(raw.decode("utf-8", "replace"))
    source_id = full_id(found[1]) if found else None
    if source_id is None:
        raise SchemaMismatch(f"a row of the query has no readable Id: {raw[:200]!r}", system=SYSTEM)
    return source_id
