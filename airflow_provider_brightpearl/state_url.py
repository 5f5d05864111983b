"""The URL of a state database, as an Airflow connection describes it."""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.extra import Extra

_DRIVERS = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2", "sqlite": "sqlite"}
# what libpq takes besides host, port, user, password and database
_LIBPQ = frozenset((
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "fallback_application_name",
    "gssdelegation", "gssencmode", "gsslib", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "krbsrvname", "load_balance_hosts", "max_protocol_version", "min_protocol_version",
    "options", "passfile", "require_auth", "requirepeer", "service", "ssl_max_protocol_version",
    "ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey",
    "sslkeylogfile", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert", "sslsni", "target_session_attrs",
    "tcp_user_timeout",
))  # fmt: skip
# what Airflow's own hook reads, and which changes nothing about how the server is reached
_AIRFLOWS = frozenset(
    ("cursor", "enable_log_db_messages", "sqlalchemy_scheme", "aws_conn_id", "azure_conn_id")
)


def database_url(connection: Any) -> str:
    """SQLAlchemy URL of a state database, password included: never log it.

    Args:
        connection: an Airflow connection to PostgreSQL or SQLite; its extra holds options of libpq.

    Raises:
        Misconfigured: it is of another type, or its extra holds what cannot be passed on.
    """
    # imported by the worker only
    from sqlalchemy.engine import URL

    driver = _DRIVERS.get(connection.conn_type)
    if driver is None:
        raise Misconfigured(
            f"connection {connection.conn_id} is of type {connection.conn_type!r}; "
            "the state database is postgres or sqlite"
        )
    if driver == "sqlite":
        return f"sqlite:///{connection.host or connection.schema}"
    hosts = _hosts(connection.host or "", connection.port)
    return URL.create(
        driver,
        username=connection.login,
        password=connection.password,
        host=None if hosts else connection.host,
        port=None if hosts else connection.port,
        database=connection.schema,
        query={**_options(Extra.of(connection)), **({"host": hosts} if hosts else {})},
    ).render_as_string(hide_password=False)


def _options(extra: Extra) -> dict[str, str]:
    given = {name: value for name, value in extra.values.items() if value not in (None, "", False)}
    unknown = sorted({*given} - _LIBPQ - _AIRFLOWS)
    if unknown:
        raise Misconfigured(
            f"connection {extra.conn_id}: {', '.join(unknown)} in its extra is no option of libpq, and would have no "
            "effect; remove it (the state database is reached with user and password or a client certificate)"
        )
    return {name: extra.text(name) for name in given if name in _LIBPQ}


def _hosts(host: str, port: int | None) -> tuple[str, ...]:
    """Several hosts, each with its port; empty where it is one."""
    names = [name.strip() for name in host.split(",") if name.strip()]
    if len(names) < 2:
        return ()
    return tuple(name if ":" in name else f"{name}:{port or 5432}" for name in names)
