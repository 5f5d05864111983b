"""Mistakes in the extra of a connection are one sentence: connection, field, what to change; no secret in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_brightpearl.compat import Connection
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.extra import Extra
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.hooks.infor import InforHook
from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook

HOOKS: dict[str, tuple[Any, str]] = {
    "brightpearl": (BrightpearlHook, "client"),
    "salesforce": (SalesforceHook, "conn"),
    "infor": (InforHook, "client"),
}
GOOD: dict[str, dict[str, Any]] = {
    "brightpearl": {"app_ref": "app"},
    "salesforce": {"consumer_key": "k", "consumer_secret": "s3cret", "domain": "acme.my"},
    "infor": {
        "ionapi": {
            **{"ti": "T", "ci": "c", "cs": "s3cret", "iu": "https://x.test", "pu": "https://x.test/as/"},
            **{"ot": "token", "saak": "a", "sask": "s3cret"},
        }
    },
}


def opened(system: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(
        conn_id="odd", conn_type=system, host="https://x.test", login="acme", password="s3cret", extra=extra
    )
    hook, attribute = HOOKS[system]
    monkeypatch.setattr(hook, "get_connection", lambda *_: connection)
    getattr(hook("odd"), attribute)


@pytest.mark.parametrize("system", HOOKS)
@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (json.dumps(json.dumps({"app_ref": "s3cret"})), "is JSON in a text, encoded twice"),
        ("[1]", "is a list"),
        ("5", "is a number"),
        ("true", "is a true or false"),
        ("{", "is not JSON"),
    ],
)
def test_an_extra_that_is_no_object(
    system: str, extra: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Misconfigured) as caught:
        opened(system, extra, monkeypatch)
    assert f"connection odd: extra {problem}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("system", "given", "problem"),
    [
        ("brightpearl", {"app_ref": ["s3cret"]}, "extra app_ref is a list; write text"),
        ("brightpearl", {"app_ref": None}, "extra app_ref is missing"),
        (
            "brightpearl",
            {"token_kind": "stuff"},
            "extra token_kind 'stuff' must be one of staff, account, oauth",
        ),
        (
            "brightpearl",
            {"refresh_token": "s3cret", "expires_at": 5},
            "extra expires_at '5' is not an ISO 8601",
        ),
        ("salesforce", {"domain": {"a": 1}}, "extra domain is a JSON object; write text"),
        (
            "salesforce",
            {"request_timeout": "soon"},
            "extra request_timeout 'soon' is not a valid number; write",
        ),
        ("salesforce", {"request_timeout": "nan"}, "extra request_timeout 'nan' is not a valid number"),
        ("salesforce", {"request_timeout": 0}, "extra request_timeout '0' is not a valid number"),
        ("infor", {"timeout": "-1"}, "extra timeout '-1' is not a valid number"),
        ("infor", {"batch_size": "inf"}, "extra batch_size 'inf' is not a valid number"),
        ("infor", {"settle_seconds": []}, "extra settle_seconds is a list; write text"),
        ("infor", {"cono": "hundred"}, "extra cono 'hundred' is not a company number"),
        ("infor", {"cono": "²"}, "extra cono '²' is not a company number"),
    ],
)
def test_a_value_of_another_kind(
    system: str, given: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Misconfigured) as caught:
        opened(system, json.dumps(GOOD[system] | given), monkeypatch)
    assert f"connection odd: {problem}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_numbers_as_text_and_old_names_are_read() -> None:
    extra = json.dumps({"extra__infor__divi": "AAA", "timeout": "12.5", "cono": 100})
    found = Extra.of(Connection(conn_id="odd", conn_type="infor", extra=extra))
    assert ("AAA", 12.5, "100", 60.0) == (
        found.text("divi"),
        found.number("timeout", 310),
        found.text("cono"),
        found.number("settle_seconds", 60.0),
    )
