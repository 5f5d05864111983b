"""Rows kept on disk by the record that they belong to, for answers that come in no given order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from more_itertools import chunked

_CHUNK = 500


class Spool:
    """Rows by relationship and record, in a file of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("CREATE TABLE rows (relation TEXT, parent TEXT, id TEXT, row BLOB)")

    def fill(self, relation: str, rows: Iterable[tuple[str, str, bytes]]) -> None:
        """Adds the rows of a relationship: the record that each belongs to, its id and its text."""
        filled = ((relation, *row) for row in rows)
        self._connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", filled)

    def close(self) -> None:
        """Ends the filling."""
        self._connection.execute("CREATE INDEX by_parent ON rows (parent)")

    def rows_of(self, parents: Iterable[str]) -> Mapping[tuple[str, str], list[bytes]]:
        """The rows of some records by relationship and record, in the order of their ids."""
        found: dict[tuple[str, str], list[bytes]] = {}
        for some in chunked(parents, _CHUNK):
            marks = ",".join("?" * len(some))
            query = f"SELECT relation, parent, row FROM rows WHERE parent IN ({marks}) ORDER BY id"  # noqa: S608
            for relation, parent, row in self._connection.execute(query, some):
                found.setdefault((relation, parent), []).append(row)
        return found


@contextmanager
def spool() -> Iterator[Spool]:
    """An empty spool, whose file is removed at the end."""
    with TemporaryDirectory(prefix="salesforce-rows-") as folder:
        connection = sqlite3.connect(Path(folder) / "rows.db", isolation_level=None)
        try:
            # the file outlives no crash anyway
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            yield Spool(connection)
        finally:
            connection.close()
