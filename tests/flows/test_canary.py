"""Credentials that pages repeat in odd shapes are in nothing that a run leaves behind."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from airflow_provider_brightpearl import alerts
from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.stores.signing import SigningKey
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens
from tests.flows.site import Site
from tests.systems.http.test_echoes import SHAPES

SECRETS = ("sandbox-staff-token", "sandbox-consumer-key", "sandbox-consumer-secret")
# those of the other tests are words too, and their parts would be in what is named after them
OF_M3 = ("sandbox-client-secret", "sandbox-service-secret")
SIGNING = "07a3" * 16
# those of which a part is shown have no such part in a secret of words
WHOLE = [name for name in SHAPES if not name.startswith(("cut", "split"))]
HTML = {"Content-Type": "text/html"}


def pages_of_m3() -> Iterator[dict[str, Any]]:
    """Answers of Infor's gateway, token service and M3 that repeat credentials, each in other shapes."""
    shapes = cycle(WHOLE)

    def shown() -> str:
        return " and ".join(SHAPES[next(shapes)](secret) for secret in OF_M3 for _ in range(2))

    for path in ("/m3api-rest/", "/token.oauth2"):
        rule = {"system": "infor", "path": path}
        yield {**rule, "status": 400, "body": f"<html><body>{shown()}</body></html>", "headers": HTML}
        yield {**rule, "status": 200, "body": f"<html><body>{shown()}</body></html>", "headers": HTML}
        yield {**rule, "status": 401, "body": {"error": shown(), "error_description": shown()}}
        result = {"errorMessage": shown(), "errorCode": "X", "errorField": "CUNO"}
        yield {**rule, "status": 200, "body": {"results": [result]}}


def pages() -> Iterator[dict[str, Any]]:
    """Answers of both systems that repeat credentials, each in other shapes; of a proxy, and in the vendor's words."""
    shapes = cycle(WHOLE)

    def shown() -> str:
        return " and ".join(SHAPES[next(shapes)](secret) for secret in SECRETS for _ in range(2))

    def page() -> str:
        return f"<html><body>Bad request, you sent: {shown()}</body></html>"

    yield {"system": "brightpearl", "status": 400, "body": page(), "headers": HTML}
    yield {"system": "brightpearl", "status": 200, "body": page(), "headers": HTML}
    yield {"system": "brightpearl", "status": 400, "body": {"errors": [{"code": "X", "message": shown()}]}}
    yield {"system": "brightpearl", "status": 401, "body": {"response": shown()}}
    for path in ("oauth2/token", "composite"):
        rule = {"system": "salesforce", "path": path}
        yield {**rule, "status": 400, "body": page(), "headers": HTML}
        yield {**rule, "status": 200, "body": page(), "headers": HTML}
        yield {**rule, "status": 400, "body": [{"errorCode": "X", "message": shown()}]}
    yield {
        "system": "salesforce", "path": "oauth2/token", "status": 400,
        "body": {"error": "invalid_grant", "error_description": shown()},
    }  # fmt: skip


FLOWS = {
    "products_to_salesforce": (pages, SECRETS, "products_changed"),
    "customers_to_infor": (pages_of_m3, OF_M3, "customers_changed"),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_no_output_of_a_run_holds_a_credential(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, flow: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    caplog.set_level(logging.DEBUG)
    shown, secrets, event = FLOWS[flow]
    said: list[str] = []
    for page in shown():
        site.act(**{event: 1})
        # a login has to be made to be answered so
        site.tokens = MemoryTokens()
        site.sandbox.control("POST", "/faults", {**page, "times": 0})
        try:
            summary = site.run(flow)
            said += [repr(summary), alerts.rejections(summary, {"ti": Mock(), "task": None}).text]
        except Exception as error:  # the login of these tests has simple-salesforce's own errors
            said += [*traceback.format_exception(error), alert(error)]
        site.sandbox.control("DELETE", "/faults")
    assert len(said) > 10
    assert "infor" not in flow or "*** (a text that repeats credentials is not shown)" in "\n".join(said)
    outputs = {
        "log": caplog.text, "messages": "\n".join(said), "certificate": certificate(site, flow), **left_behind(site),
    }  # fmt: skip
    traces = {SHAPES[shape](secret).casefold() for shape in WHOLE for secret in (*secrets, SIGNING)}
    for name, text in outputs.items():
        assert not [each for each in traces if each in text.casefold()], name


def certificate(site: Site, flow: str) -> str:
    """A signed certificate of what the runs have left, and the report with it."""
    environment = replace(site.environment, signing_key=lambda: SigningKey.of(SIGNING, "key"))
    found = compare(
        replace(site.wiring(flow), environment=environment), "books", full_resync=True, certificate=True
    )
    assert found
    assert found.certificate
    assert '"signature"' in (text := Path(found.certificate.path).read_text())
    return f"{text} {found!r}"


def alert(error: Exception) -> str:
    instance = Mock(dag_id="products", task_id="extract", log_url="")
    return alerts.failure({"ti": instance, "exception": error, "task": None}).text


def left_behind(site: Site) -> dict[str, str]:
    """The state database as SQL, and every staged file."""
    with sqlite3.connect(site.folder / "state.db") as database:
        found = {"state": "\n".join(database.iterdump())}
    files = (file for file in Path(site.folder / "staging").rglob("*") if file.is_file())
    return found | {file.name: file.read_bytes().decode("latin-1") for file in files}
