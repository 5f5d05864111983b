from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import open_engine, reading
from airflow_provider_brightpearl.stores.tokens import CLAIM, Tokens

KEY = Fernet.generate_key()


@dataclass(frozen=True, slots=True)
class Token:
    access_token: str
    refresh_token: str = ""
    expires_at: datetime | None = None


def tokens(engine: Engine, key: bytes = KEY, claim: timedelta = CLAIM) -> Tokens[Token]:
    return Tokens(engine, Fernet(key), Token, claim)


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
        assert store.read("bp") == Token("new")
        with store.exclusive("another") as free:
            free.write(Token("x"))


def test_a_dead_workers_claim_expires(engine: Engine) -> None:
    with tokens(engine, claim=timedelta()).exclusive("bp") as dead:
        dead.write(Token("old"))
        with tokens(engine).exclusive("bp") as slot:
            assert slot.read() == Token("old")
            # it was not dead but late, and the only one who got an answer
            dead.write(Token("late"))
            assert slot.read() == Token("late")
            slot.write(Token("newer"))
            dead.write(Token("too late"))
    assert tokens(engine).read("bp") == Token("newer")


def test_an_answer_is_stored_over_a_new_connection_where_the_first_one_breaks(engine: Engine) -> None:
    broken: list[str] = []

    def breaks(_c: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE bp_token SET value") and not broken:
            broken.append(statement)
            raise sa.exc.OperationalError("terminating connection due to timeout", None, Exception())

    with tokens(engine).exclusive("bp") as slot:
        sa.event.listen(engine, "before_cursor_execute", breaks)
        slot.write(Token("rotated"))
    sa.event.remove(engine, "before_cursor_execute", breaks)
    assert (len(broken), tokens(engine).read("bp")) == (1, Token("rotated"))
