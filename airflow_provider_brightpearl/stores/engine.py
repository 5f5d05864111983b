"""Opens the state database and turns its failures into our errors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import QueuePool

from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, SyncError, Unavailable
from airflow_provider_brightpearl.stores import schema
from airflow_provider_brightpearl.stores.tables import binding

CHUNK = 500
_CONNECT_SECONDS = 10
# longer than any transaction of ours; SQLite has one writer at a time
_LOCK_SECONDS = 90
_FAILURES = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
# SQLite says so of a file that is damaged, or holds something else
_NO_DATABASE = ("file is not a database", "database disk image is malformed")
_REFUSALS = ("password authentication failed", "no password supplied", "no pg_hba.conf entry")
# PostgreSQL says so of a statement, libpq of all servers that it was given
_READ_ONLY = ("in a read-only transaction", "session is read-only", "server is in hot standby mode")

T = TypeVar("T")
Fence = Callable[[Connection], None]
_joined: ContextVar[Connection | None] = ContextVar("transaction", default=None)
_fence: ContextVar[tuple[Engine, Fence] | None] = ContextVar("fence", default=None)


def open_engine(url: str) -> Engine:
    """The state database with its tables in place.

    Args:
        url: ``sqlite:////absolute/path.db`` or ``postgresql://user:password@host:5432/name``.

    Raises:
        Unavailable: the database does not answer.
        CredentialsRefused: it does not accept user or password.
        Misconfigured: the URL cannot be used, or the tables are newer than this release.
    """
    return _with_tables(_engine(_known(url)))


def open_existing(url: str) -> Engine:
    """A state database that exists, its tables brought to this release's version; raises as ``open_engine`` does.

    Raises:
        Misconfigured: also where there is none.
    """
    known = _known(url)
    missing = known.drivername == "sqlite" and not known.query and not Path(str(known.database)).is_file()
    engine = None if missing else _engine(known)
    if engine is not None:
        with reading(engine) as connection:
            missing = not sa.inspect(connection).has_table(binding.name)
    if engine is None or missing:
        raise Misconfigured(f"there is no state of this package in {_place(known)}", system="state database")
    return _with_tables(engine)


def _with_tables(engine: Engine) -> Engine:
    with reading(engine) as connection:
        current = schema.revision(connection)
    if current != schema.HEAD:
        with writing(engine) as connection:
            schema.upgrade(connection)
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[None]:
    """Makes one transaction of all that this thread reads and writes within: all of it is kept, or nothing."""
    with writing(engine) as connection:
        token = _joined.set(connection)
        try:
            yield
        finally:
            _joined.reset(token)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, or the one that is open here."""
    if (joined := _joined.get()) is not None and joined.engine is engine:
        yield joined
        return
    with _answering(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes, or the one that is open here.

    SQLite takes its write lock at once, so that it waits instead of failing later.
    """
    if (joined := _joined.get()) is not None and joined.engine is engine:
        yield joined
        return
    with _answering(engine), engine.connect() as connection:
        connection = connection.execution_options(bp_writes=True)
        with connection.begin():
            yield connection


@contextmanager
def fencing(engine: Engine, fence: Fence) -> Iterator[None]:
    """Has ``fence`` look, in every transaction of ``fenced`` within, whether it may write; it raises where not."""
    token = _fence.set((engine, fence))
    try:
        yield
    finally:
        _fence.reset(token)


@contextmanager
def fenced(engine: Engine) -> Iterator[Connection]:
    """As ``writing``, for the run that works here: refused once another one has taken its lease over."""
    with writing(engine) as connection:
        if (held := _fence.get()) is not None and held[0] is engine:
            held[1](connection)
        yield connection


def shared_time(connection: Connection) -> datetime:
    """The time by a clock that all who use the database share: its own, or that of its machine."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    found: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def _known(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        # SQLAlchemy's message repeats the URL, password included
        raise Misconfigured(
            "the URL of the state database cannot be read; write scheme://user:password@host/name"
        ) from None
    backend = parsed.drivername.partition("+")[0]
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg2")
    if backend != "sqlite":
        raise Misconfigured(f"the state database is SQLite or PostgreSQL, not {backend}")
    if parsed.database in (None, "", ":memory:"):
        raise Misconfigured(
            "a state database in memory is lost with its task; write sqlite:////absolute/path.db"
        )
    return parsed.set(drivername="sqlite")


def _engine(url: URL) -> Engine:
    try:
        return _sqlite(url) if url.drivername == "sqlite" else _postgres(url)
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"the driver of the state database is missing: pip install {error.name}"
        ) from error


def _postgres(url: URL) -> Engine:
    patience: dict[str, Any] = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
    return sa.create_engine(
        url,
        future=True,
        hide_parameters=True,
        pool_pre_ping=True,
        # otherwise an upsert of many rows takes one round trip per row
        executemany_mode="values_plus_batch",
        executemany_batch_page_size=CHUNK,
        connect_args=patience,
    )


def _sqlite(url: URL) -> Engine:
    if not url.query:
        Path(str(url.database)).expanduser().parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url,
        future=True,
        hide_parameters=True,
        poolclass=QueuePool,
        connect_args={"timeout": _LOCK_SECONDS, "check_same_thread": False},
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Python's driver begins transactions late and implicitly, so BEGIN is issued here
    connection.isolation_level = None
    connection.create_function("bp_digest", 1, digest, deterministic=True)
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode=WAL")


def digest(text: str) -> str:
    """As ``dead_letters.payload_digest`` has PostgreSQL compute it."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("bp_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _answering(engine: Engine) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise _explained(engine.url, error) from error
    except exc.DatabaseError as error:
        if not any(text in str(error) for text in _NO_DATABASE):
            raise
        raise Misconfigured(
            f"{_place(engine.url)} is not a SQLite database, or is damaged: put back the file, or a backup of it",
            system="state database",
        ) from error


def _place(url: URL) -> str:
    hosts = f"{url.host}:{url.port or 5432}" if url.host else ",".join(url.normalized_query.get("host", ()))
    return f"{hosts}/{url.database}" if hosts else str(url.database)


def _explained(url: URL, error: exc.SQLAlchemyError) -> SyncError:
    cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    place = _place(url)
    if any(text in cause for text in _REFUSALS):
        return CredentialsRefused(
            f"the state database {place} refused the login: {cause}", system="state database"
        )
    if "does not exist" in cause and cause.startswith("connection to server"):
        return Misconfigured(f"the state database {place} does not exist: {cause}", system="state database")
    if any(text in cause for text in _READ_ONLY):
        return Unavailable(
            f"the state database {place} can only be read: {cause}; it is a standby, or set to read-only. Connect to "
            'the primary: name all servers as host, and "target_session_attrs": "read-write" in the extra',
            system="state database",
        )
    return Unavailable(
        f"the state database {place} does not answer: {cause}; "
        "check that it is running, that this worker can reach it and write to it, and that its disk is not full",
        system="state database",
    )
