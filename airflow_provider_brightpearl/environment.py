"""This Airflow as the place where flows run: its settings, connections and state database."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl import compat, settings
from airflow_provider_brightpearl.errors import Misconfigured, SyncError
from airflow_provider_brightpearl.extra import Extra
from airflow_provider_brightpearl.state_url import database_url

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from upath import UPath

    from airflow_provider_brightpearl.core.ports.quota import QuotaStore
    from airflow_provider_brightpearl.runtime.environment import Environment
    from airflow_provider_brightpearl.stores.breakers import SqlBreakers
    from airflow_provider_brightpearl.stores.signing import SigningKey
    from airflow_provider_brightpearl.systems.http.breaker import Breaker
    from airflow_provider_brightpearl.systems.http.daily_quota import DailyQuota
    from airflow_provider_brightpearl.systems.http.shared_quota import SharedBudget
    from airflow_provider_brightpearl.systems.system import System

log = logging.getLogger(__name__)

_SECRET = re.compile("secret|password|token|key|private", re.IGNORECASE)


def airflow_environment(mappings: str | Path | None = None) -> Environment:
    """The environment of this Airflow.

    Args:
        mappings: folder of the flow files, where it is not the configured one.
    """
    # imported by the worker only: it pulls in DuckDB, requests and SQLAlchemy
    from airflow_provider_brightpearl.core.letters import LetterPolicy
    from airflow_provider_brightpearl.mapping.process import Bounds
    from airflow_provider_brightpearl.runtime.environment import Environment, Retention

    keep = Retention(
        staging=timedelta(days=settings.number("keep_staging_days")),
        payloads=timedelta(days=settings.number("payload_days")),
        events=timedelta(days=settings.number("event_days")),
        history=timedelta(days=settings.number("history_days")),
    )
    return Environment(
        mappings=Path(mappings) if mappings else settings.mappings_folder(),
        state=state_engine,
        staging=staging_root,
        connect=connect,
        address=address,
        keep=keep,
        letters=LetterPolicy(
            looks=settings.number("gone_after_looks"), days=settings.number("gone_after_days")
        ),
        gate_sql_rows=settings.number("gate_sql_rows"),
        mapping_bounds=Bounds(settings.number("mapping_seconds"), settings.number("mapping_memory_mb")),
        write_back_limit=settings.number("write_back_limit"),
        lease=settings.lease(),
        certificates=certificates_root if settings.text("certificates_path") else None,
        signing_key=signing_key,
    )


def connect(system: System, conn_id: str | None = None) -> Any:
    """The client of a system, by a connection of this Airflow; by the system's usual one if left out.

    Raises:
        Misconfigured: there is no such connection, or a field of it is missing or wrong.
    """
    module, _, name = system.hook.rpartition(".")
    conn_id = conn_id or system.conn_id
    try:
        return getattr(import_module(module), name)(conn_id).get_client()
    except compat.AirflowNotFoundException as error:
        raise Misconfigured(
            f"there is no connection {conn_id!r}; add it, then run `brightpearl connections check {conn_id}`"
        ) from error


def address(system: System, conn_id: str | None = None) -> str:
    """What a connection says of where it leads to: another text for another account, the same for a new secret."""
    conn_id = conn_id or system.conn_id
    return _address(system.name, conn_id, compat.BaseHook.get_connection(conn_id))


def _address(system: str, conn_id: str, connection: Any) -> str:
    given = Extra.of(connection).values
    extra = {name: value for name, value in given.items() if not _SECRET.search(name)}
    parts = (connection.host, connection.port, connection.schema, connection.login, sorted(extra.items()))
    digest = sha256(repr(parts).encode()).hexdigest()[:16]
    return f"{system}:{conn_id}:{digest}"


def staging_root() -> str | UPath:
    """Where staging files lie: a local folder, or object storage reached through Airflow's connections."""
    path = settings.staging_path()
    return object_path(path) if "://" in path else path


def certificates_root() -> str | UPath:
    """Where certificates lie: a local folder, or object storage reached through Airflow's connections."""
    path = settings.text("certificates_path")
    return object_path(path) if "://" in path else path


def signing_key() -> SigningKey | None:
    """The key that signs certificates, None where none is configured.

    Raises:
        Misconfigured: what is configured is no such key.
    """
    from airflow_provider_brightpearl.stores.signing import SigningKey

    given = settings.text("certificate_key")
    return SigningKey.of(given, f"[{settings.SECTION}] certificate_key") if given else None


def object_path(path: str | Path | UPath, conn_id: str | None = None) -> UPath:
    """A path in object storage, reached through Airflow's connections, or on this machine's disk.

    Args:
        path: ``s3://bucket/key``, ``s3://conn_id@bucket/key``, a local path, or an ``ObjectStoragePath``.
        conn_id: connection of the storage, where the path does not name it.
    """
    from upath import UPath

    if isinstance(path, UPath):
        return path
    text = str(path)
    if "://" not in text:
        return UPath(text)
    given: UPath = (
        compat.ObjectStoragePath(text, conn_id=conn_id) if conn_id else compat.ObjectStoragePath(text)
    )
    return given


def state_engine() -> Engine:
    """The engine of the state database, with its tables in place.

    Raises:
        Unavailable: it does not answer.
        Misconfigured: the connection is missing, or is neither PostgreSQL nor SQLite.
    """
    return _engine(state_url())


def state_url() -> str:
    """SQLAlchemy URL of the state database, password included: never log it."""
    conn_id = settings.state_conn_id()
    if conn_id is None:
        settings.check_state_is_shared()
        return f"sqlite:///{settings.state_file()}"
    return connection_url(conn_id, f"[{settings.SECTION}] state_conn_id")


def connection_url(conn_id: str, option: str) -> str:
    """SQLAlchemy URL of a state database by its connection, password included: never log it.

    Args:
        conn_id: of a connection to PostgreSQL or SQLite.
        option: what names it, for the error where there is none.
    """
    try:
        connection = compat.BaseHook.get_connection(conn_id)
    except compat.AirflowNotFoundException as error:
        raise Misconfigured(
            f"{option} names connection {conn_id!r}, which does not exist; add it or correct the name"
        ) from error
    return database_url(connection)


@cache
def _engine(url: str) -> Engine:
    from airflow_provider_brightpearl.stores.engine import open_engine

    return open_engine(url)


def breakers() -> SqlBreakers:
    """The circuit breakers of all connections; raises as ``state_engine`` does."""
    from airflow_provider_brightpearl.stores.breakers import SqlBreakers

    return SqlBreakers(state_engine())


def breaker_of(system: str, conn_id: str, connection: Any, look: Callable[[], object]) -> Breaker:
    """The circuit breaker of a connection; one that lets everything through where there is no state database.

    Args:
        system: name of the system.
        conn_id: id of the connection.
        connection: the connection itself.
        look: one cheap read of the system, not repeated.
    """
    from airflow_provider_brightpearl.core.breaker import BreakerPolicy
    from airflow_provider_brightpearl.runtime.breaker import SystemBreaker
    from airflow_provider_brightpearl.systems.http.breaker import NO_BREAKER

    policy = BreakerPolicy(
        shortest=settings.number("outage_look_seconds"),
        longest=settings.number("outage_longest_look_seconds"),
    )
    try:
        where = _address(system, conn_id, connection)
        return SystemBreaker(breakers(), system, conn_id, where, look, policy)
    except SyncError as error:
        log.warning("outages of %s are not shared between tasks: %s", system, error)
        return NO_BREAKER


def call_budget(system: str, pool: str) -> SharedBudget | None:
    """The calls of a pool, shared with all processes that use this state database; None where that is off.

    Args:
        system: ``brightpearl`` or ``infor``.
        pool: what shares one quota: an account, a tenant.
    """
    from airflow_provider_brightpearl.core.quota import Limit
    from airflow_provider_brightpearl.systems.http.shared_quota import SharedBudget

    if system == "brightpearl":
        calls = settings.number("brightpearl_calls_per_minute")
        limit = Limit(calls, reserve=settings.number("brightpearl_reserve"))
    else:
        calls = settings.number("infor_calls_per_minute")
        limit = Limit(calls, per_day=settings.number("infor_calls_per_day") * (100 - _daily_reserve()) // 100)
    if not calls:
        return None
    return SharedBudget(quota_store, f"{system}:{pool}", limit)


def daily_quota(pool: str) -> DailyQuota:
    """The calls of a day that a system reports in its answers, such as Salesforce."""
    from airflow_provider_brightpearl.systems.http.daily_quota import DailyQuota

    return DailyQuota(quota_store, pool, _daily_reserve())


def quota_store() -> QuotaStore:
    """Where all processes count their calls."""
    from airflow_provider_brightpearl.stores.quota import SqlQuota

    return SqlQuota(state_engine())


def _daily_reserve() -> int:
    percent = settings.number("daily_reserve_percent")
    if percent >= 100:
        raise Misconfigured(
            f"[{settings.SECTION}] daily_reserve_percent is {percent}, which leaves no call; write 0 to 99"
        )
    return percent


def token_store() -> Any:
    """Where OAuth tokens outlive a task, encrypted with the keys of ``token_keys``, else of Airflow; None without."""
    from airflow_provider_brightpearl.stores.tokens import Tokens
    from airflow_provider_brightpearl.systems.http.oauth import Token

    fernet = _fernet()
    return Tokens(state_engine(), fernet, Token) if fernet else None


def _fernet() -> Any:
    from cryptography.fernet import Fernet, MultiFernet

    keys = settings.token_keys()
    if keys:
        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise Misconfigured(f"[{settings.SECTION}] token_keys: {error}") from None
    own = compat.get_fernet()
    return own if own.is_encrypted else None
