from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, Unavailable
from airflow_provider_brightpearl.stores import schema, tables
from airflow_provider_brightpearl.stores.engine import open_engine, reading, writing


def test_tables_are_made_once_though_many_workers_start_together(bare_url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            open_engine(bare_url).dispose()
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=start) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    engine = open_engine(bare_url)
    with reading(engine) as connection:
        versions = connection.execute(sa.select(tables.version.c.version_num)).scalars().all()
    engine.dispose()

    assert failures == []
    assert versions == [schema.HEAD]


def test_a_database_that_is_down_says_where_and_keeps_the_password() -> None:
    with pytest.raises(Unavailable) as caught:
        open_engine("postgresql://someone:s3cret@127.0.0.1:1/state")

    assert "127.0.0.1:1/state does not answer" in str(caught.value)
    assert "check that it is running" in str(caught.value)
    assert "s3cret" not in str(caught.value) + str(caught.value.__cause__)


def test_a_database_that_is_not_there(postgres_url: str) -> None:
    with pytest.raises(Misconfigured, match="does not exist"):
        open_engine(postgres_url + "_gone")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql//someone:s3cret@host/name", "cannot be read"),
        ("mysql://someone:s3cret@host/name", "not mysql"),
        ("sqlite://", "in memory is lost"),
    ],
)
def test_a_url_of_no_use(url: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as caught:
        open_engine(url)

    assert "s3cret" not in str(caught.value)


def test_a_login_that_is_refused_stops() -> None:
    from airflow_provider_brightpearl.stores.engine import _explained, _known

    error = sa.exc.OperationalError("", {}, Exception("FATAL:  password authentication failed for user x"))
    explained = _explained(_known("postgresql://x:s3cret@host/name"), error)

    assert CredentialsRefused is type(explained)
    assert "s3cret" not in str(explained)


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    open_engine(f"sqlite:///{tmp_path}/a/b/state.db").dispose()

    assert (tmp_path / "a" / "b" / "state.db").exists()


def test_instants_come_back_aware_and_in_utc(engine: Engine) -> None:
    there = datetime(2024, 3, 31, 1, 30, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    with writing(engine) as connection:
        connection.execute(tables.watermark.insert().values(flow="f", instant=there, run="r"))

    with reading(engine) as connection:
        found = connection.execute(sa.select(tables.watermark.c.instant)).scalar_one()

    assert found == there
    assert found.tzinfo is UTC


def test_a_naive_instant_is_refused(engine: Engine) -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001
    with pytest.raises(sa.exc.StatementError, match="time zone"), writing(engine) as connection:
        connection.execute(tables.watermark.insert().values(flow="f", instant=naive, run="r"))


def test_what_a_failed_block_wrote_is_taken_back(engine: Engine) -> None:
    def fail() -> None:
        with writing(engine) as connection:
            connection.execute(tables.watermark.insert().values(flow="f", instant=datetime.now(UTC), run="r"))
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    with reading(engine) as connection:
        assert connection.execute(sa.select(tables.watermark)).all() == []
