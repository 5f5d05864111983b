"""Fields of a target are kept as a flow last met them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.drift import FieldSchema
from airflow_provider_brightpearl.stores.seen_fields import SqlSeenFields

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
FIELDS = {
    "Status": FieldSchema("picklist", length=40, values=("Draft", "Größe 店")),
    "Net__c": FieldSchema("number", 16, 2, required=True, key=True, writable=False),
}


def test_what_is_kept_comes_back_by_pair_and_flow(engine: Engine) -> None:
    seen = SqlSeenFields(engine, lambda: NOON, "a:1>b:2")
    seen.keep("orders", {"Order": FIELDS, "OrderItem": {}})
    assert {"Order": (FIELDS, NOON), "OrderItem": ({}, NOON)} == {
        name: (each.fields, each.at) for name, each in seen.of("orders").items()
    }
    assert {} == seen.of("customers") == SqlSeenFields(engine, pair="a:1>b:3").of("orders")


def test_it_is_replaced_whole_and_confirmed(engine: Engine) -> None:
    clock = [NOON]
    seen = SqlSeenFields(engine, lambda: clock[0], "a:1>b:2")
    seen.keep("orders", {"Order": FIELDS, "OrderItem": {}})
    seen.keep("orders", {"Order": {}})
    clock[0] = NOON + timedelta(hours=1)
    seen.confirm("orders")
    assert {"Order": ({}, clock[0])} == {
        name: (each.fields, each.at) for name, each in seen.of("orders").items()
    }
