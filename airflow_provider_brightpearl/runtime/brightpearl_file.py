"""Records of a Brightpearl account as a file: a stream, the rows of a search, or the records that it finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from more_itertools import chunked
from upath import UPath

from airflow_provider_brightpearl.core.schema import sql_type
from airflow_provider_brightpearl.core.window import Selection, Window, parse_instant
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores.files import whole_file
from airflow_provider_brightpearl.stores.row_files import RowFormat, format_of, lines_to_parquet, write_lines
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.complete import record_id
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from airflow_provider_brightpearl.systems.brightpearl.streams.table import STREAMS

_FORMATS = (RowFormat.JSONL, RowFormat.PARQUET)
_NAMED = 100
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records: of a ``stream`` by ids or by a window of ISO 8601 instants, or of a ``search``."""

    stream: str = ""
    ids: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    search: str = ""
    columns: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    resource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raises ``Misconfigured`` where the parameters do not go together."""
        if bool(self.stream) == bool(self.search):
            raise Misconfigured("give either stream or search")
        if self.stream and self.stream not in STREAMS:
            raise Misconfigured(f"stream {self.stream!r} must be one of {', '.join(STREAMS)}")
        if self.stream and (self.columns or self.filters or self.resource or self.query):
            raise Misconfigured("columns, filters, resource and query are for a search, not for a stream")
        if self.search and (self.ids or self.start or self.end):
            raise Misconfigured("ids, start and end are for a stream; use filters for a search")
        if self.search and not self.columns:
            raise Misconfigured("columns is missing: name at least the id column of the search")
        if self.ids and (self.start or self.end):
            raise Misconfigured("give ids, or start and end, not both")

    def selection(self, now: datetime) -> Selection:
        """The records of the stream; all of them where neither ids nor a window is given."""
        if self.start is None and self.end is None:
            return Selection(window=None, full_resync=True)
        start, end = (None if text is None else _instant(text) for text in (self.start, self.end))
        return Selection(window=Window(start, end or now))


def write_file(
    client: BrightpearlClient, wanted: Wanted, target: UPath, file_format: str | None
) -> dict[str, Any]:
    """Writes the records to a file, whole or not at all, in bounded memory.

    Args:
        client: calls to the account.
        wanted: which records.
        target: the file; one that exists is replaced.
        file_format: ``jsonl`` or ``parquet``; by the suffix of ``target`` if None.

    Returns:
        ``path``, ``records``, and ``missing``: up to 100 ids without a record.

    Raises:
        Misconfigured: the parameters do not go together.
        SchemaMismatch: a record does not fit the columns of a Parquet file.
    """
    wanted.check()
    kind = format_of(target.name, file_format, _FORMATS)
    missing: list[str] = []
    records = _records(client, wanted, missing)
    with whole_file(target) as file:
        if kind is RowFormat.JSONL:
            count = write_lines(file, records)
        else:
            count = _write_parquet(file, records, _types(wanted))
    return {"path": str(target), "records": count, "missing": missing}


def _write_parquet(file: Path, records: Iterator[bytes], types: Mapping[str, str] | None) -> int:
    with TemporaryDirectory(dir=file.parent) as folder:
        lines = Path(folder) / "records.jsonl"
        count = write_lines(lines, records)
        lines_to_parquet(lines, file, types)
    return count


def _records(client: BrightpearlClient, wanted: Wanted, missing: list[str]) -> Iterator[bytes]:
    if wanted.stream:
        source = BrightpearlSource(client, wanted.stream)
        found = (
            source.read_ids(wanted.ids) if wanted.ids else source.read(wanted.selection(datetime.now(UTC)))
        )
        for source_id, record in found:
            if isinstance(record, bytes):
                yield record
            elif len(missing) < _NAMED:
                missing.append(source_id)
        return
    rows = client.search(
        wanted.search, columns=wanted.columns, filters=wanted.filters, sort=wanted.columns[0]
    )
    if not wanted.resource:
        yield from (_encode(row) for row in rows)
        return
    for ids in chunked((int(row[wanted.columns[0]]) for row in rows), 10 * MAX_IDS):
        left, nameless = dict.fromkeys(ids), 0
        for record in client.get_records(wanted.resource, ids, params=wanted.query):
            number = record_id(record, "id") or record_id(record, wanted.columns[0])
            nameless += number is None
            left.pop(number or 0, None)
            yield record
        # which one a record without an id is, nobody can say
        names = (
            [f"{len(left) - nameless} of {ids[0]} to {ids[-1]}"] if nameless else [str(each) for each in left]
        )
        missing += names[: _NAMED - len(missing)] if len(left) > nameless else []


def _types(wanted: Wanted) -> dict[str, str] | None:
    if not wanted.stream:
        return None
    return {
        name: sql_type(column, raw=False) for name, column in STREAMS[wanted.stream].schema.columns.items()
    }


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError:
        raise Misconfigured(f"{text!r} is not a valid timestamp; use ISO 8601") from None
