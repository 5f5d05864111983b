"""A small simulated system: records by id in a few collections, all in memory."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from .brightpearl.json_patch import merge_patch
from .clock import Clock
from .system import Record, SeedOptions


class RecordSystem:
    """What the shop and the carrier have in common; both start empty.

    Args:
        clock: the clock of the sandbox.
        settings: the settings of the system.
        collections: the names of its collections.
        first_id: the first id, the same for all collections.
    """

    def __init__(
        self, clock: Clock, settings: dict[str, object], collections: Sequence[str], first_id: int
    ) -> None:
        self.clock, self.settings, self._first = clock, settings, first_id
        self.records: dict[str, dict[int, Record]] = {name: {} for name in collections}
        self._last = first_id - 1
        self._numbers = threading.Lock()  # attempts are noted by the thread of the deliveries

    def now(self) -> str:
        """The current time as text, ISO 8601 in UTC."""
        return self.clock.now().isoformat(timespec="seconds")

    def next_id(self) -> int:
        """A new id; no two records share one, whatever their collection."""
        with self._numbers:
            self._last += 1
            return self._last

    def add(self, collection: str, record: Record) -> Record:
        """Store a record under a new id, which it gets as `id`, and return it."""
        id = self.next_id()
        self.records[collection][id] = {"id": id, **record}
        return self.records[collection][id]

    def changed(self, collection: str, record: Record, is_new: bool) -> None:
        """Announce a record that was edited by hand."""

    def seed(self, options: SeedOptions) -> None:
        """See `System.seed`."""
        for records in self.records.values():
            records.clear()
        self._last = self._first - 1
        self.stop()

    def keep(self) -> bytes:
        """See `System.keep`."""
        return pickle.dumps((self.records, self._last))

    def go_back(self, kept: bytes) -> None:
        """See `System.go_back`."""
        records, self._last = pickle.loads(kept)  # noqa: S301
        for name, each in self.records.items():
            each.clear()
            each.update(records[name])
        self.stop()

    def stop(self) -> None:
        """See `System.stop`."""

    def snapshot(self, collection: str) -> Iterator[Record]:
        """See `System.snapshot`."""
        return iter(list(self.records[collection].values()))

    def collections(self) -> list[str]:
        """See `System.collections`."""
        return list(self.records)

    def count(self, collection: str) -> int:
        """See `System.count`."""
        return len(self.records[collection])

    def headers(self) -> dict[str, str]:
        """See `System.headers`."""
        return {}

    def patch(self, collection: str, id: str | None, patch: Record | None, quiet: bool = False) -> object:
        """See `System.patch`."""
        if patch is None:
            return self.records[collection].pop(int(str(id)))
        record: dict[str, Any] = self.add(collection, {}) if id is None else self.records[collection][int(id)]
        merge_patch(record, patch)
        if not quiet:
            record["updated_at"] = self.now()
            self.changed(collection, record, id is None)
        return record
