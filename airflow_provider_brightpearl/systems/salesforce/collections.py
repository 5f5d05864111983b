"""Sizes, packing and keys of rows that go to Salesforce; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.systems.salesforce.csv import NULL

_encode = msgspec.json.Encoder(decimal_format="number").encode
COLLECTION_ROWS = 200
GRAPHS = 75
GRAPH_NODES = 500
BULK_CALLS = 4  # create, upload, close, successful rows; looks at the job are counted apart
# the first number of rows that a bulk job takes in fewer calls than collections do, one look included
BULK_THRESHOLD = (BULK_CALLS + 1) * COLLECTION_ROWS + 1


def min_upsert_calls(rows: int) -> int:
    """The fewest API calls, looks at a job left out, in which this many rows of one object can be upserted.

    By collections of 200 rows a call, or from ``BULK_THRESHOLD`` rows on by one bulk job. Five collections in one
    composite call are left out: they share the limits of one transaction, which orgs with triggers exceed.
    """
    return BULK_CALLS if rows >= BULK_THRESHOLD else ceil(rows / COLLECTION_ROWS)


def min_delete_calls(ids: int) -> int:
    """The fewest API calls in which this many rows of any objects can be deleted."""
    return ceil(ids / COLLECTION_ROWS)


def min_graph_calls(graphs: int, nodes: int) -> int:
    """The fewest API calls that hold so many graphs of so many nodes together, if every call were full."""
    return max(ceil(graphs / GRAPHS), ceil(nodes / GRAPH_NODES))


def pack(sizes: Sequence[int], graphs: int = GRAPHS, nodes: int = GRAPH_NODES) -> list[list[int]]:
    """Indices of graphs of these node counts, grouped into few calls; each goes to the first call with room.

    Raises:
        ValueError: a graph alone has more nodes than a call may hold.
    """
    groups: list[list[int]] = []
    room: list[int] = []
    first_open = 0
    for index, size in enumerate(sizes):
        if size > nodes:
            raise ValueError(f"a graph holds at most {nodes} nodes, number {index} has {size}")
        place = _first_with_room(groups, room, size, graphs, first_open)
        if place == len(groups):
            groups.append([])
            room.append(nodes)
        groups[place].append(index)
        room[place] -= size
        while first_open < len(groups) and (len(groups[first_open]) == graphs or not room[first_open]):
            first_open += 1
    return groups


def _first_with_room(
    groups: Sequence[Sequence[int]], room: Sequence[int], size: int, graphs: int, start: int
) -> int:
    fitting = (
        place for place in range(start, len(groups)) if len(groups[place]) < graphs and room[place] >= size
    )
    return next(fitting, len(groups))


def keys_of(key_field: str, rows: Iterable[str]) -> list[str]:
    """The key of every row as text.

    Raises:
        ValueError: a key is missing or duplicate: Salesforce would refuse both rows.
    """
    row_type = msgspec.defstruct("KeyedRow", [("key", str | int, msgspec.field(name=key_field))], frozen=True)
    decode: Any = msgspec.json.Decoder(row_type).decode
    try:
        keys = [str(decode(row).key) for row in rows]
    except msgspec.DecodeError as error:
        raise ValueError(f"a row has no usable {key_field}: {error}") from None
    if len(set(keys)) != len(keys):
        seen: set[str] = set()
        twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{key_field} {twice} is a duplicate key in one call")
    return keys


def row_json(row: Mapping[str, Any]) -> str:
    """The JSON text of a row; Decimal keeps its digits.

    Raises:
        ValueError: an instant has no time zone.
    """
    for name, value in row.items():
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(f"{name}: {value.isoformat()} has no time zone; Salesforce would read it as UTC")
    return _encode(dict(row)).decode()


_NUMBERS = ("int", "double", "currency", "percent", "long")


def row_of_cells(cells: Mapping[str, str], kinds: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A row of a CSV file by the rules of Bulk API: an empty cell leaves the field alone, ``#N/A`` clears it.

    Args:
        cells: text by column; ``Account.Ext__c`` names a parent by its key.
        kinds: types of the fields as the org describes them, where the row is to be JSON with numbers and booleans.

    Raises:
        ValueError: a cell does not fit its field's type.
    """
    row: dict[str, Any] = {}
    for column, cell in cells.items():
        if cell == "":
            continue
        parent, _, name = column.rpartition(".")
        value = None if cell == NULL else _typed(column, cell, (kinds or {}).get(column, ""))
        if parent and kinds is not None:
            row.setdefault(parent, {})[name] = value
        else:
            row[column] = value
    return row


def _typed(column: str, cell: str, kind: str) -> Any:
    if kind in _NUMBERS:
        if (number := decimal_of(cell)) is None:
            raise ValueError(f"{column}: {cell!r} is not a number such as 1234.56")
        return number
    if kind == "boolean":
        if cell.lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"{column}: {cell!r} must be true or false")
        return cell.lower() in ("true", "1")
    return cell


def with_type(object_name: str, row: str) -> str:
    """The JSON text of a row with its object's name added, all other characters unchanged."""
    inner = row.strip()[1:].lstrip()
    return f'{{"attributes":{{"type":"{object_name}"}}{"" if inner == "}" else ","}{inner}'
