from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import open_engine, reading
from airflow_provider_brightpearl.stores.tokens import Tokens

KEY = Fernet.generate_key()


@dataclass(frozen=True, slots=True)
class Token:
    access_token: str
    refresh_token: str = ""
    expires_at: datetime | None = None


def tokens(engine: Engine, key: bytes = KEY) -> Tokens[Token]:
    return Tokens(engine, Fernet(key), Token)


def test_a_token_comes_back_as_it_was_written(engine: Engine) -> None:
    store = tokens(engine)
    token = Token("a+/=", "b", datetime(2024, 1, 1, 12, tzinfo=UTC))
    with store.exclusive("bp") as slot:
        assert slot.read() is None
        slot.write(token)
        assert slot.read() == token

    assert (store.read("bp"), store.read("other")) == (token, None)


def test_nothing_readable_lies_in_the_table(engine: Engine) -> None:
    with tokens(engine).exclusive("bp") as slot:
        slot.write(Token("access", "refresh"))

    with reading(engine) as connection:
        stored = connection.execute(sa.select(tables.token.c.value)).scalar_one()
    assert "access" not in stored
    assert "refresh" not in stored


def test_another_key_stops_and_says_what_to_do(engine: Engine) -> None:
    with tokens(engine).exclusive("bp") as slot:
        slot.write(Token("secret-value"))

    with pytest.raises(Misconfigured, match="the Fernet key has changed") as caught:
        tokens(engine, Fernet.generate_key()).read("bp")
    assert "secret-value" not in str(caught.value)


def test_a_token_written_before_a_failure_is_kept(engine: Engine) -> None:
    store = tokens(engine)
    with pytest.raises(KeyError, match="after"), store.exclusive("bp") as slot:
        slot.write(Token("new"))
        raise KeyError("after")

    assert store.read("bp") == Token("new")


def refresh(engine: Engine, seen: list[str]) -> None:
    """What a client does: takes another worker's token, or makes one, which takes a while."""
    with tokens(engine).exclusive("bp") as slot:
        stored = slot.read()
        if stored is None:
            time.sleep(0.2)
            slot.write(Token(f"made {threading.get_ident()}"))
            seen.append("made")


def test_threads_refresh_one_after_the_other(engine: Engine) -> None:
    seen: list[str] = []
    workers = [threading.Thread(target=refresh, args=(engine, seen)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert seen == ["made"]


def count_up(url: str, times: int) -> None:
    engine = open_engine(url)
    for _ in range(times):
        with tokens(engine).exclusive("counter") as slot:
            stored = slot.read() or Token("0")
            slot.write(Token(str(int(stored.access_token) + 1)))
    engine.dispose()


def test_processes_lose_no_write(engine: Engine, database_url: str) -> None:
    forking = multiprocessing.get_context("fork")
    workers = [forking.Process(target=count_up, args=(database_url, 20)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0, 0]
    assert tokens(engine).read("counter") == Token("40")


def test_other_tokens_and_readers_do_not_wait(engine: Engine) -> None:
    store = tokens(engine)
    with store.exclusive("bp") as slot:
        slot.write(Token("new"))
        assert store.read("bp") is None
        if engine.dialect.name == "postgresql":
            with store.exclusive("another") as free:
                free.write(Token("x"))
