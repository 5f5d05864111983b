"""The carrier: shipments in, signed confirmations out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.receiver import Receiver, receiver, until

__all__ = ["receiver"]

SECRET = b"sandbox-carrier-secret"
SHIPMENT = {"reference": "500123", "lines": [{"sku": "A", "quantity": 2}], "ship_to": {"city": "London"}}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, receiver: Receiver) -> Sandbox:
    running.reset()
    running.control("DELETE", "/settings/carrier")
    changes = {"receivers": [{"url": f"{receiver.url}/3pl"}], "webhook_time_scale": 0.00001}
    running.control("POST", "/settings/carrier", changes)
    return running


def call(sandbox: Sandbox, method: str, path: str = "", body: Any = None, **query: Any) -> requests.Response:
    headers = {"Authorization": "Bearer sandbox-carrier-key"}
    url = f"{sandbox.url}/carrier/v1/shipments{path}"
    return requests.request(method, url, json=body, params=query, headers=headers, timeout=10)


def test_a_shipment_is_confirmed_with_a_signature(sandbox: Sandbox, receiver: Receiver) -> None:
    made = call(sandbox, "POST", body=SHIPMENT)
    assert (201, "accepted") == (made.status_code, made.json()["status"])
    assert (200, made.json()) == ((again := call(sandbox, "POST", body=SHIPMENT)).status_code, again.json())
    sandbox.control("POST", "/carrier/activity", {"shipped": 1})
    until(lambda: bool(receiver.requests))
    headers, raw = receiver.headers[0], receiver.raw[0]
    digest = hmac.new(
        SECRET, headers["x-carrier-timestamp"].encode() + b"." + raw, hashlib.sha256
    ).hexdigest()
    assert (f"sha256={digest}", "shipment.confirmed") == (
        headers["x-carrier-signature"],
        headers["x-carrier-event"],
    )
    shipment = receiver.bodies()[0]["shipment"]
    assert ("500123", "shipped", [2]) == (
        shipment["reference"],
        shipment["status"],
        [line["quantity_shipped"] for line in shipment["lines"]],
    )
    assert shipment == call(sandbox, "GET", f"/{shipment['id']}").json()
    assert [shipment] == call(sandbox, "GET", reference="500123").json()["shipments"]
    sandbox.control("POST", "/carrier/activity", {"delivered": 1})
    until(lambda: len(receiver.requests) == 2)
    assert "shipment.delivered" == receiver.bodies()[1]["event"]


def test_short_shipments_repeats_and_corrections(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.statuses = [503, 429]
    (id,) = sandbox.control("POST", "/carrier/activity", {"references": ["7"], "short": True})["shipped"]
    until(lambda: len(receiver.requests) == 3)
    assert 1 == len({headers["x-carrier-delivery"] for headers in receiver.headers})
    assert [1] == [line["quantity_shipped"] for line in receiver.bodies()[2]["shipment"]["lines"]]
    sandbox.control("PATCH", f"/carrier/shipments/{id}", {"tracking_number": "CORRECTED"})
    until(lambda: len(receiver.requests) == 4)
    assert "CORRECTED" == receiver.bodies()[3]["shipment"]["tracking_number"]


def test_what_is_refused(sandbox: Sandbox) -> None:
    for body in ({}, {"reference": "1"}, {"reference": "1", "lines": [{"sku": "A", "quantity": 0}]}):
        assert 400 == call(sandbox, "POST", body=body).status_code
    assert 404 == call(sandbox, "GET", "/1").status_code
    assert 400 == call(sandbox, "GET", colour="red").status_code
    assert 401 == requests.get(f"{sandbox.url}/carrier/v1/shipments", timeout=10).status_code
