"""The URL of a state database by its Airflow connection."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from airflow.models.connection import Connection
from sqlalchemy.engine import make_url

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.state_url import database_url


def arguments(host: str = "pg", **extra: Any) -> dict[str, Any]:
    """What psycopg2 is called with."""
    given = Connection(
        conn_id="state", conn_type="postgres", host=host, login="bp", password="p@ss/w", port=5433, schema="bp",
        extra=extra or None,
    )  # fmt: skip
    url = make_url(database_url(given))
    return dict(sa.create_engine(url).dialect.create_connect_args(url)[1])


def test_options_of_libpq_are_passed_on() -> None:
    extra = {
        "target_session_attrs": "read-write", "sslcrl": "/crl", "channel_binding": "require", "gssencmode": "disable",
        "keepalives_idle": "30",
    }  # fmt: skip
    found = arguments(**extra, cursor="dictcursor", iam=False)
    login = {"host": "pg", "port": 5433, "user": "bp", "password": "p@ss/w"}
    assert extra | login == {name: found[name] for name in (*extra, *login)}
    assert not {"cursor", "iam"} & {*found}


@pytest.mark.parametrize(
    ("host", "hosts", "ports"),
    [
        ("one,two", "one,two", "5433,5433"),
        ("one:6000, two", "one,two", "6000,5433"),
        ("fd00::1", "fd00::1", 5433),
    ],
)
def test_several_hosts(host: str, hosts: str, ports: object) -> None:
    found = arguments(host)
    assert (hosts, ports) == (found["host"], found["port"])


def test_what_would_have_no_effect_is_refused() -> None:
    with pytest.raises(
        Misconfigured, match="connection state: iam, redshift in its extra is no option of libpq"
    ):
        arguments(iam=True, redshift=True, aws_conn_id="aws")
