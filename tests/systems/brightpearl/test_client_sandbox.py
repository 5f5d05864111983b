"""The Brightpearl client against the sandbox, over HTTP."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from math import ceil

import pytest

from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    RecordRefused,
    SchemaMismatch,
    TimedOut,
    Unavailable,
)
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.auth import OAuthApp, OAuthTokens, oauth_auth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient, period
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens, Token
from airflow_provider_brightpearl.systems.http.transport import new_session
from tests.systems.live import FastClock, brightpearl, fault, running_sandbox, sandbox, switch

__all__ = ["running_sandbox", "sandbox"]

ORDERS = "order-service/order"
SEARCH = "order-service/order-search"
ALWAYS = {"createdOn": period(None, datetime(2100, 1, 1, tzinfo=UTC))}


def ids_in(sandbox: Sandbox, collection: str) -> list[int]:
    return sorted(int(record["id"]) for record in sandbox.snapshot("brightpearl", collection))


def test_a_search_gives_every_id_once_in_the_fewest_calls(sandbox: Sandbox) -> None:
    client = brightpearl(sandbox)
    seen = [row["orderId"] for row in client.search(SEARCH, columns=["orderId"], filters=ALWAYS)]
    assert (ids_in(sandbox, "order"), ceil(len(seen) / 500)) == (seen, client.calls)


def test_orders_that_vanish_while_paging_take_no_other_with_them(sandbox: Sandbox) -> None:
    everything = ids_in(sandbox, "order")
    gone = everything[5:25]
    rows = brightpearl(sandbox).search(SEARCH, columns=["orderId"], filters=ALWAYS)
    seen = [next(rows)["orderId"]]
    for number in gone:
        sandbox.control("DELETE", f"/brightpearl/order/{number}")
    seen += [row["orderId"] for row in rows]
    assert everything == seen


def test_records_come_raw_by_the_fewest_calls(sandbox: Sandbox) -> None:
    client = brightpearl(sandbox)
    ids = list(client.list_ids(ORDERS))
    records = list(client.get_records(ORDERS, ids))
    assert sorted(ids) == sorted(json.loads(record)["id"] for record in records)
    assert 1 + ceil(len(ids) / 200) == client.calls


def test_availability_is_a_map(sandbox: Sandbox) -> None:
    client = brightpearl(sandbox)
    ids = list(client.list_ids("product-service/product"))
    entries = dict(client.get_map("warehouse-service/product-availability", ids))
    assert set(entries) <= {str(number) for number in ids}
    assert all("onHand" in json.loads(entry)["total"] for entry in entries.values())


@pytest.mark.parametrize("path", [ORDERS, "contact-service/contact"])
def test_none_is_none_in_both_ways_to_say_it(sandbox: Sandbox, path: str) -> None:
    assert [] == list(brightpearl(sandbox).get_records(path, [999_999_999]))


@pytest.mark.parametrize(
    "rule",
    [
        {"truncate": 300},
        {"status": 502, "body": "<html>Bad gateway</html>", "headers": {"Content-Type": "text/html"}},
        {"drop": "before"},
        {"drop": "after"},
    ],
)
def test_a_page_that_breaks_is_read_again(sandbox: Sandbox, rule: dict[str, object]) -> None:
    fault(sandbox, system="brightpearl", path="order-search", **rule)
    client = brightpearl(sandbox)
    rows = list(client.search(SEARCH, columns=["orderId"], filters=ALWAYS))
    assert (len(ids_in(sandbox, "order")), ceil(len(rows) / 500) + 1) == (len(rows), client.calls)


def test_a_system_that_stays_down_is_unavailable(sandbox: Sandbox) -> None:
    fault(sandbox, system="brightpearl", times=0, status=502, body="<html>Bad gateway</html>")
    with pytest.raises(Unavailable, match="Bad gateway"):
        brightpearl(sandbox).get("order-service/order-type")


def test_a_bad_filter_is_asked_once(sandbox: Sandbox) -> None:
    client = brightpearl(sandbox)
    with pytest.raises(SchemaMismatch) as caught:
        list(client.search(SEARCH, columns=["orderId"], filters={"orderId": "BAD PARAM"}))
    assert ("CMNC-018", 1) == (caught.value.code, client.calls)


def test_a_bad_patch_is_refused_once(sandbox: Sandbox) -> None:
    client = brightpearl(sandbox)
    number = ids_in(sandbox, "order")[0]
    with pytest.raises(RecordRefused) as caught:
        client.patch(f"{ORDERS}/{number}", [{"op": "add", "path": "/reference", "value": "x"}])
    assert ("CMNC-044", 1) == (caught.value.code, client.calls)


def test_a_write_whose_answer_is_lost_is_in_doubt_and_not_sent_again(sandbox: Sandbox) -> None:
    fault(sandbox, system="brightpearl", method="POST", drop="after")
    contact = next(brightpearl(sandbox).list_ids("contact-service/contact"))
    before = len(ids_in(sandbox, "order"))
    body = {"orderTypeCode": "SO", "reference": "R1", "parties": {"customer": {"contactId": contact}}}
    with pytest.raises(TimedOut):
        brightpearl(sandbox).post(ORDERS, body)
    assert before + 1 == len(ids_in(sandbox, "order"))


def test_the_quota_is_kept_and_used(sandbox: Sandbox) -> None:
    clock = FastClock(speed=20.0)
    switch(sandbox, "brightpearl", throttle=True, throttle_limit=40, throttle_seconds=20)
    sandbox.control("POST", "/clock", {"speed": clock.speed})
    client = brightpearl(sandbox, clock)
    for _ in range(100):
        client.get("order-service/order-type")
    periods = 2
    assert sum(clock.naps) <= periods * 20 * 1.1
    log = sandbox.control("GET", "/log?system=brightpearl")
    assert (100, []) == (client.calls, [call for call in log if call["status"] == 503])


def test_a_pool_that_others_empty_is_waited_for(sandbox: Sandbox) -> None:
    clock = FastClock(speed=20.0)
    switch(sandbox, "brightpearl", throttle=True, throttle_limit=5, throttle_seconds=10)
    sandbox.control("POST", "/clock", {"speed": clock.speed})
    for _ in range(8):
        new_session().get(
            f"{sandbox.url}/public-api/acmetest/order-service/order-type",
            headers={
                "brightpearl-app-ref": "acmetest_sandbox",
                "brightpearl-staff-token": "sandbox-staff-token",
            },
        )
    assert brightpearl(sandbox, clock).get("order-service/order-type")


def oauth_client(sandbox: Sandbox, store: MemoryTokens, refresh: str) -> BrightpearlClient:
    app = OAuthApp(
        "sandbox-oauth-app", "sandbox-dev", f"{sandbox.url}/token/acmetest", "sandbox-oauth-secret"
    )
    tokens = OAuthTokens(app, "acme", store, Token("", refresh, None), new_session())
    return BrightpearlClient(sandbox.url, "acmetest", oauth_auth(tokens), sleep=time.sleep)


@pytest.mark.parametrize("rotate", ["never", "always"])
def test_tokens_that_expire_are_renewed_and_kept(sandbox: Sandbox, rotate: str) -> None:
    switch(sandbox, "brightpearl", oauth_rotate=rotate)
    store = MemoryTokens()
    client = oauth_client(sandbox, store, "sandbox+refresh/token==")
    assert client.get("order-service/order-type")
    first = store.read("acme")
    sandbox.control("POST", "/clock", {"advance_seconds": 8 * 86_400})
    assert client.get("order-service/order-type")
    second = store.read("acme")
    assert first is not None and second is not None
    assert (True, rotate == "always") == (
        first.access_token != second.access_token,
        first.refresh_token != second.refresh_token,
    )


def test_a_wrong_refresh_token_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(CredentialsRefused, match="invalid_grant"):
        oauth_client(sandbox, MemoryTokens(), "wrong").get("order-service/order-type")
