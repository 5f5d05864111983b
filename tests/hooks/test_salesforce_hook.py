from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, RateLimited, Unavailable
from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
from airflow_provider_brightpearl.sandbox.server import Sandbox

Connect = Callable[..., None]
PAIR = {
    "consumer_key": "sandbox-consumer-key",
    "consumer_secret": "sandbox-consumer-secret",
    "domain": "acme.my",
}
PASSWORD = {"login": "integration@acme.example", "password": "sandbox-password"}


def fields(url: str, extra: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"conn_type": "salesforce", "extra": {"endpoint_override": url, **extra}, **more}


@pytest.mark.parametrize(
    ("extra", "more"), [(PAIR, {}), ({"security_token": "sandboxtoken"}, PASSWORD), (PAIR, PASSWORD)]
)
def test_every_login_of_the_official_hook_reaches_the_sandbox(
    sandbox: Sandbox, connect: Connect, extra: dict[str, Any], more: dict[str, Any]
) -> None:
    connect("salesforce_default", **fields(sandbox.url, extra, **more))
    ok, message = SalesforceHook().test_connection()
    assert (True, True) == (ok, "API calls left today" in message)


def test_a_login_beside_a_key_pair_is_warned_about(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connect("salesforce_default", **fields(sandbox.url, PAIR, **PASSWORD))
    with caplog.at_level(logging.WARNING):
        SalesforceHook().get_client()
    assert ("clear login and password" in caplog.text, "sandbox-password" in caplog.text) == (True, False)


@pytest.mark.parametrize(
    ("extra", "more", "reason"),
    [
        ({**PAIR, "consumer_secret": "wrong"}, {}, "Salesforce refused the login"),
        ({**PAIR, "domain": ""}, {}, "domain is missing"),
        ({}, {}, "no complete set of credentials"),
        ({**PAIR, "endpoint_override": "http://127.0.0.1:9"}, {}, "cannot be reached"),
        ({**PAIR, "request_timeout": "soon"}, {}, "request_timeout 'soon' is not a valid number"),
    ],
)
def test_a_connection_that_fails_says_why(
    sandbox: Sandbox, connect: Connect, extra: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    connect("salesforce_default", **fields(sandbox.url, extra, **more))
    ok, message = SalesforceHook().test_connection()
    assert (False, True) == (ok, reason in message)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"private_key": "not a key"}, "extra private_key is not an RSA private key in PEM format"),
        (
            {"private_key_file_path": "/no/such/file"},
            "extra private_key_file_path cannot be read: No such file",
        ),
        ({"version": 62.0}, 'extra version is no text, such as "62.0"; write it in quotes'),
        ({"domain": " "}, "extra domain is no text"),
    ],
)
def test_a_mistake_in_the_extra_is_named(
    sandbox: Sandbox, connect: Connect, extra: dict[str, Any], said: str
) -> None:
    given = {"consumer_key": "sandbox-consumer-key", **extra}
    connect("salesforce_default", **fields(sandbox.url, given, login="a@x.test"))
    with pytest.raises(Misconfigured, match=said):
        _ = SalesforceHook().conn


def test_methods_of_the_official_hook_go_over_our_session(sandbox: Sandbox, connect: Connect) -> None:
    connect("salesforce_default", **fields(sandbox.url, {**PAIR, "request_timeout": "7"}))
    hook = SalesforceHook()
    assert "Id" in hook.get_available_fields("Account")
    assert (1, 7.0) == (hook.get_client().calls, hook.conn.session.get_adapter("https://").timeout[1])


def test_a_refused_login_is_for_a_person(sandbox: Sandbox, connect: Connect) -> None:
    connect("salesforce_default", **fields(sandbox.url, {**PAIR, "consumer_secret": "wrong"}))
    with pytest.raises(CredentialsRefused) as caught:
        SalesforceHook().get_client()
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({}, {"status": 503, "body": "<html>down for maintenance</html>"}),
        (
            {},
            {"status": 503, "body": {"error": "temporarily_unavailable", "error_description": "retry later"}},
        ),
        ({}, {"drop": "before"}),
        (PASSWORD, {"status": 503, "body": "<html>down for maintenance</html>"}),
    ],
    ids=["page", "JSON", "no answer", "SOAP"],
)
def test_a_login_that_is_not_answered_is_an_outage(
    sandbox: Sandbox, connect: Connect, more: dict[str, Any], answer: dict[str, Any]
) -> None:
    sandbox.control("POST", "/faults", {"system": "salesforce", **answer})
    extra = {"security_token": "sandboxtoken"} if more else PAIR
    connect("salesforce_default", **fields(sandbox.url, extra, **more))
    with pytest.raises(Unavailable):
        SalesforceHook().get_client()


def test_too_many_logins_wait(sandbox: Sandbox, connect: Connect) -> None:
    body = {"error": "invalid_grant", "error_description": "login rate exceeded"}
    sandbox.control("POST", "/faults", {"system": "salesforce", "status": 400, "body": body})
    connect("salesforce_default", **fields(sandbox.url, PAIR))
    with pytest.raises(RateLimited) as caught:
        SalesforceHook().get_client()
    assert 60 == caught.value.wait_seconds


def test_the_connection_type_stays_that_of_the_official_provider() -> None:
    assert ("salesforce", "salesforce_default") == (
        SalesforceHook.conn_type,
        SalesforceHook.default_conn_name,
    )
