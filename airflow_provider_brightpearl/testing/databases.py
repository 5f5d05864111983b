"""State databases of trials: each begins with a copy of the one that its world was left with."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from sqlalchemy.engine import URL, make_url

from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.moving import copy_state

SQLITE, POSTGRES = "sqlite", "postgresql"
# names the server for trials on PostgreSQL; its user creates and drops databases
SERVER = "BRIGHTPEARL_TEST_POSTGRES"


def is_served(kind: str) -> bool:
    """Whether there is a server for a kind of database."""
    return kind == SQLITE or bool(os.environ.get(SERVER))


@dataclass
class Databases:
    """Copies of a state database.

    Args:
        original: the SQLite file that is copied.
    """

    original: Path
    _made: list[str] = field(default_factory=list)

    def copy(self, folder: Path, kind: str = SQLITE) -> str:
        """URL of a new copy, in a folder or on the server of ``BRIGHTPEARL_TEST_POSTGRES``."""
        if kind == SQLITE:
            shutil.copy(self.original, folder / "state.db")
            return f"sqlite:///{folder / 'state.db'}"
        return self._create("trial", self._template)

    @cached_property
    def _template(self) -> str:
        """A database on the server with what the file holds."""
        url = self._create("world")
        engine = open_engine(url)
        copy_state(f"sqlite:///{self.original}", engine)
        engine.dispose()
        return str(make_url(url).database)

    def _create(self, use: str, template: str = "template1") -> str:
        url = make_url(os.environ[SERVER]).set(database=f"bp_{use}_{uuid4().hex[:12]}")
        create(url, template)
        self._made.append(url.render_as_string(hide_password=False))
        return self._made[-1]

    def drop(self) -> None:
        """Drops all copies on the server."""
        while self._made:
            drop(make_url(self._made.pop()))
        self.__dict__.pop("_template", None)


def path_of(url: str) -> Path:
    """The file of a SQLite database."""
    return Path(url.split("///", 1)[1])


@contextmanager
def set_aside(url: str) -> Iterator[None]:
    """Has another, empty database under this name while the block runs; nobody is connected before and after it."""
    if url.startswith(SQLITE):
        path = path_of(url)
        aside = f"sqlite:///{path.rename(path.with_suffix('.aside'))}"
        try:
            yield
        finally:
            put_back(url, aside)
        return
    own = make_url(url)
    other = own.set(database=f"{own.database}_aside")
    rename(own, other)
    create(own)
    try:
        yield
    finally:
        put_back(url, other.render_as_string(hide_password=False))


def back_up(url: str) -> str:
    """Copies a database to which nobody is connected; returns the copy's URL."""
    if url.startswith(SQLITE):
        copy = path_of(url).with_suffix(".backup")
        with closing(sqlite3.connect(path_of(url))) as old, closing(sqlite3.connect(copy)) as new:
            old.backup(new)
        return f"sqlite:///{copy}"
    own = make_url(url)
    copied = own.set(database=f"{own.database}_backup")
    create(copied, str(own.database))
    return copied.render_as_string(hide_password=False)


def put_back(url: str, backup: str) -> None:
    """Puts a backup in the place of its database, to which nobody is connected."""
    if url.startswith(SQLITE):
        remove_sqlite(path_of(url))
        path_of(backup).rename(path_of(url))
        return
    drop(make_url(url))
    rename(make_url(backup), make_url(url))


def remove_sqlite(path: Path) -> None:
    """Deletes a SQLite file with its log."""
    for name in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{name}").unlink(missing_ok=True)


# PostgreSQL; the names are our own


def create(url: URL, template: str = "template1") -> None:
    """Creates a database as a copy of another one."""
    _at_server(f"CREATE DATABASE {url.database} TEMPLATE {template}")


def drop(url: URL) -> None:
    """Drops a database, also one that somebody is connected to."""
    _at_server(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")


def rename(old: URL, new: URL) -> None:
    """Gives a database another name, and ends the connections to it."""
    _at_server(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{old.database}'")  # noqa: S608
    _at_server(f"ALTER DATABASE {old.database} RENAME TO {new.database}")


def _at_server(statement: str) -> None:
    import psycopg2

    address = make_url(os.environ[SERVER]).set(drivername="postgresql")
    with closing(psycopg2.connect(address.render_as_string(hide_password=False))) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)
