from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests

from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, Unavailable
from airflow_provider_brightpearl.systems.brightpearl.auth import (
    OAuthApp,
    OAuthTokens,
    PrivateAppAuth,
    oauth_auth,
)
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens, Token
from airflow_provider_brightpearl.systems.http.transport import new_session
from tests.systems.stub import Asked, Reply, Stub, serving

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OLD = Token("old+/=", "refresh+/=", NOW + timedelta(hours=1))


def token_reply(access: str, refresh: str = "refresh2+/=") -> Reply:
    return Reply(
        {"access_token": access, "refresh_token": refresh, "expires_in": 600, "token_type": "Bearer"}
    )


def oauth(stub: Stub, store: MemoryTokens, initial: Token = OLD, now: datetime = NOW) -> OAuthTokens:
    app = OAuthApp("acme_app", "acme_dev", f"{stub.url}/token/acmetest", "hush/+")
    return OAuthTokens(app, "acme", store, initial, new_session(), now=lambda: now)


def account(live: str) -> Callable[[Asked], Reply]:
    """A server whose API takes one access token and whose token address gives that one."""

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/token/"):
            return token_reply(live)
        if asked.headers["Authorization"] == f"Bearer {live}":
            return Reply({"response": 1})
        return Reply({"response": "Authorization token expired"}, 401)

    return answer


def test_private_app_headers() -> None:
    request = PrivateAppAuth("acme_app", "tok", kind="account")(
        requests.Request("GET", "http://x/").prepare()
    )
    assert ("acme_app", "tok") == (
        request.headers["brightpearl-app-ref"],
        request.headers["brightpearl-account-token"],
    )


def test_an_unknown_token_kind_is_refused() -> None:
    with pytest.raises(Misconfigured, match="must be staff or account"):
        PrivateAppAuth("a", "b", kind="master")


def test_an_expired_token_is_refreshed_before_the_call_and_both_tokens_are_stored() -> None:
    store = MemoryTokens()
    with serving(account("new")) as stub:
        access = oauth(stub, store, now=NOW + timedelta(hours=2)).current()
    expected = Token(
        "new", "refresh2+/=", NOW + timedelta(hours=2, seconds=600), previous_refresh_token=OLD.refresh_token
    )
    assert ("new", expected) == (access, store.read("acme"))


def test_token_values_are_form_encoded() -> None:
    with serving(account("new")) as stub:
        oauth(stub, MemoryTokens()).renew(OLD.access_token)
        assert (
            b"grant_type=refresh_token&refresh_token=refresh%2B%2F%3D&client_id=acme_app&client_secret=hush%2F%2B"
            == stub.asked[0].body
        )


def test_a_call_with_a_token_that_expired_early_is_repeated_once() -> None:
    with serving(account("new")) as stub:
        auth = oauth_auth(oauth(stub, MemoryTokens()))
        response = new_session().request("POST", f"{stub.url}/x", data=b"{}", auth=auth)
        assert (200, ["/x", "/token/acmetest", "/x"], b"{}") == (
            response.status_code,
            [asked.path for asked in stub.asked],
            stub.asked[2].body,
        )
        assert ("Bearer new", "acme_app", "acme_dev") == tuple(
            stub.asked[2].headers[name]
            for name in ("Authorization", "brightpearl-app-ref", "brightpearl-dev-ref")
        )


def test_a_second_refusal_is_given_back() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/token/"):
            return token_reply("other")
        return Reply({"response": "Authorization token expired"}, 401)

    with serving(answer) as stub:
        auth = oauth_auth(oauth(stub, MemoryTokens()))
        response = new_session().get(f"{stub.url}/x", auth=auth)
        assert (401, 3) == (response.status_code, len(stub.asked))


def test_what_another_worker_refreshed_is_taken_over() -> None:
    with serving(account("new")) as stub:
        store = MemoryTokens({"acme": Token("new", "r", NOW + timedelta(days=1))})
        assert "new" == oauth(stub, store).renew("old+/=")
        assert [] == stub.asked


def test_many_threads_refresh_once() -> None:
    store = MemoryTokens()
    with serving(account("new")) as stub:
        tokens = oauth(stub, store, now=NOW + timedelta(hours=2))
        # the new token lives 600 s from the same fixed now, so nobody refreshes a second time
        threads = [threading.Thread(target=tokens.current) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 == len(stub.asked)


def test_a_reauthorised_connection_heals_a_dead_stored_token() -> None:
    def answer(asked: Asked) -> Reply:
        if b"refresh_token=fresh" in asked.body:
            return token_reply("new")
        return Reply({"error": "invalid_grant"}, 400)

    store = MemoryTokens({"acme": Token("x", "dead", NOW)})
    with serving(answer) as stub:
        access = oauth(stub, store, Token("", "fresh", None), NOW + timedelta(days=1)).current()
    assert "new" == access


def test_a_refused_refresh_says_what_to_do_and_no_secret() -> None:
    reply = Reply({"error": "invalid_grant", "error_description": "The auth token has either expired"}, 400)
    with serving(lambda _: reply) as stub, pytest.raises(CredentialsRefused) as caught:
        oauth(stub, MemoryTokens()).renew(OLD.access_token)
    assert (True, False) == ("authorise the app again" in str(caught.value), "refresh+" in str(caught.value))


def test_html_from_the_token_address_is_unavailable() -> None:
    page = Reply(b"<html>Bad gateway</html>", 502, {"Content-Type": "text/html"})
    with serving(lambda _: page) as stub, pytest.raises(Unavailable, match="text/html: <html>Bad gateway"):
        oauth(stub, MemoryTokens()).renew(OLD.access_token)


def test_tokens_are_not_in_a_repr() -> None:
    assert f"Token(expires_at={OLD.expires_at!r})" == repr(OLD)
