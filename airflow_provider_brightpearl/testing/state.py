"""Faults of the state database and of the staging folder."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.restored import accept_restored
from airflow_provider_brightpearl.testing.fault import Injection

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial

# of a server that nothing listens at
_NOWHERE = "postgresql+psycopg2://nobody@127.0.0.1:9/nothing?connect_timeout=1"


@dataclass
class DatabaseDown(Injection):
    """A state database whose server does not answer."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        return replace(trial.place, database_url=_NOWHERE).run(trial.flow, run)


@dataclass
class DatabaseLocked(Injection):
    """A state database that takes reads and no writes."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        path = trial.place.database_url.split("///", 1)[1]
        place = replace(trial.place, database_url=f"sqlite:///file:{path}?mode=ro&uri=true")
        return place.run(trial.flow, run)


@dataclass
class DatabaseFull(Injection):
    """A state database whose disk takes so many more pages of 4 KB."""

    pages: int

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        engine = open_engine(trial.place.database_url)

        def limit(connection: Any, _: object) -> None:
            [[used]] = connection.execute("PRAGMA page_count").fetchall()
            connection.execute(f"PRAGMA max_page_count = {used + self.pages}").close()

        engine.dispose()
        sa.event.listen(engine, "connect", limit)
        place = replace(trial.place)
        place.__dict__["database"] = engine
        try:
            return place.run(trial.flow, run)
        finally:
            sa.event.remove(engine, "connect", limit)
            engine.dispose()


@dataclass
class DatabaseRestored(Injection):
    """A state database that is put back to how it was before the run, and accepted by a person."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        path = Path(trial.place.database_url.split("///", 1)[1])
        copy = path.with_name("backup.db")
        with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(copy)) as new:
            old.backup(new)
        summary = trial.place.run(trial.flow, run)
        trial.place.database.dispose()
        for name in (f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        shutil.copy(copy, path)
        accept_restored(trial.place.database)
        return summary


@dataclass
class StagingDamaged(Injection):
    """Files of a run that change between two of its stages.

    Args:
        damage: changes one file.
        pattern: the files, as of ``Path.rglob``.
    """

    damage: Callable[[Path], object]
    pattern: str = "*.parquet"
    done: bool = field(default=False, init=False)

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        self.done = False

        def opened(folder: Path) -> None:
            found = sorted(path for path in folder.rglob(self.pattern) if run in str(path))
            if found and not self.done:
                self.done = True
                self.damage(found[0])

        return replace(trial.place, opened=opened).run(trial.flow, run)


def cut(path: Path) -> None:
    """Leaves the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def edit(path: Path) -> None:
    """Changes a byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
