"""Records in memory, with indexes, and transactions by an undo log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .fields import Field, SObject
from .ids import make_id

Row = dict[str, Any]
Undo = Callable[[], object]
_KEPT = ("rows", "recycle_bin", "deletions", "_last", "_unique", "_non_unique", "_case_insensitive")


class Table:
    """The records of one object; empty values are not stored."""

    def __init__(self, sobject: SObject, log: UndoLog) -> None:
        self.sobject = sobject
        self.rows: dict[str, Row] = {}
        self.recycle_bin: dict[str, Row] = {}
        self.deletions: list[
            tuple[str, str]
        ] = []  # (id, stamp) of every deletion, for the list of deleted records
        self._log = log
        self._last = 0
        self._unique: dict[str, dict[str, str]] = {}
        self._non_unique: dict[str, dict[str, dict[str, None]]] = {}
        self._case_insensitive: dict[str, bool] = {}
        for field in sobject.fields:
            self.index(field)

    def index(self, field: Field) -> None:
        """Index a field if it needs an index, including the existing rows."""
        if not (field.is_key or field.indexed) or field.name == "Id":
            return
        self._case_insensitive[field.name] = not field.case_sensitive and field.type != "reference"
        target: dict[str, Any] = {}
        (self._unique if field.unique else self._non_unique)[field.name] = target
        for row in self.rows.values():
            self._index_row(row, (field.name,))

    def kept(self) -> dict[str, Any]:
        """Rows and indexes, for `go_back`."""
        return {name: getattr(self, name) for name in _KEPT}

    def go_back(self, kept: dict[str, Any]) -> None:
        """Replace rows and indexes."""
        for name in _KEPT:
            setattr(self, name, kept[name])

    def next_id(self) -> str:
        """A new record id."""
        self._last += 1
        return make_id(self.sobject.prefix, self._last)

    @property
    def last_number(self) -> int:
        """The number of ids assigned so far."""
        return self._last

    @property
    def unique_fields(self) -> list[str]:
        """The names of the unique fields."""
        return list(self._unique)

    def find(self, field: str, value: object) -> list[str]:
        """The ids of live records with a value in an indexed field."""
        if field == "Id":
            return [str(value)] if value in self.rows else []
        wanted = str(value).lower() if self._case_insensitive.get(field) else str(value)
        if field in self._unique:
            found = self._unique[field].get(wanted)
            return [] if found is None else [found]
        return list(self._non_unique[field].get(wanted, ()))

    def is_indexed(self, field: str) -> bool:
        """True if `find` supports the field."""
        return field == "Id" or field in self._unique or field in self._non_unique

    def _changed(self, kind: str, row: Row, changes: Row) -> None:
        """Announce a change; if it is undone, so is its event."""
        if self._log.on_change is None:
            return
        before = self._log.on_change(self.sobject.name, kind, row, changes)
        if before and self._log.active:
            self._log.add(before)

    def insert(self, row: Row) -> None:
        """Insert a row that has an Id."""
        self.rows[row["Id"]] = row
        self._index_row(row, self._case_insensitive)
        if self._log.active:
            self._log.add(lambda: self._unlink(row))
        self._changed("CREATE", row, row)

    def update(self, row: Row, changes: Row) -> None:
        """Change values; None clears a value."""
        before = {name: row.get(name) for name in changes}
        self._apply(row, changes)
        if self._log.active:
            self._log.add(lambda: self._apply(row, before))
        different = {name: value for name, value in changes.items() if before[name] != value}
        self._changed("UPDATE", row, {**_stamp_of(changes), **different})

    def delete(self, row: Row, stamp: str) -> None:
        """Delete a row, into the recycle bin if the object has one."""
        self._unlink(row)
        row["IsDeleted"] = True
        self.deletions.append((row["Id"], stamp))
        if self.sobject.has_recycle_bin:
            self.recycle_bin[row["Id"]] = row
        if self._log.active:
            self._log.add(lambda: self._restore(row))
        self._changed("DELETE", row, {})

    def purge(self, row: Row) -> None:
        """Remove a row from the table and the recycle bin."""
        if row["Id"] in self.rows:
            self._unlink(row)
        self.recycle_bin.pop(row["Id"], None)

    def _restore(self, row: Row) -> None:
        self.recycle_bin.pop(row["Id"], None)
        self.deletions.pop()
        del row["IsDeleted"]
        self.rows[row["Id"]] = row
        self._index_row(row, self._case_insensitive)

    def _unlink(self, row: Row) -> None:
        del self.rows[row["Id"]]
        self._unindex_row(row, self._case_insensitive)

    def _apply(self, row: Row, changes: Row) -> None:
        touched = [name for name in changes if name in self._case_insensitive]
        self._unindex_row(row, touched)
        for name, value in changes.items():
            if value is None:
                row.pop(name, None)
            else:
                row[name] = value
        self._index_row(row, touched)

    def _index_row(self, row: Row, names: Iterable[str]) -> None:
        for name, value in self._index_values(row, names):
            if name in self._unique:
                self._unique[name][value] = row["Id"]
            else:
                self._non_unique[name].setdefault(value, {})[row["Id"]] = None

    def _unindex_row(self, row: Row, names: Iterable[str]) -> None:
        for name, value in self._index_values(row, names):
            if name not in self._unique:
                self._non_unique[name].get(value, {}).pop(row["Id"], None)
            elif self._unique[name].get(value) == row["Id"]:
                del self._unique[name][value]

    def _index_values(self, row: Row, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        for name in names:
            value = row.get(name)
            if value is not None:
                yield name, str(value).lower() if self._case_insensitive[name] else str(value)


def _stamp_of(changes: Row) -> Row:
    """The stamps of a change, which belong to it also within the same second."""
    return {name: changes[name] for name in ("LastModifiedDate", "LastModifiedById") if name in changes}


class UndoLog:
    """The undo steps of the running transaction."""

    def __init__(self) -> None:
        self._steps: list[Undo] = []
        self._depth = 0
        # called with object, kind of change, row and changes; gives what takes the announcement back
        self.on_change: Callable[[str, str, Row, Row], Undo | None] | None = None

    @property
    def active(self) -> bool:
        """True within a transaction."""
        return self._depth > 0

    def add(self, undo: Undo) -> None:
        """Add an undo step."""
        self._steps.append(undo)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Undo the changes made in the block, newest first, if it raises."""
        mark = len(self._steps)
        self._depth += 1
        try:
            yield
        except BaseException:
            while len(self._steps) > mark:
                self._steps.pop()()
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._steps.clear()


class Store:
    """All tables of the org."""

    def __init__(self, objects: dict[str, SObject]) -> None:
        self.log = UndoLog()
        self.tables = {name: Table(sobject, self.log) for name, sobject in objects.items()}

    def add(self, sobject: SObject) -> None:
        """Add a table for an object."""
        self.tables[sobject.name] = Table(sobject, self.log)

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def row(self, name: str, record_id: object) -> Row | None:
        """A live record; None if it does not exist."""
        return self.tables[name].rows.get(record_id)  # type: ignore[call-overload, no-any-return]
