"""Credentials that pages repeat in odd shapes are in nothing that a run leaves behind."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from airflow_provider_brightpearl import alerts
from tests.flows.site import Site
from tests.systems.http.test_echoes import SHAPES

SECRETS = ("sandbox-staff-token", "sandbox-consumer-key", "sandbox-consumer-secret")
# those of which a part is shown have no such part in a secret of words
WHOLE = [name for name in SHAPES if not name.startswith(("cut", "split"))]
HTML = {"Content-Type": "text/html"}


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


def test_no_output_of_a_run_holds_a_credential(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    for page in pages():
        site.act(products_changed=1)
        site.sandbox.control("POST", "/faults", {**page, "times": 0})
        try:
            said.append(repr(site.run("products_to_salesforce")))
        except Exception as error:  # the login of these tests has simple-salesforce's own errors
            said += [*traceback.format_exception(error), alert(error)]
        site.sandbox.control("DELETE", "/faults")
    assert len(said) > 10
    outputs = {"log": caplog.text, "messages": "\n".join(said), **left_behind(site)}
    traces = {SHAPES[shape](secret).casefold() for shape in WHOLE for secret in SECRETS}
    for name, text in outputs.items():
        assert not [each for each in traces if each in text.casefold()], name


def alert(error: Exception) -> str:
    instance = Mock(dag_id="products", task_id="extract", log_url="")
    return alerts.failure({"ti": instance, "exception": error, "task": None}).text


def left_behind(site: Site) -> dict[str, str]:
    """The state database as SQL, and every staged file."""
    with sqlite3.connect(site.folder / "state.db") as database:
        found = {"state": "\n".join(database.iterdump())}
    files = (file for file in Path(site.folder / "staging").rglob("*") if file.is_file())
    return found | {file.name: file.read_bytes().decode("latin-1") for file in files}
