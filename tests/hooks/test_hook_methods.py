"""What a task of one's own does with the hooks: methods, against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from airflow_provider_brightpearl.errors import RecordRefused
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook, Filters
from airflow_provider_brightpearl.hooks.infor import InforHook
from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
from airflow_provider_brightpearl.sandbox.connections import _all_details
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens
from tests.systems.live import switch

Connect = Callable[..., None]
SEARCH = "order-service/order-search"


@pytest.fixture
def connected(sandbox: Sandbox, connect: Connect) -> Sandbox:
    for details in _all_details(sandbox.url):
        connect(details.conn_id, **details.connection)
    return sandbox


# Brightpearl


def test_search_count_and_records(connected: Sandbox) -> None:
    hook = BrightpearlHook()
    filters: Filters = {"orderTypeId": "1", "createdOn": (None, datetime(2030, 1, 1, tzinfo=UTC))}
    rows = list(hook.search(SEARCH, ["orderId", "createdOn"], filters=filters))
    ids = [row["orderId"] for row in rows]
    assert (len(ids), sorted(ids)) == (hook.count(SEARCH, filters=filters), ids)
    records = list(hook.get_records("order-service/order", ids[:3]))
    assert sorted(record["id"] for record in records) == ids[:3]


def test_post_put_and_several_messages_at_once(connected: Sandbox) -> None:
    hook = BrightpearlHook()
    brand = hook.post("product-service/brand", {"name": "Ünit", "description": "x"})
    assert "Ünit" == hook.get(f"product-service/brand/{brand}")[0]["name"]
    messages = [
        {
            "label": str(number),
            "uri": "/product-service/brand",
            "httpMethod": "POST",
            "body": {"name": f"b{number}"},
        }
        for number in (1, 2)
    ]
    answers = hook.multi_message(messages)
    assert [("1", True), ("2", True)] == [(answer.label, 200 <= answer.status < 300) for answer in answers]


def test_rotated_tokens_outlive_the_hook_that_got_them(
    connected: Sandbox, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    switch(connected, "brightpearl", oauth_rotate="always")
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__TOKEN_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    extra = {
        "app_ref": "sandbox-oauth-app", "dev_ref": "dev", "client_secret": "sandbox-oauth-secret",
        "refresh_token": "sandbox+refresh/token==", "token_url": f"{connected.url}/token/{{account}}",
    }  # fmt: skip
    connect("brightpearl_default", conn_type="brightpearl", host=connected.url, login="acmetest", extra=extra)
    assert BrightpearlHook().count(SEARCH)
    connected.control("POST", "/clock", {"now": "2040-01-01T00:00:00Z"})
    # the refresh token of the connection was used up by the first hook: only the stored pair can be renewed
    assert BrightpearlHook().count(SEARCH)


# Salesforce


@pytest.mark.parametrize("bulk", [False, True])
def test_upsert_answers_in_order_and_query_gives_the_rows(connected: Sandbox, bulk: bool) -> None:
    hook = SalesforceHook()
    key = "Brightpearl_Id__c"
    rows = [
        {key: "c1", "Name": "Ünit"},
        {key: "c2"},
        {key: "c3", "Name": "Third"},
    ]
    answers = hook.upsert("Account", key, rows, bulk=bulk)
    assert [("c1", True), ("c2", False), ("c3", True)] == [(each.key, each.success) for each in answers]
    assert "REQUIRED_FIELD_MISSING" == answers[1].code
    found = hook.query(f"SELECT Id, Name FROM Account WHERE {key} = 'c3'")
    assert [{"Id": answers[2].id, "Name": "Third"}] == list(found)
    assert [True] == [each.success for each in hook.delete([answers[0].id])]


def test_an_instant_without_a_time_zone_is_refused(connected: Sandbox) -> None:
    row = {"Brightpearl_Id__c": "c1", "At__c": datetime(2026, 1, 1)}  # noqa: DTZ001
    with pytest.raises(ValueError, match="At__c: 2026-01-01T00:00:00 has no time zone"):
        SalesforceHook().upsert("Account", "Brightpearl_Id__c", [row])


# Infor M3


def test_one_transaction_gives_its_records_or_says_why_not(connected: Sandbox) -> None:
    hook = InforHook(tokens=MemoryTokens())
    [user] = hook.mi("GENERAL", "GetUserInfo", columns=["ZZUSID", "ZDCONO"])
    assert {"ZZUSID", "ZDCONO"} == set(user)
    with pytest.raises(RecordRefused, match="NOBODY does not exist, field CUNO"):
        hook.mi("CRS610MI", "GetBasicData", {"CUNO": "nobody"})


def test_many_records_of_one_transaction(connected: Sandbox) -> None:
    hook = InforHook(tokens=MemoryTokens())
    records: list[dict[str, Any]] = [{"ITNO": "HOOK1", "ITDS": "x"}, {"ITNO": "TOO-LONG-FOR-AN-ITEM-NUMBER"}]
    answers = hook.mi_bulk("MMS200MI", "AddItmBasic", records)
    assert [False] == [answer.done for answer in answers[1:]]
    assert "ITNO" == answers[1].field
