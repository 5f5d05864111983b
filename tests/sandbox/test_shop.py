"""The shop: orders, signed webhooks, fulfillments with tracking (Shopify's REST Admin API)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.receiver import Receiver, receiver, until

__all__ = ["receiver"]

SECRET = b"sandbox-shop-secret"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    running.control("DELETE", "/settings/shop")
    running.control("POST", "/settings/shop", {"webhook_time_scale": 0.00001})
    return running


class Shop:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["X-Shopify-Access-Token"] = "shpat_sandbox"

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.sandbox.url}/admin/api/2025-01/{path}"
        return self.http.request(method, url, json=body, params=query, timeout=10)

    def order(self, *lines: tuple[str, int, str]) -> dict[str, Any]:
        items = [{"sku": sku, "quantity": quantity, "price": price} for sku, quantity, price in lines]
        found: dict[str, Any] = self("POST", "orders.json", {"order": {"line_items": items}}).json()["order"]
        return found

    def subscribe(self, topic: str, address: str) -> requests.Response:
        return self(
            "POST", "webhooks.json", {"webhook": {"topic": topic, "address": address, "format": "json"}}
        )

    def attempts(self, *names: str) -> list[tuple[Any, ...]]:
        rows = self.sandbox.snapshot("shop", "deliveries")
        return [tuple(row[name] for name in names) for row in rows]


@pytest.fixture
def shop(sandbox: Sandbox) -> Iterator[Shop]:
    shop = Shop(sandbox)
    yield shop
    shop.http.close()


def test_an_order_is_announced_with_a_signature(shop: Shop, receiver: Receiver) -> None:
    assert 201 == shop.subscribe("orders/create", f"{receiver.url}/shop").status_code
    order = shop.order(("SKU-001", 2, "19.99"), ("SKU-002", 1, "5"))
    assert ("44.98", "9.00", "53.98") == tuple(order[f"{name}_price"] if name != "tax" else order["total_tax"]
                                               for name in ("subtotal", "tax", "total"))  # fmt: skip
    until(lambda: bool(receiver.requests))
    headers, raw = receiver.headers[0], receiver.raw[0]
    digest = base64.b64encode(hmac.new(SECRET, raw, hashlib.sha256).digest()).decode()
    assert (digest, "orders/create", "2025-01") == tuple(
        headers[f"x-shopify-{name}"] for name in ("hmac-sha256", "topic", "api-version")
    )
    assert order == receiver.bodies()[0]


def test_repeats_keep_their_id_and_end_the_subscription(shop: Shop, receiver: Receiver) -> None:
    shop.subscribe("orders/create", receiver.url)
    receiver.statuses = [500, 302]
    shop.order(("A", 1, "1"))
    until(lambda: len(shop.attempts("status")) == 3)
    assert [(500,), (302,), (200,)] == shop.attempts("status")
    assert 1 == len({headers["x-shopify-webhook-id"] for headers in receiver.headers})
    receiver.statuses = [404] * 9
    shop.order(("A", 1, "1"))
    until(lambda: not shop("GET", "webhooks.json").json()["webhooks"])
    assert 12 == len(receiver.requests)


def test_faults_of_deliveries(shop: Shop, receiver: Receiver) -> None:
    shop.sandbox.control(
        "POST", "/settings/shop", {"webhook_faults": [{"kind": "duplicate"}, {"kind": "lose"}]}
    )
    shop.subscribe("orders/create", receiver.url)
    first, _ = (shop.order(("A", 1, "1")) for _ in range(2))
    until(lambda: len(shop.attempts("fault")) == 3)
    assert [first["id"]] * 2 == [body["id"] for body in receiver.bodies()]


def test_tracking_comes_back(shop: Shop, receiver: Receiver) -> None:
    shop.subscribe("fulfillments/create", receiver.url)
    order = shop.order(("A", 2, "1"), ("B", 1, "1"))
    path = f"orders/{order['id']}"
    (owner,) = shop("GET", f"{path}/fulfillment_orders.json").json()["fulfillment_orders"]
    first = {"fulfillment_order_id": owner["id"]}
    some = first | {"fulfillment_order_line_items": [{"id": owner["line_items"][0]["id"], "quantity": 1}]}
    tracking = {"number": "AE1", "company": "Acme Express", "url": "https://track.example/AE1"}

    def fulfill(group: Any) -> requests.Response:
        body = {"fulfillment": {"line_items_by_fulfillment_order": [group], "tracking_info": tracking}}
        return shop("POST", "fulfillments.json", body)

    made = fulfill(some).json()["fulfillment"]
    assert ("AE1", ["AE1"], 1) == (made["tracking_number"], made["tracking_numbers"], len(made["line_items"]))
    assert "partial" == shop("GET", f"{path}.json").json()["order"]["fulfillment_status"]
    assert 201 == fulfill(first).status_code
    shown = shop("GET", f"{path}.json").json()["order"]
    assert ("fulfilled", 2) == (shown["fulfillment_status"], len(shown["fulfillments"]))
    assert 422 == fulfill(first).status_code
    update = {"fulfillment": {"tracking_info": {"number": "AE2"}}}
    changed = shop("POST", f"fulfillments/{made['id']}/update_tracking.json", update).json()
    assert "AE2" == changed["fulfillment"]["tracking_number"]
    assert ["AE2", "AE1"] == [
        one["tracking_number"] for one in shop("GET", f"{path}/fulfillments.json").json()["fulfillments"]
    ]
    until(lambda: len(receiver.requests) == 2)


def test_lists_and_pages(shop: Shop) -> None:
    ids = shop.sandbox.control("POST", "/shop/activity", {"orders_created": 5, "skus": ["A", "B"]})["orders"]
    answer = shop("GET", "orders.json", limit=2)
    found = [order["id"] for order in answer.json()["orders"]]
    while link := answer.links.get("next"):
        answer = shop("GET", link["url"])
        found += [order["id"] for order in answer.json()["orders"]]
    assert ids == found
    assert {"count": 5} == shop("GET", "orders/count.json").json()
    assert [ids[4]] == [one["id"] for one in shop("GET", "orders.json", since_id=ids[3]).json()["orders"]]
    assert [{"id": ids[0]}] == shop("GET", "orders.json", limit=1, fields="id").json()["orders"]
    shop.sandbox.control("POST", "/clock", {"advance_seconds": 60})
    since = shop.sandbox.now().isoformat(timespec="seconds")
    shop.sandbox.control("PATCH", f"/shop/orders/{ids[1]}", {"note": "call first"})
    recent = shop("GET", "orders.json", updated_at_min=since).json()["orders"]
    assert [(ids[1], "call first")] == [(one["id"], one["note"]) for one in recent]


def test_what_is_refused(shop: Shop) -> None:
    assert 404 == shop("GET", "orders/1.json").status_code
    assert 400 == shop("POST", "orders.json", {}).status_code
    assert 422 == shop("POST", "orders.json", {"order": {"line_items": []}}).status_code
    assert 422 == shop("GET", "orders.json", colour="red").status_code
    assert 422 == shop.subscribe("orders/nothing", "http://127.0.0.1:1").status_code
    shop.sandbox.control("POST", "/settings/shop", {"throttle_bucket": 2, "throttle_per_second": 0.001})
    shop.sandbox.control("POST", "/clock", {"advance_seconds": 3600})
    answers = [shop("GET", "webhooks.json") for _ in range(3)]
    assert [200, 200, 429] == [one.status_code for one in answers]
    assert "2/2" == answers[2].headers["X-Shopify-Shop-Api-Call-Limit"]
    assert float(answers[2].headers["Retry-After"]) > 0
    shop.http.headers["X-Shopify-Access-Token"] = "wrong"
    assert 401 == shop("GET", "orders.json").status_code


def test_keep_and_back(shop: Shop) -> None:
    shop.order(("A", 1, "1"))
    shop.sandbox.control("POST", "/keep")
    shop.order(("B", 1, "1"))
    shop.sandbox.control("POST", "/back")
    assert ["A"] == [order["line_items"][0]["sku"] for order in shop.sandbox.snapshot("shop", "orders")]
