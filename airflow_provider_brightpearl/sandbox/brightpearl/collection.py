"""Collections: records generated on demand, overlaid with those changed, created or deleted since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GeneratedRecords:
    """Generated records: ascending ids, searchable columns in the same order, and a function that makes one."""

    ids: Any = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    columns: dict[str, Any] = field(default_factory=dict)
    make: Callable[[int], Record] = lambda index: {}
    text: Callable[[int, set[str]], str] | None = None  # the record as JSON text, where that is faster

    def index(self, id: int) -> int | None:
        """The position of an id among the generated ones; None if it is not generated."""
        at = int(np.searchsorted(self.ids, id))
        return at if at < len(self.ids) and self.ids.item(at) == id else None


def ids_with_gaps(first: int, count: int, every: int) -> Any:
    """Ascending ids with a gap after `every` ids, as in an account where records have been deleted."""
    places = np.arange(count, dtype=np.int64)
    return first + places + places // every


class Collection:
    """Records of one kind by id."""

    def __init__(
        self, name: str, key: str, generate: Callable[[], GeneratedRecords] = GeneratedRecords, first: int = 1
    ) -> None:
        self.name, self.key, self._generate = name, key, generate
        self.changed: dict[int, Record] = {}
        self.removed: set[int] = set()
        self.version = 0
        self._last = first - 1

    @cached_property
    def generated(self) -> GeneratedRecords:
        """The generated records; made on first use, because goods movements require every shipped order."""
        return self._generate()

    @property
    def kept(self) -> tuple[dict[int, Record], set[int], int]:
        """What is not as it was generated, for `go_back`."""
        return self.changed, self.removed, self._last

    def go_back(self, kept: tuple[dict[int, Record], set[int], int]) -> None:
        """Replace what is not as it was generated."""
        self.changed, self.removed, self._last = kept
        self.version += 1

    @property
    def last(self) -> int:
        """The highest id so far."""
        ids = self.generated.ids
        return max(self._last, int(ids[-1]) if len(ids) else 0)

    def get(self, id: int) -> Record | None:
        """The record, for reading only; None if it does not exist."""
        found = self.changed.get(id)
        if found is not None or id in self.removed:
            return found
        index = self.generated.index(id)
        return None if index is None else self.generated.make(index)

    def text(self, id: int, optional: set[str]) -> str | None:
        """An unchanged generated record as JSON text; None for any other."""
        if self.generated.text is None or id in self.changed or id in self.removed:
            return None
        index = self.generated.index(id)
        return None if index is None else self.generated.text(index, optional)

    def edit(self, id: int) -> Record:
        """The record, for changing in place. Raises: KeyError if it does not exist."""
        found = self.changed.get(id)
        if found is None:
            made = self.get(id)
            if made is None:
                raise KeyError(f"{self.name} {id}")
            found = self.changed[id] = deepcopy(made)
        self.version += 1
        return found

    def put(self, id: int, record: Record) -> None:
        """Store a record under an id."""
        self.changed[id] = record
        self.removed.discard(id)
        self._last = max(self._last, id)
        self.version += 1

    def add(self, record: Record) -> int:
        """Store a new record under the next id, also written into its key field, and return that id."""
        id = self.last + 1
        self.put(id, {self.key: id, **record} if self.key else record)
        return id

    def remove(self, id: int) -> None:
        """Delete a record. Raises: KeyError if it does not exist."""
        if self.get(id) is None:
            raise KeyError(f"{self.name} {id}")
        self.changed.pop(id, None)
        self.removed.add(id)
        self.version += 1

    def untouched(self) -> Any:
        """A boolean mask over the generated records: those neither changed nor removed."""
        mask = np.ones(len(self.generated.ids), dtype=bool)
        for id in (*self.changed, *self.removed):
            index = self.generated.index(id)
            if index is not None:
                mask[index] = False
        return mask

    def ids(self) -> list[int]:
        """All ids, ascending."""
        kept: list[int] = self.generated.ids[self.untouched()].tolist() if len(self.generated.ids) else []
        return sorted([*kept, *self.changed]) if self.changed else kept

    def within(self, ranges: list[tuple[int, int]]) -> list[int]:
        """The existing ids in some ranges, without duplicates."""
        found: dict[int, None] = {}
        for first, last in ranges:
            start, end = np.searchsorted(self.generated.ids, (first, last + 1))
            found.update(
                (id, None) for id in self.generated.ids[start:end].tolist() if id not in self.removed
            )
            found.update((id, None) for id in self.changed if first <= id <= last)
        return list(found)

    def has(self, id: int) -> bool:
        """True if the record exists."""
        return id in self.changed or (id not in self.removed and self.generated.index(id) is not None)

    def __len__(self) -> int:
        return len(self.ids())

    def __iter__(self) -> Iterator[Record]:
        for id in self.ids():
            record = self.get(id)
            if record is not None:
                yield record
