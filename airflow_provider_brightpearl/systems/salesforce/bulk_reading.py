"""Reads a stream by bulk queries, one for each object: rows wait on disk for the record that they belong to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.core.raw import unusable
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.systems.salesforce.answers import SYSTEM
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.reading import Reading, Row
from airflow_provider_brightpearl.systems.salesforce.soql import where
from airflow_provider_brightpearl.systems.salesforce.spool import Spool, spool
from airflow_provider_brightpearl.systems.salesforce.streams.stream import CUSTOM

Conditions = Callable[[str], Sequence[str]]
"""The conditions of a selection, of fields behind the name of a relationship or, where it is empty, of own fields."""

# rows a call; the text of a page is in memory at a time
PAGE = 50_000
_CHUNK = 500


def bulk_rows(reading: Reading, conditions: Conditions) -> Iterator[Row]:
    """The rows of a stream's object that fulfil the conditions, deleted ones too, with their rows; in no given order.

    Raises:
        SyncError: as for ``SalesforceClient.bulk_query``.
    """
    reading.batches += 1
    with spool() as kept:
        for relation in reading.stream.children:
            kept.fill(relation, _children(reading, relation, conditions))
        kept.close()
        found = _query(reading, "", conditions(""))
        for some in chunked(found, _CHUNK):
            yield from _joined(reading, some, kept)


def min_calls(rows: int) -> int:
    """The fewest calls of a bulk query: its creation, one look, and its pages."""
    return 2 + max(1, ceil(rows / PAGE))


def _children(reading: Reading, relation: str, conditions: Conditions) -> Iterator[tuple[str, str, bytes]]:
    children = reading.stream.children[relation]
    kept = ("IsDeleted = false", *conditions(f"{children.parent}."))
    for row in _query(reading, relation, kept, children.lookup):
        if row[children.lookup]:
            yield row[children.lookup], row["Id"], _encoded(reading.fields[relation].record(row))


def _query(
    reading: Reading, relation: str, conditions: Sequence[str], *fields: str
) -> Iterator[dict[str, Any]]:
    """Rows with the fields of a shape and others, nested as pages give them."""
    paths = dict.fromkeys((*reading.fields[relation].paths(), *fields))
    object_name = reading.stream.shapes[relation].object
    soql = f"SELECT {', '.join(paths)} FROM {object_name}{where(*conditions)}"  # noqa: S608
    rows = 0
    for row in reading.client.bulk_query(soql, deleted=True, page=PAGE):
        rows += 1
        if missing := [path for path in paths if row.get(path) is None]:
            raise SchemaMismatch(f"a row of a bulk query has no {missing[0]}: {row}"[:300], system=SYSTEM)
        yield _nested(row)
    reading.min_calls += min_calls(rows)


def _joined(reading: Reading, found: Sequence[Mapping[str, Any]], kept: Spool) -> Iterator[Row]:
    rows = kept.rows_of([str(row["Id"]) for row in found])
    for row in found:
        source_id = full_id(str(row["Id"]))
        if source_id is None:
            raise SchemaMismatch(f"a row of a bulk query has no readable Id: {row['Id']}", system=SYSTEM)
        record = reading.fields[""].record(row)
        parts: dict[str, bytes] = {}
        for relation, children in reading.stream.children.items():
            mine: list[bytes] = rows.get((relation, row["Id"]), [])
            ordered: list[bytes] = children.ordered(mine, record, _custom_of)
            parts[relation] = b"[" + b",".join(ordered) + b"]"
        members = b"".join(b',"' + name.encode() + b'":' + part for name, part in parts.items())
        raw = _encoded(record)[:-1] + members + b"}"
        problem = unusable(raw)
        yield Row(source_id, Unread(problem, raw) if problem else raw, row)


def _nested(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of a bulk query as a page gives it: parents nested, empty text as null."""
    found: dict[str, Any] = {}
    for column, cell in row.items():
        *parents, name = column.split(".")
        inner = found
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = cell or None
    return found


def _custom_of(row: bytes) -> Mapping[str, Any]:
    """The custom fields of the JSON text of a row."""
    found: Mapping[str, Any] = json.loads(row.decode("utf-8", "surrogateescape"))[CUSTOM]
    return found


def _encoded(record: Mapping[str, Any]) -> bytes:
    """The JSON text of a record, bytes in it that are not UTF-8 unchanged."""
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:
        return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogateescape")
