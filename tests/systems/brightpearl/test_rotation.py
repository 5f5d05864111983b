"""Refresh tokens that change with each use, and workers that are killed on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.holding import holding
from airflow_provider_brightpearl.errors import CredentialsRefused, LeaseLost, TimedOut, Unavailable
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.leases import Lease, SqlLeases
from airflow_provider_brightpearl.stores.tokens import CLAIM, Tokens
from airflow_provider_brightpearl.systems.brightpearl.auth import OAuthApp, OAuthTokens
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens, Token, TokenSlot, TokenStore
from airflow_provider_brightpearl.systems.http.transport import (
    CONNECT_SECONDS,
    LOGIN_SECONDS,
    MeteredAdapter,
    login_session,
    new_session,
)
from tests.systems.stub import Asked, Reply, Stub, serving

# Python 3.12 warns of forks beside threads, here that of the server
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
INITIAL = Token("access-0", "refresh-0", NOW - timedelta(hours=1))
KEY = Fernet.generate_key()


class Rotating:
    """A token address that takes each refresh token once, or also the last one if it is ``lenient``."""

    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient, self.count = lenient, 0

    def __call__(self, asked: Asked) -> Reply:
        given = parse_qs(asked.body.decode())["refresh_token"][0]
        current = f"refresh-{self.count}"
        last = f"refresh-{self.count - 1}"
        if given not in ((current, last) if self.lenient else (current,)):
            return Reply({"error": "invalid_grant", "error_description": "unknown refresh token"}, 400)
        if given == current:
            self.count += 1
        return Reply(
            {
                "access_token": f"access-{self.count}",
                "refresh_token": f"refresh-{self.count}",
                "expires_in": 600,
            }
        )


def tokens_of(url: str, store: TokenStore, initial: Token = INITIAL) -> OAuthTokens:
    return OAuthTokens(
        OAuthApp("app", "dev", f"{url}/token/acme"), "acme", store, initial, new_session(), lambda: NOW
    )


def stored_in(engine: Engine, claim: timedelta = CLAIM) -> Tokens[Token]:
    return Tokens(engine, Fernet(KEY), Token, claim)


class Dying:
    """A store in which this process ends at a point: before a write, after it, or once it is committed."""

    def __init__(self, store: TokenStore, point: str) -> None:
        self.store, self.point, self.writes = store, point, 0

    def reach(self, here: str) -> None:
        if f"{here} {self.writes}" == self.point:
            os.kill(os.getpid(), signal.SIGKILL)

    def read(self, name: str) -> Token | None:
        return self.store.read(name)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[TokenSlot]:
        with self.store.exclusive(name) as slot:
            yield DyingSlot(self, slot)
        self.reach("committed")


@dataclass
class DyingSlot:
    dying: Dying
    slot: TokenSlot

    def read(self) -> Token | None:
        return self.slot.read()

    def write(self, token: Token) -> None:
        self.dying.writes += 1
        self.dying.reach("before")
        self.slot.write(token)
        self.dying.reach("written")


def work(url: str, database: str, point: str) -> None:
    # a claim that ends at once: nobody waits for the dead
    tokens_of(url, Dying(stored_in(open_engine(database), timedelta()), point)).current()


def killed(stub: Stub, database: str, point: str) -> None:
    worker = multiprocessing.get_context("fork").Process(target=work, args=(stub.url, database, point))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL


# the first write is the intent, the second one the new token
HARMLESS = ("before 1", "written 1", "written 2", "committed 2")


@pytest.mark.parametrize("point", HARMLESS)
def test_a_killed_worker_costs_nothing_where_no_answer_is_lost(
    point: str, engine: Engine, database_url: str
) -> None:
    server = Rotating()
    with serving(server) as stub:
        killed(stub, database_url, point)
        assert tokens_of(stub.url, stored_in(engine)).current() == "access-1"
    assert server.count == 1


def test_a_token_that_was_lost_with_a_worker_is_given_again_by_a_lenient_system(
    engine: Engine, database_url: str
) -> None:
    server = Rotating(lenient=True)
    with serving(server) as stub:
        killed(stub, database_url, "before 2")
        assert tokens_of(stub.url, stored_in(engine)).current() == "access-1"


def test_a_token_that_was_lost_with_a_worker_is_an_error_that_says_so(
    engine: Engine, database_url: str
) -> None:
    server = Rotating()
    with serving(server) as stub:
        killed(stub, database_url, "before 2")
        for _ in range(2):
            with pytest.raises(CredentialsRefused) as caught:
                tokens_of(stub.url, stored_in(engine)).current()
            message = str(caught.value)
            assert (
                "The refresh of 2026-03-01T00:00:00+00:00 was cut off before its answer was stored" in message
            )
            assert "put the new one into the connection, nothing else has to be repaired" in message
            assert "refresh-" not in message
        # a person has authorised the app again
        server.count = 7
        again = Token("", "refresh-7")
        assert tokens_of(stub.url, stored_in(engine), again).current() == "access-8"
        kept = stored_in(engine).read("acme")
    assert kept is not None
    assert (kept.refresh_token, kept.previous_refresh_token) == ("refresh-8", "refresh-7")
    assert kept.refreshing_since is None


def test_the_last_refresh_token_is_tried_too() -> None:
    server = Rotating()
    store = MemoryTokens({"acme": Token("access-3", "lost", NOW, previous_refresh_token="refresh-0")})
    with serving(server) as stub:
        assert tokens_of(stub.url, store, Token("", "refresh-x")).current() == "access-1"


def test_a_refusal_of_its_own_is_not_called_cut_off() -> None:
    store = MemoryTokens({"acme": Token("access-3", "dead", NOW)})
    with serving(Rotating()) as stub:
        for _ in range(2):
            with pytest.raises(CredentialsRefused) as caught:
                tokens_of(stub.url, store, Token("", "")).current()
            assert "cut off" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "error", "lost"),
    [
        (Reply({"error": "invalid_grant"}, 400), CredentialsRefused, False),
        (Reply({"message": "Endpoint request timed out"}, 504), Unavailable, True),
        (Reply({"message": "Forbidden"}, 403), Unavailable, True),
        (Reply(b"<html>", 404), Unavailable, True),
        (Reply({}, 200), Unavailable, True),
        (Reply(b"x" * 9, cut=5), TimedOut, True),
    ],
)
def test_all_but_an_answer_of_brightpearl_counts_as_cut_off(
    reply: Reply, error: type[Exception], lost: bool
) -> None:
    store = MemoryTokens()
    with serving(lambda _: reply) as stub, pytest.raises(error):
        tokens_of(stub.url, store).current()
    kept = store.read("acme")
    assert kept is not None
    assert (kept.refreshing_since is not None) == lost
    assert kept.refresh_token == "refresh-0"


def test_a_refresh_that_reaches_nobody_loses_nothing() -> None:
    store = MemoryTokens()
    with serving(Rotating()) as stub:
        gone = stub.url
    with pytest.raises(Unavailable, match="no connection"):
        tokens_of(gone, store).current()
    kept = store.read("acme")
    assert kept is not None
    assert kept.refreshing_since is None


def test_a_run_whose_lease_is_lost_sends_no_refresh_and_marks_none() -> None:
    def lost() -> None:
        raise LeaseLost("another run has taken over")

    store = MemoryTokens()
    with serving(Rotating()) as stub, holding(lost), pytest.raises(LeaseLost):
        tokens_of(stub.url, store).current()
    kept = store.read("acme")
    assert kept is not None
    assert kept.refreshing_since is None


def test_others_write_while_a_refresh_waits_for_its_answer(engine: Engine) -> None:
    """On SQLite as well, where an open transaction would lock out everybody; the lease is renewed, too."""
    leases = SqlLeases(engine, "a>b", timedelta(minutes=1))
    server = Rotating()
    taken: list[Lease] = []

    def answer(asked: Asked) -> Reply:
        if not taken:
            taken.append(leases.take("flow", "run", "load"))
        return server(asked)

    def renew() -> None:
        for each in taken:
            leases.renew(each)

    with serving(answer) as stub:
        first = Token("access-0", "unknown", NOW, previous_refresh_token="refresh-0")
        # the second refresh token is sent after a check that renews
        with holding(renew):
            assert tokens_of(stub.url, stored_in(engine), first).current() == "access-1"
    assert len(taken) == 1


def test_all_logins_of_a_refresh_end_before_its_claim() -> None:
    assert 3 * (CONNECT_SECONDS + LOGIN_SECONDS) < CLAIM.total_seconds()
    adapter = login_session().get_adapter("https://")
    assert isinstance(adapter, MeteredAdapter)
    assert (adapter.limit.seconds, adapter.timeout) == (LOGIN_SECONDS, (CONNECT_SECONDS, LOGIN_SECONDS))
