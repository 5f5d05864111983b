"""Databases for tests; on PostgreSQL one of its own for each test session and worker, dropped at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.engine import URL, make_url

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
        return f"sqlite:///{folder / 'state.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
