"""Orders from Salesforce while answers of Brightpearl are lost at random: none twice, none missing."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.systems.intent_log import IntentLog
from benchmarks.planting import plant_orders
from tests.flows.org import Org
from tests.flows.test_orders_to_brightpearl import FLOW

ORDERS, RUNS = 240, 30


def test_every_order_arrives_once(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    # the minute in which a call may still arrive
    monkeypatch.setattr(IntentLog, "wait_until_quiet", lambda _: None)
    org.run(FLOW)
    # so much later that nobody looks whether the orders are there already
    org.pass_time(10)
    before = len(org.sandbox.snapshot("brightpearl", "order"))
    plant_orders(org.sandbox, ORDERS)
    org.pass_time(10)
    places = random.Random(1)
    for _ in range(ORDERS // 30):
        # creating and looking for ten at a time, and reading back
        rule = {
            "path": places.choice(["multi-message", "multi-message", "sales-order/"]),
            "drop": places.choice(["before", "after"]),
            "skip": places.randrange(ORDERS // 15),
        }
        org.sandbox.control("POST", "/faults", {"system": "brightpearl", **rule})
    runs, summary = until_one_ends_well(org)
    assert runs > 1
    there = Counter(row["externalRef"] for row in org.sales().values())
    assert {
        f"SF-{order['Id']}" for order in org.sandbox.snapshot("salesforce", "Order") if placed(order)
    } == set(there)
    assert (ORDERS, ORDERS + before) == (len(there), len(org.sandbox.snapshot("brightpearl", "order")))
    assert 0 == summary.counts.rejected
    ours = sum(Decimal(row["totalValue"]["net"]) for row in org.sales().values())
    items = [
        row for row in org.sandbox.snapshot("salesforce", "OrderItem") if not row.get("Brightpearl_Row_Id__c")
    ]
    assert sum(Decimal(str(row["UnitPrice"])) * Decimal(str(row["Quantity"])) for row in items) == ours
    # nothing is left to be done
    org.sandbox.control("DELETE", "/faults")
    assert (0, 0, 0) == tuple(
        getattr(org.run(FLOW).counts, name) for name in ("created", "updated", "rejected")
    )


def placed(order: dict[str, object]) -> bool:
    return not order.get("Brightpearl_Order_Id__c") and order["Status"] == "Activated"


def until_one_ends_well(org: Org) -> tuple[int, RunSummary]:
    """How many runs it took, and the last one; those before failed, as a task would."""
    for number in range(1, RUNS):
        try:
            return number, org.run(FLOW)
        except SyncError:
            continue
    raise AssertionError(f"no run of {RUNS} ended well")
