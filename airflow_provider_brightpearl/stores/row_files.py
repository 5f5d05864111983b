"""Rows in files: JSON lines, Parquet or CSV, as a stream in bounded memory."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_brightpearl.errors import Misconfigured, SchemaMismatch

_BATCH = 2_000
_LINE = 64 << 20
_SETTINGS = {"memory_limit": "512MB", "threads": 2}
# types that DuckDB infers from text or decimal numbers would change digits, or drop the offset of an instant
_GUESSED = re.compile(r'"[^"]*"|\b(?:DOUBLE|TIMESTAMP WITH TIME ZONE|TIMESTAMP|DATE|TIME|UUID)\b')
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


class RowFormat(StrEnum):
    """The file formats."""

    JSONL = "jsonl"
    PARQUET = "parquet"
    CSV = "csv"


_SUFFIXES = {
    ".jsonl": RowFormat.JSONL,
    ".ndjson": RowFormat.JSONL,
    ".parquet": RowFormat.PARQUET,
    ".csv": RowFormat.CSV,
}


def format_of(name: str, given: str | None, allowed: Iterable[RowFormat] = tuple(RowFormat)) -> RowFormat:
    """The format of a file: the given one, or by the suffix of its name.

    Raises:
        Misconfigured: neither names an allowed format.
    """
    found = given or _SUFFIXES.get(Path(name).suffix.lower(), "")
    names = [str(each) for each in allowed]
    if found not in names:
        raise Misconfigured(
            f"{name}: {f'file_format {given!r}' if given else 'its suffix'} is not one of {', '.join(names)}; "
            "set file_format"
        )
    return RowFormat(found)


def read_rows(path: Path, kind: RowFormat) -> Iterator[dict[str, Any]]:
    """The rows of a local file by column: text (CSV), exact numbers as Decimal.

    Raises:
        SchemaMismatch: a line cannot be read; the message names it.
    """
    if kind is RowFormat.JSONL:
        yield from _json_rows(path)
    elif kind is RowFormat.CSV:
        yield from _csv_rows(path)
    else:
        yield from _parquet_rows(path)


def write_lines(path: Path, records: Iterable[bytes]) -> int:
    """Writes one JSON record per line; returns how many."""
    count = 0
    with path.open("wb", 1 << 20) as file:
        for count, record in enumerate(records, 1):  # noqa: B007
            file.write(record + b"\n")
    return count


def lines_to_parquet(lines: Path, target: Path, columns: Mapping[str, str] | None = None) -> None:
    """Writes JSON lines as Parquet.

    Args:
        lines: one record per line.
        target: the Parquet file.
        columns: DuckDB's type by column. Other members of a record are left out. If None, all columns are
            taken: numbers with a point as DECIMAL(38,10), instants as text.

    Raises:
        SchemaMismatch: a value does not fit its column.
    """
    import duckdb

    with duckdb.connect(config={**_SETTINGS, "temp_directory": str(target.parent)}) as connection:
        try:
            found = dict(columns) if columns else _columns(connection, lines)
            connection.execute(
                f"COPY ({_select(found)}) TO {_literal(str(target))} (FORMAT parquet)", [str(lines)]
            )
        except duckdb.Error as error:
            raise SchemaMismatch(
                f"the records do not fit one Parquet file: {str(error).splitlines()[0]}; write JSON lines instead"
            ) from None


def _columns(connection: Any, lines: Path) -> dict[str, str]:
    if not lines.stat().st_size:
        return {}
    listed = connection.execute(
        f"DESCRIBE SELECT * FROM read_json($1, format = 'newline_delimited', sample_size = -1, "
        f"maximum_object_size = {_LINE})",
        [str(lines)],
    ).fetchall()
    return {name: _GUESSED.sub(_exact, kind) for name, kind, *_ in listed}


def _exact(match: re.Match[str]) -> str:
    guessed = match.group()
    return guessed if guessed.startswith('"') else "DECIMAL(38,10)" if guessed == "DOUBLE" else "VARCHAR"


def _select(columns: Mapping[str, str]) -> str:
    if not columns:
        return "SELECT NULL::VARCHAR AS empty FROM read_text($1) WHERE false"
    listed = ", ".join(f"{_literal(name)}: {_literal(kind)}" for name, kind in columns.items())
    return (
        f"SELECT * FROM read_json($1, format = 'newline_delimited', records = true, columns = {{{listed}}}, "
        f"maximum_object_size = {_LINE})"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield _decode(line)
            except msgspec.DecodeError as error:
                raise SchemaMismatch(f"{path.name}, line {number}: not a JSON object ({error})") from None


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise SchemaMismatch(
                        f"{path.name}, line {reader.line_num}: the number of cells differs from the header's"
                    )
                yield row
        except csv.Error as error:
            raise SchemaMismatch(f"{path.name}, line {reader.line_num}: {error}") from None


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import duckdb

    with duckdb.connect(config=_SETTINGS) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            found = connection.execute("SELECT * FROM read_parquet($1)", [str(path)])
        except duckdb.Error as error:
            raise SchemaMismatch(f"{path.name}: {str(error).splitlines()[0]}") from None
        names = [column[0] for column in found.description]
        while batch := found.fetchmany(_BATCH):
            yield from (dict(zip(names, row, strict=True)) for row in batch)
