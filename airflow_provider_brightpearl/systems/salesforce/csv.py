"""Rows as the CSV of Bulk API 2.0, from JSON text and back, digits untouched.

An empty cell means "leave alone" there and ``#N/A`` means null, which is what null and "" mean in JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

NULL = "#N/A"
# every number with a point stays the text it is
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode


def files(rows: Sequence[str], key_field: str, limit: int) -> Iterator[tuple[bytes, int]]:
    """CSV files of at most ``limit`` bytes with their row counts; each has the same header, the key first."""
    columns = _columns(rows, key_field)
    header = _line(columns)
    parts, size = [header], len(header)
    for row in rows:
        cells = _cells(_decode(row), columns)
        line = _line([cells.get(column, "") for column in columns])
        if size + len(line) > limit and len(parts) > 1:
            yield b"".join(parts), len(parts) - 1
            parts, size = [header], len(header)
        parts.append(line)
        size += len(line)
    if len(parts) > 1:
        yield b"".join(parts), len(parts) - 1


def read(text: str) -> list[dict[str, str]]:
    """The rows of a result file by column name."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _columns(rows: Iterable[str], key_field: str) -> list[str]:
    names: dict[str, None] = {key_field: None}
    for row in rows:
        names.update(dict.fromkeys(_flat(_decode(row))))
    # a relationship that is null in some rows and set in others is one column, that of its key
    parents = {name.partition(".")[0] for name in names if "." in name}
    return [name for name in names if name not in parents]


def _flat(record: dict[str, Any]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            cells.update({f"{name}.{inner}": _cell(part) for inner, part in value.items()})
        else:
            cells[name] = _cell(value)
    return cells


def _cells(record: dict[str, Any], columns: Sequence[str]) -> dict[str, str]:
    cells = _flat(record)
    for name in [name for name, value in record.items() if value is None]:
        cells.update({column: NULL for column in columns if column.startswith(f"{name}.")})
    return cells


def _cell(value: Any) -> str:
    if value is None or value == "":
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        raise TypeError(f"a bulk row cannot hold a {type(value).__name__}")
    return str(value)


def _line(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode()
