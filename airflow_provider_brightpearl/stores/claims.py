"""Which record claimed something first, in a temporary SQLite file: memory does not grow with the claims."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory


class FileClaims:
    """First claims by what is claimed; see ``core.ports.matching.Claims``. Closed, it forgets them."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="claims-")
        self._connection = sqlite3.connect(Path(self._folder.name) / "claims.db", isolation_level=None)
        # nothing of it is kept, so nothing needs to survive a crash
        self._connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE claim (what BLOB PRIMARY KEY, record TEXT) WITHOUT ROWID"
        )

    def __enter__(self) -> FileClaims:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._folder.cleanup()

    def setdefault(self, what: str, source_id: str) -> str:
        """The record that claimed this first, which is this one where none has."""
        named = what.encode("utf-8", "surrogatepass")
        self._connection.execute("INSERT OR IGNORE INTO claim VALUES (?, ?)", (named, source_id))
        query = "SELECT record FROM claim WHERE what = ?"
        return str(self._connection.execute(query, (named,)).fetchone()[0])
