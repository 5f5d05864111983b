"""A system as another package would bring it: one stream, one kind of row, and a client that is a dict.

It does no more than a flow needs to run: it makes no estimates, lists nothing and knows no quota.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.source import Read, Unread
from airflow_provider_brightpearl.core.ports.stores import Intents
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.system import System


@dataclass
class Shelf:
    """Things by id, each with the instant of its last change."""

    things: dict[str, tuple[datetime, dict[str, Any]]] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: int = 0


class ShelfHook:
    """The shelf of a connection, made on first use."""

    shelves: ClassVar[dict[str, Shelf]] = {}

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    def get_client(self) -> Shelf:
        return self.shelves.setdefault(self.conn_id, Shelf())


class ShelfSource:
    """The things of a shelf."""

    def __init__(self, shelf: Shelf, stream: str, filters: Mapping[str, str]) -> None:
        self.shelf = shelf

    @property
    def calls(self) -> int:
        return self.shelf.calls

    def read(self, selection: Selection) -> Iterator[Read]:
        self.shelf.calls += 1
        for thing_id, (changed, thing) in self.shelf.things.items():
            if selection.full_resync or (selection.window is not None and changed in selection.window):
                yield thing_id, json.dumps(thing).encode()

    def read_ids(self, ids: Sequence[str]) -> Iterator[Read]:
        self.shelf.calls += 1
        for thing_id in ids:
            found = self.shelf.things.get(thing_id)
            yield thing_id, json.dumps(found[1]).encode() if found else Unread("not on the shelf", gone=True)


class ShelfSink:
    """Puts rows on a shelf, all of them in one call; one without a name is refused."""

    def __init__(self, shelf: Shelf, flow: FlowSpec, intents: Intents, run: str) -> None:
        self.shelf = shelf

    @property
    def calls(self) -> int:
        return self.shelf.calls

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        if records:
            self.shelf.calls += 1
            yield [result for record in records for result in self._put(record)]

    def _put(self, record: RecordChange) -> Iterator[RowResult]:
        for change in record.changes:
            row: dict[str, Any] = json.loads(change.payload)
            result = partial(RowResult, record.source_id, change.object, change.key)
            if not row["name"]:
                yield result(RowOutcome.REFUSED, reason="is empty", field="name")
                continue
            known = change.key in self.shelf.rows
            self.shelf.rows[change.key] = row
            yield result(RowOutcome.UPDATED if known else RowOutcome.CREATED, f"S{change.key}")


SHELF = System(
    name="shelf",
    hook="tests.systems.shelf.ShelfHook",
    conn_id="shelf_default",
    streams={"things": StreamSchema("id", {"id": "BIGINT", "name": "VARCHAR", "price": "DECIMAL(18,4)"})},
    open_source=ShelfSource,
    open_sink=ShelfSink,
)
SECOND_BRIGHTPEARL = System(name="brightpearl", hook="", conn_id="")
