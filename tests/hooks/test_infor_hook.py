from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.get_provider_info import get_provider_info
from airflow_provider_brightpearl.hooks.infor import InforHook
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens
from tests.systems.stub import Asked, Reply, Stub, serving

Connect = Callable[..., None]
USER = {"ZZUSID": "BPSVC", "ZDCONO": "100", "ZDDIVI": "AAA"}


def ionapi(url: str) -> dict[str, str]:
    return {
        "ti": "ACME_TST", "ci": "ACME_TST~1", "cs": "hush-cs", "iu": url, "pu": f"{url}/ACME_TST/as/",
        "ot": "token.oauth2", "saak": "ACME_TST#hush", "sask": "hush-sask", "v": "1.0",
    }  # fmt: skip


def answer(asked: Asked) -> Reply:
    if asked.path.endswith("/token.oauth2"):
        return Reply({"access_token": "t1", "expires_in": 7200})
    return Reply({"results": [{"transaction": "GetUserInfo", "records": [USER]}]})


@pytest.fixture
def gateway() -> Iterator[Stub]:
    with serving(answer) as stub:
        yield stub


def connection(url: str, **extra: Any) -> dict[str, Any]:
    return {"conn_type": "infor", "extra": {**ionapi(url), **extra}}


def test_the_file_can_be_pasted_in_every_way(gateway: Stub, connect: Connect) -> None:
    file = ionapi(gateway.url)
    ways: dict[str, dict[str, Any]] = {
        "extra": {"extra": file},
        "field": {"extra": {"ionapi": json.dumps(file)}},
        "object": {"extra": {"ionapi": file}},
        "password": {"password": json.dumps(file)},
        "secret_apart": {"password": "hush-sask", "extra": {**file, "sask": ""}},
    }
    for name, fields in ways.items():
        connect(f"m3_{name}", conn_type="infor", **fields)
        told = InforHook(f"m3_{name}", tokens=MemoryTokens()).test_connection()
        assert (True, "M3 answers as user BPSVC (company 100, division AAA)") == told


def test_the_settings_of_the_connection_reach_the_client(gateway: Stub, connect: Connect) -> None:
    settings = {"cono": "200", "divi": "BBB", "suite": "M3CE", "batch_size": "20", "settle_seconds": 0}
    connect("infor_default", **connection(gateway.url, **settings))
    client = InforHook(tokens=MemoryTokens()).get_client()
    assert (f"{gateway.url}/ACME_TST/M3CE/m3api-rest", "200", "BBB", 20, 0.0) == (
        client.root, client.company, client.division, client.bulk_size, client.settle_seconds,
    )  # fmt: skip
    connect("infor_default", **connection(gateway.url, api_version="v1"))
    assert ("v1", 1) == (InforHook().client.version, InforHook().client.bulk_size)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"saak": ""}, "lacks saak: download the file of a backend service app"),
        ({"ionapi": "{hush-cs"}, "not a JSON object"),
        ({"cono": "abc"}, "cono 'abc' is not a company number"),
        ({"batch_size": "0"}, "batch_size '0' is not a valid number"),
        ({"timeout": "soon"}, "timeout 'soon' is not a valid number"),
        ({"api_version": "v3"}, "api_version 'v3' is neither v2 nor v1"),
        ({"iu": "http://127.0.0.1:9", "pu": "http://127.0.0.1:9/as/"}, "no connection to 127.0.0.1:9"),
    ],
)
def test_a_connection_that_fails_says_why(
    gateway: Stub, connect: Connect, extra: dict[str, Any], reason: str
) -> None:
    connect("infor_default", **connection(gateway.url, **extra))
    ok, message = InforHook(tokens=MemoryTokens()).test_connection()
    assert (False, True, False) == (ok, reason in message, "hush" in message)


def test_an_empty_connection_says_what_is_missing(connect: Connect) -> None:
    connect("infor_default", conn_type="infor")
    with pytest.raises(Misconfigured, match=r"content of the \.ionapi file is missing"):
        InforHook().get_client()


def test_tokens_that_are_not_shared_and_plain_http_are_warned_about(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connect("infor_default", **connection("http://far.example"))
    with caplog.at_level(logging.WARNING):
        InforHook().get_client()
    assert (True, True) == ("are not shared" in caplog.text, "without encryption" in caplog.text)
    assert "hush" not in caplog.text


def test_run_of_the_http_hook_signs_its_calls(gateway: Stub, connect: Connect) -> None:
    connect("infor_default", **connection(gateway.url))
    response = InforHook(method="GET", tokens=MemoryTokens()).run("v2/execute/GENERAL/GetUserInfo")
    assert 200 == response.status_code
    assert "Bearer t1" == gateway.asked[-1].headers["Authorization"]


def test_the_provider_info_describes_the_form() -> None:
    forms = {each["connection-type"]: each for each in get_provider_info()["connection-types"]}
    assert "format" in forms["infor"]["conn-fields"]["ionapi"]["schema"]
    pytest.importorskip("flask_appbuilder")
    pytest.importorskip("wtforms")
    assert set(forms["infor"]["conn-fields"]) == set(InforHook.get_connection_form_widgets())
    assert (
        forms["infor"]["ui-field-behaviour"]["hidden-fields"]
        == InforHook.get_ui_field_behaviour()["hidden_fields"]
    )
