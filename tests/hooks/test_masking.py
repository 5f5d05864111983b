"""Credentials that Airflow cannot know are masked in the logs of a task."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest

from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.hooks.infor import InforHook
from airflow_provider_brightpearl.hooks.masking import MaskedTokens, mask
from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens, Token
from tests.hooks.test_infor_hook import connection
from tests.hooks.test_salesforce_hook import PAIR, fields

Connect = Callable[..., None]
HOME = "airflow.sdk.log" if airflow_version() >= (3, 0) else "airflow.utils.log.secrets_masker"
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(autouse=True)
def fresh_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A masker that knows no secret of other tests of this process."""
    masker = import_module(HOME)._secrets_masker()
    monkeypatch.setattr(masker, "patterns", set())
    monkeypatch.setattr(masker, "replacer", None)
    mask.cache_clear()


def shown(text: str) -> Any:
    """What Airflow's logs show of a text."""
    return import_module(HOME).redact(text)


def test_tokens_read_and_written_are_masked() -> None:
    store = MaskedTokens(MemoryTokens({"acme": Token("read-access-token", "read-refresh-token", LATER)}))
    store.read("acme")
    with store.exclusive("acme") as slot:
        slot.write(Token("written-access-token", "written-refresh-token", LATER))
    for kind in ("read-access", "read-refresh", "written-access", "written-refresh"):
        assert shown(f"{kind}-token in a line") == "*** in a line"


def test_the_keys_of_an_ionapi_file_are_masked(connect: Connect) -> None:
    connect("infor_default", **connection("http://127.0.0.1:9"))
    InforHook(tokens=MemoryTokens()).get_client()
    for key in ("ACME_TST#hush", "hush-sask", "hush-cs"):
        assert shown(f"sent {key}") == "sent ***"


def test_a_session_of_salesforce_is_masked_and_the_one_after_it(sandbox: Sandbox, connect: Connect) -> None:
    connect("salesforce_default", **fields(sandbox.url, PAIR))
    client = SalesforceHook().get_client()
    first = client.sf.session_id
    sandbox.control("POST", "/faults", {"system": "salesforce", "status": 401, "body": [
        {"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}
    ]})  # fmt: skip
    client.limits()
    second = client.sf.session_id
    assert (first != second, shown(first), shown(second)) == (True, "***", "***")
