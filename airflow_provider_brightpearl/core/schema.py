"""The typed columns of a stream, and paths through them.

A schema is a mapping of names to column types in DuckDB's notation (``"DECIMAL(18,4)"``), to a nested schema, or to
``MapOf`` / ``ListOf`` a nested schema. Only text and what is cast from text: ``VARCHAR``, ``BIGINT``, ``DECIMAL``,
``BOOLEAN``, ``DATE``, ``TIMESTAMPTZ``, and ``JSON`` or ``NAMED_JSON`` for parts whose keys differ per account.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Union

NAMED_JSON = "JSON OBJECT"
"""A JSON object that holds every member it can have, empty ones as null: one that is missing has a wrong name."""

Column = Union[str, "Schema", "MapOf", "ListOf"]
Schema = Mapping[str, "Column"]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A JSON object whose keys are ids; each value has this schema."""

    entry: Schema


@dataclass(frozen=True, slots=True)
class ListOf:
    """A JSON array; each element has this schema."""

    entry: Schema


@dataclass(frozen=True, slots=True)
class StreamSchema:
    """The columns of a stream and the path of the id that names a record.

    ``version``: columns of which the first with a value grows with each change of a record; none where it has none.
    ``created``: likewise, when the source created a record. ``author``: the column that says who changed a record last,
    empty where it has none. ``merged_into``: the column that names the survivor of a record that was merged, likewise.
    """

    id_column: str
    columns: Schema
    version: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    author: str = ""
    merged_into: str = ""


class UnknownColumn(LookupError):
    """A path leads nowhere; the message names the valid columns."""


def find(schema: Schema, path: Path) -> Column:
    """The column at the end of a path.

    Raises:
        UnknownColumn: with the names known at that place and the closest one.
    """
    column: Column = schema
    for depth, name in enumerate(path):
        if not isinstance(column, Mapping):
            raise UnknownColumn(_not_a_record(path[:depth], column))
        if name not in column:
            raise UnknownColumn(_unknown(path[:depth], name, column))
        column = column[name]
    return column


def _not_a_record(path: Path, column: Column) -> str:
    place = ".".join(path)
    if isinstance(column, (MapOf, ListOf)):
        return f"{place} holds many rows; use it as rows: of an object, or in sum_rows({place}, row....)"
    return f"{place} is a single {column} and has nothing below it"


def _unknown(path: Path, name: str, known: Schema) -> str:
    place = f" in {'.'.join(path)}" if path else ""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else "."
    return f"unknown column {name}{place}{hint} Known: {', '.join(known)}"


def leaves(column: Column, path: Path = ()) -> Iterable[tuple[Path, str]]:
    """Every single-valued column below this one, with its path; maps and lists are not entered."""
    if isinstance(column, str):
        yield path, column
    elif isinstance(column, Mapping):
        for name, inner in column.items():
            yield from leaves(inner, (*path, name))


def expression_columns(column: Column, path: str = "") -> Iterable[tuple[str, str]]:
    """Every column below this one as an expression names it, with its type.

    A map or list is named itself, then what its entries hold, as ``<path>[].<name>``; in ``rows:`` and ``sum_rows``
    an entry is called ``row``.
    """
    if isinstance(column, str):
        yield path, column
        return
    if isinstance(column, (MapOf, ListOf)):
        yield path, "MAP of rows by id" if isinstance(column, MapOf) else "LIST of rows"
        path, column = f"{path}[]", column.entry
    for name, inner in column.items():
        yield from expression_columns(inner, f"{path}.{name}" if path else name)


def prune(schema: Schema, paths: Iterable[Path]) -> Schema:
    """The part of a schema that the given paths use; a path to a nested schema keeps all of it.

    A path may enter the rows of a map or list: ``("orderRows", "row", "productId")`` with ``row`` as the step inside.
    """
    wanted: dict[str, list[Path]] = {}
    for path in paths:
        wanted.setdefault(path[0], []).append(path[1:])
    return {name: _pruned(column, wanted[name]) for name, column in schema.items() if name in wanted}


def _pruned(column: Column, paths: list[Path]) -> Column:
    if () in paths or isinstance(column, str):
        return column
    if isinstance(column, Mapping):
        return prune(column, paths)
    inner = [path[1:] for path in paths]
    return column if () in inner else type(column)(prune(column.entry, inner))


def sql_type(column: Column, *, raw: bool) -> str:
    """DuckDB's type of a column; with ``raw`` every leaf is text, so that a bad value can be named."""
    if isinstance(column, str):
        kind = "JSON" if column == NAMED_JSON else column
        return "VARCHAR" if raw and kind != "JSON" else kind
    if isinstance(column, MapOf):
        return f"MAP(VARCHAR, {sql_type(column.entry, raw=raw)})"
    if isinstance(column, ListOf):
        return f"{sql_type(column.entry, raw=raw)}[]"
    inner = ", ".join(f'"{name}" {sql_type(child, raw=raw)}' for name, child in column.items())
    return f"STRUCT({inner})"


def decimals(kind: str) -> int | None:
    """How many decimals a type of numbers keeps; None for other types."""
    if kind == "BIGINT":
        return 0
    return int(kind.rstrip(")").rpartition(",")[2]) if kind.startswith("DECIMAL") else None


def inexact(column: Column) -> bool:
    """Whether this column may hold decimal numbers: DECIMAL and JSON, at any depth."""
    if isinstance(column, str):
        return column.startswith(("DECIMAL", "JSON"))
    inner = column.values() if isinstance(column, Mapping) else column.entry.values()
    return any(inexact(each) for each in inner)
