"""Databases for tests; on PostgreSQL one of its own for each test session and worker, dropped at the end.

To create the tables costs more than most tests do, so it is done once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from airflow_provider_brightpearl.stores.engine import open_engine, writing
from airflow_provider_brightpearl.stores.tables import metadata, version

DEFAULT = "postgresql+psycopg2://root@127.0.0.1:5432/postgres"


def server() -> URL:
    """The server to test on, from BRIGHTPEARL_TEST_POSTGRES or on this machine."""
    return make_url(os.environ.get("BRIGHTPEARL_TEST_POSTGRES") or DEFAULT)


def run_there(statement: str) -> None:
    """Runs one statement outside of a transaction, as CREATE DATABASE needs it."""
    import psycopg2

    url = server()
    login = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    known = {name: value for name, value in login.items() if value is not None}
    with closing(
        psycopg2.connect(dbname=url.database or "postgres", connect_timeout=3, **known)
    ) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a fresh database; skips where no server answers, fails with BRIGHTPEARL_REQUIRE_POSTGRES=1."""
    import psycopg2

    name = f"bp_test_{uuid4().hex[:12]}"
    try:
        run_there(f"CREATE DATABASE {name}")
        # no test cuts the power
        run_there(f"ALTER DATABASE {name} SET synchronous_commit = off")
    except psycopg2.OperationalError as error:
        line = f"no PostgreSQL at {server().host}:{server().port}: {str(error).splitlines()[0]}"
        if os.environ.get("BRIGHTPEARL_REQUIRE_POSTGRES") == "1":
            pytest.fail(line, pytrace=False)
        pytest.skip(line)
    yield server().set(database=name).render_as_string(hide_password=False)
    run_there(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def state_url(system: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """URL of a state database, on ``sqlite`` in a folder, on ``postgresql`` as ``postgres_url`` gives it."""
    if system == "sqlite":
        return sqlite_url(folder)
    url: str = request.getfixturevalue("postgres_url")
    return url


def sqlite_url(folder: Path, name: str = "state.db") -> str:
    """URL of a state database in a folder; a new one has its tables, empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        (folder / name).write_bytes(_empty())
    return f"sqlite:///{folder / name}"


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        open_engine(f"sqlite:///{path}").dispose()
        return path.read_bytes()


def clear(engine: Engine) -> None:
    """Empties the tables for the next test; a SQLite file has no next one."""
    if engine.dialect.name == "postgresql":
        emptied = [each.name for each in reversed(metadata.sorted_tables) if each is not version]
        with writing(engine) as connection:
            connection.exec_driver_sql("; ".join(f"DELETE FROM {name}" for name in emptied))
    engine.dispose()


@pytest.fixture
def bare_url(database_url: str) -> Iterator[str]:
    """URL of a state database without tables."""
    engine = sa.create_engine(database_url)
    _drop_all(engine)
    yield database_url
    _drop_all(engine)
    engine.dispose()


def _drop_all(engine: Engine) -> None:
    everything = sa.MetaData()
    with engine.begin() as connection:
        everything.reflect(connection)
        everything.drop_all(connection)
