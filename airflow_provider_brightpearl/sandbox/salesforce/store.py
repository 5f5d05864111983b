"""Rows in memory: plain dicts, indexes as dicts, transactions by an undo log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .fields import Field, SObject
from .ids import make_id

Row = dict[str, Any]
Undo = Callable[[], object]


class Table:
    """The records of one object. Empty values are not stored, so a row costs what it holds."""

    def __init__(self, sobject: SObject, log: UndoLog) -> None:
        self.sobject = sobject
        self.rows: dict[str, Row] = {}
        self.bin: dict[str, Row] = {}
        self.gone: list[tuple[str, str]] = []  # (id, stamp) of every deletion, for the deleted feed
        self._log = log
        self._last = 0
        self._unique: dict[str, dict[str, str]] = {}
        self._many: dict[str, dict[str, dict[str, None]]] = {}
        self._folded: dict[str, bool] = {}
        for field in sobject.fields:
            self.index(field)

    def index(self, field: Field) -> None:
        """Keep an index of a field, over the rows that are there as well."""
        if not (field.is_key or field.indexed) or field.name == "Id":
            return
        self._folded[field.name] = not field.case_sensitive and field.type != "reference"
        target: dict[str, Any] = {}
        (self._unique if field.unique else self._many)[field.name] = target
        for row in self.rows.values():
            self._add(row, (field.name,))

    def next_id(self) -> str:
        """A new record id."""
        self._last += 1
        return make_id(self.sobject.prefix, self._last)

    @property
    def last_number(self) -> int:
        """How many ids have been given out."""
        return self._last

    @property
    def unique_fields(self) -> list[str]:
        """The fields in which no two live records agree."""
        return list(self._unique)

    def find(self, field: str, value: object) -> list[str]:
        """The ids of live records with a value in an indexed field."""
        if field == "Id":
            return [str(value)] if value in self.rows else []
        wanted = str(value).lower() if self._folded.get(field) else str(value)
        if field in self._unique:
            found = self._unique[field].get(wanted)
            return [] if found is None else [found]
        return list(self._many[field].get(wanted, ()))

    def is_indexed(self, field: str) -> bool:
        """True when `find` knows the field."""
        return field == "Id" or field in self._unique or field in self._many

    def insert(self, row: Row) -> None:
        """Add a row that has its Id."""
        self.rows[row["Id"]] = row
        self._add(row, self._folded)
        if self._log.active:
            self._log.add(lambda: self._take(row))

    def update(self, row: Row, changes: Row) -> None:
        """Change values; a None takes the value away."""
        before = {name: row.get(name) for name in changes}
        self._apply(row, changes)
        if self._log.active:
            self._log.add(lambda: self._apply(row, before))

    def delete(self, row: Row, stamp: str) -> None:
        """Take a row out, into the bin when the object has one."""
        self._take(row)
        row["IsDeleted"] = True
        self.gone.append((row["Id"], stamp))
        if self.sobject.bin:
            self.bin[row["Id"]] = row
        if self._log.active:
            self._log.add(lambda: self._restore(row))

    def purge(self, row: Row) -> None:
        """Forget a row without a trace."""
        if row["Id"] in self.rows:
            self._take(row)
        self.bin.pop(row["Id"], None)

    def _restore(self, row: Row) -> None:
        self.bin.pop(row["Id"], None)
        self.gone.pop()
        del row["IsDeleted"]
        self.rows[row["Id"]] = row
        self._add(row, self._folded)

    def _take(self, row: Row) -> None:
        del self.rows[row["Id"]]
        self._drop(row, self._folded)

    def _apply(self, row: Row, changes: Row) -> None:
        touched = [name for name in changes if name in self._folded]
        self._drop(row, touched)
        for name, value in changes.items():
            if value is None:
                row.pop(name, None)
            else:
                row[name] = value
        self._add(row, touched)

    def _add(self, row: Row, names: Any) -> None:
        for name in names:
            value = row.get(name)
            if value is None:
                continue
            value = str(value).lower() if self._folded[name] else str(value)
            if name in self._unique:
                self._unique[name][value] = row["Id"]
            else:
                self._many[name].setdefault(value, {})[row["Id"]] = None

    def _drop(self, row: Row, names: Any) -> None:
        for name in names:
            value = row.get(name)
            if value is None:
                continue
            value = str(value).lower() if self._folded[name] else str(value)
            if name not in self._unique:
                self._many[name].get(value, {}).pop(row["Id"], None)
            elif self._unique[name].get(value) == row["Id"]:
                del self._unique[name][value]


class UndoLog:
    """What has to be undone when the running transaction fails; nothing is kept outside of one."""

    def __init__(self) -> None:
        self._steps: list[Undo] = []
        self._depth = 0

    @property
    def active(self) -> bool:
        """True inside a transaction."""
        return self._depth > 0

    def add(self, undo: Undo) -> None:
        """Remember how to take one change back."""
        self._steps.append(undo)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Changes inside are taken back, newest first, when an exception leaves the block."""
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
        """Make room for the records of one more object."""
        self.tables[sobject.name] = Table(sobject, self.log)

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def row(self, name: str, record_id: object) -> Row | None:
        """A live record, None when it is not there."""
        return self.tables[name].rows.get(record_id)  # type: ignore[call-overload, no-any-return]
