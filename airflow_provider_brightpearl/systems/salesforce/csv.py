"""Rows as the CSV of Bulk API 2.0, from JSON text and back, digits untouched.

An empty cell means "leave alone" there and ``#N/A`` means null, which is what null and "" mean in JSON. DuckDB would
write the same file, but it reads JSON numbers as floating point: 10.10 would go out as 10.1.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

NULL = "#N/A"
# a row may have so many characters, and Python's reader refuses cells of more than 131,072
_LONGEST_CELL = 400_000
# every number with a point stays the text it is
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode


def files(rows: Sequence[str], key_field: str, limit: int) -> Iterator[tuple[bytes, int]]:
    """CSV files of at most ``limit`` bytes with their row counts; each has the same header, the key first."""
    columns = _columns(rows, key_field)
    # the columns of a relationship are null where the relationship is
    inner: dict[str, list[str]] = {}
    for name in columns:
        inner.setdefault(name.partition(".")[0], []).append(name)
    lines: list[str] = []
    write = csv.writer(_Lines(lines), lineterminator="\n").writerow
    write(columns)
    header = lines.pop().encode()
    parts, size = [header], len(header)
    for row in rows:
        cells = _cells(_decode(row), inner)
        write([cells.get(column, "") for column in columns])
        line = lines.pop().encode()
        if size + len(line) > limit and len(parts) > 1:
            yield b"".join(parts), len(parts) - 1
            parts, size = [header], len(header)
        parts.append(line)
        size += len(line)
    if len(parts) > 1:
        yield b"".join(parts), len(parts) - 1


def has_null_text(row: str) -> bool:
    """Whether a row holds a text that a CSV file would give as null, and so cannot go in one; JSON without blanks."""
    return f'"{NULL}"' in row


def read(text: str) -> list[dict[str, str]]:
    """The rows of a result file by column name."""
    return list(rows(text))


def rows(text: str) -> Iterator[dict[str, str]]:
    """The same one by one."""
    _allow_long_cells()
    return csv.DictReader(io.StringIO(text, newline=""))


def count(text: str) -> int:
    """How many rows a result file has."""
    _allow_long_cells()
    # the reader skips empty lines only where it names columns
    return max(0, sum(1 for row in csv.reader(io.StringIO(text, newline="")) if row) - 1)


def pick(text: str, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells of two or more columns of a result file, row by row; much faster than ``read``.

    Cells of columns that the file lacks are empty.

    Raises:
        ValueError: a row has not as many cells as the header, as in a file that was cut.
    """
    _allow_long_cells()
    # an empty line is no row, here as in ``count``
    lines = filter(None, csv.reader(io.StringIO(text, newline="")))
    header = next(lines, [])
    width = len(header)
    chosen = itemgetter(*(header.index(name) if name in header else width for name in names))
    found = []
    for row in lines:
        if len(row) != width:
            raise ValueError(f"a result row with {len(row)} cells of {width}")
        row.append("")
        found.append(chosen(row))
    return found


def _allow_long_cells() -> None:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))


class _Lines:
    """What Python's writer writes a row to, as one text a row."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def _columns(rows: Iterable[str], key_field: str) -> list[str]:
    names: dict[str, None] = {key_field: None}
    # most rows have the fields of the row before them
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        record = _decode(row)
        shape = (
            *record,
            *(part for value in record.values() if value.__class__ is dict for part in ("", *value)),
        )
        if shape not in seen:
            seen.add(shape)
            names.update(dict.fromkeys(_names(record)))
    # a relationship that is null in some rows and set in others is one column, that of its key
    parents = {name.partition(".")[0] for name in names if "." in name}
    return [name for name in names if name not in parents]


def _names(record: dict[str, Any]) -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name


def _cells(record: dict[str, Any], inner: Mapping[str, Sequence[str]]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, value in record.items():
        if value.__class__ is str:
            cells[name] = value or NULL
        elif isinstance(value, dict):
            cells.update({f"{name}.{part}": _cell(each) for part, each in value.items()})
        else:
            cell = _cell(value)
            for column in inner.get(name, ()):
                cells[column] = cell
    return cells


def _cell(value: Any) -> str:
    if value is None or value == "":
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        raise TypeError(f"a bulk row cannot hold a {type(value).__name__}")
    return str(value)
