"""What both systems, the state database and the disk hold, read without the product, for the checker."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from .sandbox_control import SandboxControl

Row = dict[str, Any]


@cache
def read_flow(path: Path) -> Row:
    """A flow file as plain YAML; read once, as that takes as long as some runs."""
    content: Row = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@dataclass
class Evidence:
    """The outcome of runs of one flow, as others see it. Nothing is read before it is asked for, and then once.

    Args:
        sandbox: the systems.
        database_url: of the state database; SQLite by its path, PostgreSQL by psycopg2.
        flow_file: the flow, read as plain YAML.
        staging: folder of the staging files.
        logs: what was logged, raised and returned.
    """

    sandbox: SandboxControl
    database_url: str
    flow_file: Path
    staging: Path
    logs: str = ""

    @cached_property
    def flow(self) -> Row:
        """The flow file's content."""
        return read_flow(self.flow_file)

    @property
    def name(self) -> str:
        return str(self.flow["flow"])

    @property
    def target(self) -> str:
        return str(self.flow["target"])

    @cached_property
    def requests(self) -> list[Row]:
        """The sandbox's log of requests, oldest answer first."""
        found: list[Row] = self.sandbox.control("GET", "/log")
        return found

    def settings(self, system: str) -> Row:
        """A system's settings in the sandbox."""
        found: Row = self.sandbox.control("GET", f"/settings/{system}")
        return found

    def rows(self, system: str, collection: str) -> list[Row]:
        """All records of a collection."""
        kept = self.__dict__.setdefault("_rows", {})
        if (system, collection) not in kept:
            kept[system, collection] = self.sandbox.snapshot(system, collection)
        found: list[Row] = kept[system, collection]
        return found

    def collections(self, system: str) -> dict[str, int]:
        """A system's collections, and how many records they hold."""
        found: dict[str, int] = self.sandbox.control("GET", f"/snapshot/{system}")
        return found

    @cached_property
    def bindings(self) -> list[Row]:
        """Which source record is which row of the target, of this flow."""
        return self._of_flow("bp_binding")

    @cached_property
    def letters(self) -> dict[str, Row]:
        """What did not go through and is not closed, by source id."""
        return {row["source_id"]: row for row in self._of_flow("bp_dead_letter") if not _closed(row)}

    @cached_property
    def runs(self) -> list[Row]:
        """The flow's rows of the ledger, oldest first."""
        return sorted(self._of_flow("bp_run"), key=lambda row: str(row["started_at"]))

    @cached_property
    def events(self) -> list[Row]:
        """What happened to each record of this flow."""
        return self._of_flow("bp_record_event")

    @cached_property
    def intents(self) -> list[Row]:
        """The flow's writes that its target would repeat."""
        return self._of_flow("bp_intent")

    @cached_property
    def watermark(self) -> str:
        """Up to when the flow has read everything, ISO 8601, empty before its first run."""
        return max((_instant(row["instant"]) for row in self._of_flow("bp_watermark")), default="")

    def texts(self) -> Iterator[tuple[str, str]]:
        """Everything that was written down, with the place where: logs, state database, staging files."""
        yield "logs", self.logs
        for table in self._tables():
            rows = self._select(f"SELECT * FROM {table}")  # noqa: S608 - names from the catalogue
            yield table, "\n".join(str(value) for row in rows for value in row.values())
        for path in sorted(self.staging.rglob("*")) if self.staging.exists() else ():
            if path.is_file():
                yield f"staging {path.name}", path.read_bytes().decode("latin-1")

    def _of_flow(self, table: str) -> list[Row]:
        return [row for row in self._select(f"SELECT * FROM {table}") if row["flow"] == self.name]  # noqa: S608

    def _tables(self) -> list[str]:
        if self.database_url.startswith("sqlite"):
            query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'bp_%'"
        else:
            query = "SELECT table_name AS name FROM information_schema.tables WHERE table_name LIKE 'bp_%'"
        return sorted(row["name"] for row in self._select(query))

    def _select(self, query: str) -> list[Row]:
        if self.database_url.startswith("sqlite"):
            path = self.database_url.split("///", 1)[1]
            with closing(sqlite3.connect(path)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(query)]
        import psycopg2
        from psycopg2.extras import RealDictCursor

        address = self.database_url.replace("+psycopg2", "")
        with closing(psycopg2.connect(address, cursor_factory=RealDictCursor)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return [dict(row) for row in cursor.fetchall()]


def _closed(letter: Row) -> bool:
    return letter["state"] in ("resolved", "discarded")


def _instant(value: Any) -> str:
    return value if isinstance(value, str) else value.isoformat()


def as_text(value: Any) -> str:
    """A value as canonical text."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
