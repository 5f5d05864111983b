"""Sizes, packing and keys of rows that go to Salesforce; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

import msgspec

COLLECTION_ROWS = 200
GRAPHS = 75
GRAPH_NODES = 500
BULK_THRESHOLD = 2_000
_BULK_CALLS = 5  # create, upload, close, one poll, successful rows


def fewest_upsert_calls(rows: int) -> int:
    """The fewest API calls that upserting this many rows of one object takes by the way the client chooses.

    200 rows a call below ``BULK_THRESHOLD``, else one bulk job that is done at the first poll without
    failed rows.
    """
    return _BULK_CALLS if rows >= BULK_THRESHOLD else ceil(rows / COLLECTION_ROWS)


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
        ValueError: a key is missing, or there twice, which Salesforce would refuse for both rows.
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
        raise ValueError(f"{key_field} {twice} is there twice in one call")
    return keys


def with_type(object_name: str, row: str) -> str:
    """The JSON text of a row with its object named inside, all other characters as they are."""
    inner = row.strip()[1:].lstrip()
    return f'{{"attributes":{{"type":"{object_name}"}}{"" if inner == "}" else ","}{inner}'
