from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens

Connect = Callable[..., None]
STAFF = {"app_ref": "acmetest_sandbox", "token_kind": "staff"}


def fields(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "conn_type": "brightpearl", "host": url, "login": "acmetest", "password": "sandbox-staff-token",
        "extra": STAFF, **changes,
    }  # fmt: skip


def test_the_connection_of_the_sandbox_answers(sandbox: Sandbox, connect: Connect) -> None:
    connect("brightpearl_default", **fields(sandbox.url))
    assert (True, "Account acmetest answers (Europe/London)") == BrightpearlHook().test_connection()


def test_account_tokens_and_oauth_answer_too(sandbox: Sandbox, connect: Connect) -> None:
    account = {"app_ref": "acmetest_sandbox", "token_kind": "account"}
    connect("bp_account", **fields(sandbox.url, password="sandbox-account-token", extra=account))
    oauth = {
        "app_ref": "sandbox-oauth-app", "dev_ref": "dev", "client_secret": "sandbox-oauth-secret",
        "refresh_token": "sandbox+refresh/token==", "token_url": f"{sandbox.url}/token/{{account}}",
    }  # fmt: skip
    connect("bp_oauth", **fields(sandbox.url, password="", extra=oauth))
    store = MemoryTokens()
    assert [True, True] == [
        BrightpearlHook("bp_account").test_connection()[0],
        BrightpearlHook("bp_oauth", tokens=store).test_connection()[0],
    ]
    assert ["brightpearl:acmetest:sandbox-oauth-app"] == list(store.tokens)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"login": ""}, "login (the account code) is missing"),
        ({"host": ""}, "host (the API domain) is missing"),
        ({"password": ""}, "password (the staff token) is missing"),
        ({"extra": {}}, "extra app_ref is missing"),
        ({"extra": {"app_ref": "a", "token_kind": "master"}}, "token_kind 'master' must be one of"),
        (
            {"extra": {"app_ref": "a", "token_kind": "oauth"}},
            "refresh_token is missing, and so is access_token",
        ),
        (
            {"extra": {"app_ref": "a", "refresh_token": "r", "expires_at": "tomorrow"}},
            "expires_at 'tomorrow' is not an ISO 8601 instant",
        ),
        ({"password": "wrong"}, "Brightpearl refused the token for this account"),
        ({"login": "nobody"}, "Brightpearl refused the token for this account"),
        ({"host": "http://127.0.0.1:9"}, "no connection to 127.0.0.1:9"),
        ({"host": "https://x.example/public-api/acmetest"}, "write the API domain alone, x.example"),
    ],
)
def test_a_connection_that_fails_says_why(
    sandbox: Sandbox,
    connect: Connect,
    changes: dict[str, Any],
    reason: str,
) -> None:
    connect("brightpearl_default", **fields(sandbox.url, **changes))
    ok, message = BrightpearlHook().test_connection()
    assert (False, True, False) == (ok, reason in message, "sandbox-staff-token" in message)


def test_a_host_that_answers_as_something_else_is_no_account(sandbox: Sandbox, connect: Connect) -> None:
    body = '{"errors":[{"code":"CMNC-404","message":"nothing found"}]}'
    sandbox.control("POST", "/faults", {"system": "brightpearl", "status": 404, "body": body})
    connect("brightpearl_default", **fields(sandbox.url))
    ok, message = BrightpearlHook().test_connection()
    assert (False, True) == (ok, "answers, but not as account acmetest" in message)


def test_a_missing_permission_says_so(sandbox: Sandbox, connect: Connect) -> None:
    body = '{"errors":[{"code":"CMNC-403","message":"no permission"}]}'
    sandbox.control("POST", "/faults", {"system": "brightpearl", "status": 403, "body": body})
    connect("brightpearl_default", **fields(sandbox.url))
    assert "lacks the permission" in BrightpearlHook().test_connection()[1]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"host": "euw1.brightpearlconnect.com"}, "https://euw1.brightpearlconnect.com"),
        ({"host": "https://use1.brightpearlconnect.com/"}, "https://use1.brightpearlconnect.com"),
        ({"host": "http://127.0.0.1", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "127.0.0.1", "port": 8080, "schema": "http"}, "http://127.0.0.1:8080"),
        ({"host": "https://proxy.example/bp"}, "https://proxy.example/bp"),
    ],
)
def test_base_url(connect: Connect, given: dict[str, Any], expected: str) -> None:
    connect("brightpearl_default", **fields("", **given))
    assert f"{expected}/public-api/acmetest" == BrightpearlHook().get_client().root


def test_a_host_that_is_no_host(connect: Connect) -> None:
    connect("brightpearl_default", **fields("ftp://x"))
    with pytest.raises(Misconfigured, match="not an API domain"):
        BrightpearlHook().get_client()


def test_plain_http_beyond_this_machine_is_warned_about(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connect("brightpearl_default", **fields("http://far.example"))
    with caplog.at_level(logging.WARNING):
        BrightpearlHook().get_client()
    assert "without encryption" in caplog.text


def test_run_of_the_http_hook_signs_its_calls(sandbox: Sandbox, connect: Connect) -> None:
    connect("brightpearl_default", **fields(sandbox.url))
    response = BrightpearlHook(method="GET").run("order-service/order-type")
    assert 200 == response.status_code


def test_oauth_is_refused_where_refreshed_tokens_could_not_be_kept(connect: Connect) -> None:
    connect(
        "brightpearl_default", **fields("https://x.example", extra={"app_ref": "a", "refresh_token": "r"})
    )
    with pytest.raises(Misconfigured, match="OAuth needs a Fernet key"):
        BrightpearlHook().get_client()


def test_the_first_token_of_the_connection_is_used_until_it_expires(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__TOKEN_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    extra = {"app_ref": "a", "refresh_token": "r", "access_token": "t", "expires_at": "2999-01-01T00:00:00Z"}
    connect("brightpearl_default", **fields("https://x.example", extra=extra))
    auth: Any = BrightpearlHook().get_client()._auth
    assert ("t", datetime(2999, 1, 1, tzinfo=UTC)) == (
        auth._token.current(),
        auth._token._initial.expires_at,
    )


def test_the_form_hides_and_names_fields() -> None:
    behaviour = BrightpearlHook.get_ui_field_behaviour()
    assert ("Account code", ["schema", "extra"]) == (
        behaviour["relabeling"]["login"],
        behaviour["hidden_fields"],
    )


def test_the_form_widgets_cover_every_extra_key() -> None:
    pytest.importorskip("flask_appbuilder")
    pytest.importorskip("wtforms")
    assert {
        "app_ref", "dev_ref", "token_kind", "client_secret", "refresh_token", "access_token", "expires_at",
        "token_url", "webhook_secrets",
    } == set(BrightpearlHook.get_connection_form_widgets())  # fmt: skip
