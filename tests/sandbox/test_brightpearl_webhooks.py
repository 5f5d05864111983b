"""Delivery of webhooks: templates, id sets and the two retry policies (reference, section 5)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.brightpearl_account import Account

BODY = (
    '{"accountCode": "${account-code}", "resourceType": "${resource-type}", "id": "${resource-id}",'
    ' "lifecycleEvent": "${lifecycle-event}", "fullEvent": "${full-event}", "raisedOn": "${raised-on}"}'
)


class Receiver:
    """A subscriber that answers with the given statuses, and then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.requests: list[tuple[str, str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                receiver.requests.append((self.command, self.path, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self) -> list[dict[str, str]]:
        return [json.loads(body) for _, _, body in self.requests]


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within half a minute")


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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


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
