"""Delivery of webhooks: templates, id sets and the two retry policies (reference, section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.brightpearl_account import Account
from tests.sandbox.receiver import Receiver, receiver, until

__all__ = ["receiver"]

BODY = (
    '{"accountCode": "${account-code}", "resourceType": "${resource-type}", "id": "${resource-id}",'
    ' "lifecycleEvent": "${lifecycle-event}", "fullEvent": "${full-event}", "raisedOn": "${raised-on}"}'
)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=10, products=30, orders=60, until=datetime(2025, 6, 1, 12, tzinfo=UTC)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    running.control("DELETE", "/settings/brightpearl")
    running.control("POST", "/settings/brightpearl", {"webhook_retry_seconds": 0.01, "webhook_attempts": 4})
    return running


@pytest.fixture
def account(sandbox: Sandbox) -> Iterator[Account]:
    account = Account(sandbox.url)
    yield account
    account.session.close()


def subscribe(account: Account, receiver: Receiver, event: str = "order.modified", **more: Any) -> int:
    hook: dict[str, Any] = {"subscribeTo": event, "httpMethod": "POST", "uriTemplate": f"{receiver.url}/bp"}
    hook |= {"contentType": "application/json", "bodyTemplate": BODY, "idSetAccepted": True}
    id: int = account.make("integration-service/webhook", hook | more)
    return id


def set_status(account: Account, *orders: int) -> None:
    for order in orders:
        account.call("PUT", f"order-service/order/{order}/status", {"orderStatusId": 17})


def statuses(sandbox: Sandbox) -> list[int]:
    return [one["status"] for one in sandbox.snapshot("brightpearl", "webhook-delivery")]


def test_events_of_a_moment_share_an_id_set(sandbox: Sandbox, account: Account, receiver: Receiver) -> None:
    sandbox.control("POST", "/settings/brightpearl", {"webhook_delay_seconds": 1.0})
    subscribe(account, receiver)
    ids = [row["orderId"] for row in account.search("order-service/order-search?orderTypeId=1&pageSize=3")]
    set_status(account, *ids)
    until(lambda: bool(receiver.requests))
    (body,) = receiver.bodies()
    assert body["id"] == f"{ids[0]}-{ids[2]}" if ids[2] - ids[0] == 2 else ",".join(map(str, ids))
    assert (body["accountCode"], body["resourceType"], body["lifecycleEvent"], body["fullEvent"]) == (
        "acmetest",
        "order",
        "modified",
        "order.modified.order-status",
    )


def test_one_call_per_id_without_id_sets(account: Account, receiver: Receiver) -> None:
    address = f"{receiver.url}/${{account-code}}/${{resource-type}}/${{lifecycle-event}}/${{resource-id}}"
    subscribe(account, receiver, idSetAccepted=False, httpMethod="GET", uriTemplate=address, bodyTemplate="")
    set_status(account, 100001, 100002)
    until(lambda: len(receiver.requests) == 2)
    assert sorted(receiver.requests) == [
        ("GET", "/acmetest/order/modified/100001", ""),
        ("GET", "/acmetest/order/modified/100002", ""),
    ]


@pytest.mark.parametrize(
    ("quality", "answers", "seen"),
    [
        (0, [500], [500]),
        (0, [503, 503], [503, 503, 200]),
        (0, [404], [404]),
        (1, [500, 302], [500, 302, 200]),
        (1, [404], [404]),
        (1, [500] * 9, [500] * 4),
    ],
)
def test_retries(
    sandbox: Sandbox, account: Account, receiver: Receiver, quality: int, answers: list[int], seen: list[int]
) -> None:
    receiver.statuses = list(answers)
    subscribe(account, receiver, qualityOfService=quality)
    set_status(account, 100001)
    until(lambda: len(statuses(sandbox)) == len(seen))
    assert statuses(sandbox) == seen


def test_only_allowed_hosts_are_called(sandbox: Sandbox, account: Account, receiver: Receiver) -> None:
    subscribe(account, receiver, uriTemplate="https://hooks.example.test/bp")
    set_status(account, 100001)
    until(lambda: statuses(sandbox) == [0])


def test_simulate(account: Account, receiver: Receiver) -> None:
    id = subscribe(account, receiver, "product")
    data = {"${account-code}": "mine", "${resource-type}": "product", "${resource-id}": "1-5,99"}
    data |= {"${lifecycle-event}": "modified", "${full-event}": "product.modified.on-hand-modified"}
    assert account.call("POST", f"integration-service/webhook/{id}/simulate", {"testData": data}).json() == {}
    until(lambda: bool(receiver.requests))
    assert (receiver.bodies()[0]["accountCode"], receiver.bodies()[0]["id"]) == ("mine", "1-5,99")
    many = {"testData": data | {"${resource-id}": "1-11"}}
    assert account.call("POST", f"integration-service/webhook/{id}/simulate", many).status_code == 400


def test_goods_raise_events(sandbox: Sandbox, account: Account, receiver: Receiver) -> None:
    for event in ("goods-out-note", "product.modified.on-hand-modified", "order.modified.fully-shipped"):
        subscribe(account, receiver, event)
    sandbox.control("POST", "/brightpearl/activity", {"parts_shipped": 1, "stock_corrected": 1})
    until(lambda: len({body["fullEvent"] for body in receiver.bodies()}) >= 3)
    assert {body["fullEvent"] for body in receiver.bodies()} >= {
        "goods-out-note.modified.shipped",
        "product.modified.on-hand-modified",
    }


def test_nothing_is_sent_without_a_subscriber(sandbox: Sandbox, account: Account, receiver: Receiver) -> None:
    id = subscribe(account, receiver)
    account.call("DELETE", f"integration-service/webhook/{id}")
    set_status(account, 100001)
    assert statuses(sandbox) == []


def logged(sandbox: Sandbox, *names: str) -> list[tuple[Any, ...]]:
    rows = sandbox.snapshot("brightpearl", "webhook-delivery")
    return [tuple(row[name] for name in names) for row in rows]


def test_attempts_are_logged_with_their_answers(
    sandbox: Sandbox, account: Account, receiver: Receiver
) -> None:
    subscribe(account, receiver, bodyTemplate="${account-code} ${resource-type} ${lifecycle-event}")
    set_status(account, 100001)
    until(lambda: bool(statuses(sandbox)))
    assert logged(sandbox, "method", "url", "body", "status", "answer", "fault") == [
        ("POST", f"{receiver.url}/bp", "acmetest order modified", 200, "seen", None)
    ]


@pytest.mark.parametrize(
    ("fault", "calls", "seen"),
    [
        ({"kind": "lose"}, 0, [("lose", 0)]),
        ({"kind": "duplicate"}, 2, [("duplicate", 200), (None, 200)]),
        ({"kind": "late", "seconds": 100}, 1, [(None, 200)]),
        ({"kind": "no_answer", "times": 2}, 1, [("no_answer", 0), ("no_answer", 0), (None, 200)]),
        ({"kind": "lose", "event": "product"}, 1, [(None, 200)]),
        ({"kind": "lose", "skip": 1}, 1, [(None, 200)]),
        ({"kind": "loose"}, 0, [("kind must be one of", 0)]),
    ],
)
def test_faults(
    sandbox: Sandbox,
    account: Account,
    receiver: Receiver,
    fault: dict[str, Any],
    calls: int,
    seen: list[tuple[str | None, int]],
) -> None:
    changes = {"webhook_faults": [fault], "webhook_time_scale": 0.001}
    sandbox.control("POST", "/settings/brightpearl", changes)
    subscribe(account, receiver, qualityOfService=1)
    set_status(account, 100001)
    until(lambda: len(statuses(sandbox)) == len(seen))
    for (kind, status), (found, found_status) in zip(seen, logged(sandbox, "fault", "status"), strict=True):
        assert (kind is None) is (found is None)
        assert (kind or "") in (found or "")
        assert status == found_status
    assert calls == len(receiver.requests)


def test_pause_and_order(sandbox: Sandbox, account: Account, receiver: Receiver) -> None:
    changes = {"webhook_paused": True, "webhook_order": "newest", "webhook_delay_seconds": 0}
    sandbox.control("POST", "/settings/brightpearl", changes)
    subscribe(account, receiver, idSetAccepted=False)
    set_status(account, 100001, 100002, 100003)
    assert statuses(sandbox) == []
    sandbox.control("POST", "/settings/brightpearl", {"webhook_paused": False})
    until(lambda: len(receiver.requests) == 3)
    assert [body["id"] for body in receiver.bodies()] == ["100003", "100002", "100001"]


def test_a_schedule_of_retries(sandbox: Sandbox, account: Account, receiver: Receiver) -> None:
    receiver.statuses = [500, 500, 500]
    # a schedule of hours, of which the time scale makes milliseconds
    changes = {"webhook_retry_seconds": [60, 3600], "webhook_time_scale": 0.00001}
    sandbox.control("POST", "/settings/brightpearl", changes)
    subscribe(account, receiver, qualityOfService=1)
    set_status(account, 100001)
    until(lambda: len(statuses(sandbox)) == 4)
    assert statuses(sandbox) == [500, 500, 500, 200]
