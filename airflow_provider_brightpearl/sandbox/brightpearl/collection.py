"""Collections: records made on demand from arrays, with what was changed or created since laid over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Base:
    """Generated records: ascending ids, searchable columns beside them, and the maker of one record."""

    ids: Any = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    columns: dict[str, Any] = field(default_factory=dict)
    make: Callable[[int], Record] = lambda place: {}
    text: Callable[[int, set[str]], str] | None = None  # the record as JSON, where that is quicker

    def place(self, id: int) -> int | None:
        """Where an id stands among the generated ones."""
        at = int(np.searchsorted(self.ids, id))
        return at if at < len(self.ids) and self.ids.item(at) == id else None


def spaced(first: int, count: int, every: int) -> Any:
    """Ascending ids with one left out now and then, as in an account where records were deleted."""
    places = np.arange(count, dtype=np.int64)
    return first + places + places // every


class Collection:
    """Records of one kind by id."""

    def __init__(self, name: str, key: str, base: Base | None = None, first: int = 1) -> None:
        self.name, self.key, self.base = name, key, base or Base()
        self.changed: dict[int, Record] = {}
        self.removed: set[int] = set()
        self.version = 0
        self.last = int(self.base.ids[-1]) if len(self.base.ids) else first - 1

    def get(self, id: int) -> Record | None:
        """The record, not to be written to; None when there is none."""
        found = self.changed.get(id)
        if found is not None or id in self.removed:
            return found
        place = self.base.place(id)
        return None if place is None else self.base.make(place)

    def text(self, id: int, optional: set[str]) -> str | None:
        """A generated record nobody changed as JSON; None for any other."""
        if self.base.text is None or id in self.changed or id in self.removed:
            return None
        place = self.base.place(id)
        return None if place is None else self.base.text(place, optional)

    def edit(self, id: int) -> Record:
        """The record for writing; KeyError when there is none."""
        found = self.changed.get(id)
        if found is None:
            made = self.get(id)
            if made is None:
                raise KeyError(f"{self.name} {id}")
            found = self.changed[id] = deepcopy(made)
        self.version += 1
        return found

    def put(self, id: int, record: Record) -> None:
        """Store a record as it is."""
        self.changed[id] = record
        self.removed.discard(id)
        self.last = max(self.last, id)
        self.version += 1

    def add(self, record: Record) -> int:
        """Store a new record under the next id, which it gets as its own."""
        id = self.last + 1
        self.put(id, {self.key: id, **record} if self.key else record)
        return id

    def remove(self, id: int) -> None:
        """Delete a record; KeyError when there is none."""
        if self.get(id) is None:
            raise KeyError(f"{self.name} {id}")
        self.changed.pop(id, None)
        self.removed.add(id)
        self.version += 1

    def untouched(self) -> Any:
        """A mask over the generated records: those neither changed nor removed."""
        mask = np.ones(len(self.base.ids), dtype=bool)
        for id in (*self.changed, *self.removed):
            place = self.base.place(id)
            if place is not None:
                mask[place] = False
        return mask

    def ids(self) -> list[int]:
        """All ids, ascending."""
        kept: list[int] = self.base.ids[self.untouched()].tolist() if len(self.base.ids) else []
        return sorted([*kept, *self.changed]) if self.changed else kept

    def within(self, ranges: list[tuple[int, int]]) -> list[int]:
        """The ids that exist among those named, each once."""
        found: dict[int, None] = {}
        for first, last in ranges:
            start, end = np.searchsorted(self.base.ids, (first, last + 1))
            found.update((id, None) for id in self.base.ids[start:end].tolist() if id not in self.removed)
            found.update((id, None) for id in self.changed if first <= id <= last)
        return list(found)

    def has(self, id: int) -> bool:
        """True when there is such a record."""
        return id in self.changed or (id not in self.removed and self.base.place(id) is not None)

    def __len__(self) -> int:
        return len(self.ids())

    def __iter__(self) -> Iterator[Record]:
        for id in self.ids():
            record = self.get(id)
            if record is not None:
                yield record
