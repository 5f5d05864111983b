"""Both sides of a reconciliation in a temporary SQLite file, sorted and joined there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from more_itertools import chunked

from airflow_provider_brightpearl.core.compare import Entry
from airflow_provider_brightpearl.core.ports.sides import Span
from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.stores.engine import CHUNK

_BATCH = 1_000
# nothing of it is kept, so nothing needs to survive a crash
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE listed (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE source (id TEXT, amount TEXT, currency TEXT, fields TEXT, key TEXT);
CREATE INDEX source_id ON source (id);
CREATE INDEX source_key ON source (key);
CREATE TABLE target (id TEXT, amount TEXT, currency TEXT, fields TEXT, retired INTEGER);
CREATE TABLE bound (id TEXT PRIMARY KEY, target_id TEXT) WITHOUT ROWID;
"""
_ORDER = "ORDER BY id, amount, currency, fields"
# a key that differs from its record's id is replaced by that id
_TARGET = f"""
WITH named AS (
  SELECT coalesce(
    (SELECT id FROM source WHERE key = target.id AND key <> id ORDER BY rowid DESC LIMIT 1), target.id
  ) AS id, amount, currency, fields, retired FROM target
), known AS (
  SELECT *, EXISTS (SELECT 1 FROM listed WHERE listed.id = named.id) AS is_listed,
    EXISTS (SELECT 1 FROM source WHERE source.id = named.id) AS is_compared FROM named
)
SELECT id, amount, currency, fields FROM known
WHERE (is_compared OR NOT is_listed) AND (is_listed OR NOT retired) {_ORDER}
"""  # noqa: S608
_NO_NUMBER = "(id = '' OR id GLOB '*[^0-9]*')"
_UNLISTED = "SELECT id FROM bound WHERE NOT EXISTS (SELECT 1 FROM listed WHERE listed.id = bound.id)"


class SqlSides:
    """Both sides of one comparison; see ``core.ports.sides.Sides``."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="reconcile-")
        self._connection = sqlite3.connect(Path(self._folder.name) / "sides.db", isolation_level=None)
        with self._kept():
            self._connection.executescript(_TABLES)

    def __enter__(self) -> SqlSides:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._folder.cleanup()

    def add_listed(self, ids: Iterable[str]) -> None:
        """Adds ids that the source lists, whether they are compared or not."""
        self._insert("INSERT OR IGNORE INTO listed VALUES (?)", ((each,) for each in ids))

    def add_source(self, entries: Iterable[tuple[Entry, str]]) -> None:
        """Adds entries of the source, each with its key in the target."""
        rows = ((*_row(entry), key) for entry, key in entries)
        self._insert("INSERT INTO source VALUES (?, ?, ?, ?, ?)", rows)

    def add_target(self, entries: Iterable[tuple[Entry, bool]]) -> None:
        """Adds entries of the target by key; the flag says that the row is retired."""
        rows = ((*_row(entry), retired) for entry, retired in entries)
        self._insert("INSERT INTO target VALUES (?, ?, ?, ?, ?)", rows)

    def add_bound(self, rows: Iterable[tuple[str, str]]) -> None:
        """Adds source id and target id of rows in the crosswalk."""
        self._insert("INSERT OR REPLACE INTO bound VALUES (?, ?)", rows)

    def source(self) -> Iterator[Entry]:
        """The entries of the source, in the order of their ids as text."""
        return self._entries(f"SELECT id, amount, currency, fields FROM source {_ORDER}")  # noqa: S608

    def target(self) -> Iterator[Entry]:
        """Likewise those of the target, by the source's id where a key is known."""
        return self._entries(_TARGET)

    def keys(self) -> Iterator[tuple[str, str]]:
        """Id and key of the source's entries, in the order of ids as text."""
        return self._rows("SELECT id, key FROM source ORDER BY id, rowid")

    def span(self) -> Span | None:
        """The numbers of the source's entries, None where an id is no number or there is none."""
        ((count, others, low, high),) = self._rows(
            f"SELECT count(*), total({_NO_NUMBER}), min(CAST(id AS INTEGER)), max(CAST(id AS INTEGER)) FROM source"  # noqa: S608
        )
        return Span(low, high, count) if count and not others else None

    def unlisted(self, *, within: bool) -> Iterator[str]:
        """Bound ids that the source does not list; ``within``: numbers between the first and the last that it lists."""
        if not within:
            return (name for (name,) in self._rows(f"{_UNLISTED} ORDER BY id"))
        ((low, high),) = self._rows(
            f"SELECT min(CAST(id AS INTEGER)), max(CAST(id AS INTEGER)) FROM listed WHERE NOT {_NO_NUMBER}"  # noqa: S608
        )
        number = "CAST(id AS INTEGER)"
        query = f"{_UNLISTED} AND NOT {_NO_NUMBER} AND {number} BETWEEN ? AND ? ORDER BY {number}"
        return (name for (name,) in self._rows(query, low, high))

    def listed(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that the source lists."""
        found: set[str] = set()
        for some in chunked(ids, CHUNK):
            marks = ", ".join("?" * len(some))
            query = f"SELECT id FROM listed WHERE id IN ({marks})"  # noqa: S608
            found.update(name for (name,) in self._rows(query, *_storable([tuple(some)])[0]))
        return found

    def target_ids(self, ids: Sequence[str]) -> dict[str, str]:
        """Target id by source id, for those of the ids that are bound."""
        found: dict[str, str] = {}
        for some in chunked(ids, CHUNK):
            marks = ", ".join("?" * len(some))
            found.update(self._rows(f"SELECT id, target_id FROM bound WHERE id IN ({marks})", *some))  # noqa: S608
        return found

    def _insert(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        for some in chunked(rows, _BATCH):
            with self._kept():
                self._connection.execute("BEGIN")
                self._connection.executemany(statement, _storable(some))
                self._connection.execute("COMMIT")

    def _entries(self, query: str) -> Iterator[Entry]:
        for name, amount, currency, fields in self._rows(query):
            yield Entry(name, Decimal(amount) if amount else None, currency, fields)

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with self._kept():
            yield from self._connection.execute(query, values)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"the comparison cannot be kept in {self._folder.name}: {error}; free space on that disk, or set "
                "TMPDIR to a larger one"
            ) from error


def _row(entry: Entry) -> tuple[str, str, str, str]:
    amount = "" if entry.amount is None else str(entry.amount)
    return entry.id, amount, entry.currency, entry.fields


def _storable(rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """The rows, without halves of surrogate pairs, which are rare and found in all texts at once."""
    try:
        "".join(value for row in rows for value in row if isinstance(value, str)).encode()
    except UnicodeEncodeError:
        return [tuple(storable(each) if isinstance(each, str) else each for each in row) for row in rows]
    return rows
