"""Which records a Brightpearl stream says it has: of a period, by id, and those that are gone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.inventory import BrightpearlInventory
from airflow_provider_brightpearl.systems.registry import check_flow
from tests.systems.live import brightpearl
from tests.systems.reconciled import flow

NOW = datetime(2026, 3, 31, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stream", "collection", "key"),
    [
        ("sales_orders", "order", "id"),
        ("contacts", "contact", "contactId"),
        ("products", "product", "id"),
        ("payments", "customer-payment", "paymentId"),
    ],
)
def test_a_stream_lists_what_it_would_read(sandbox: Sandbox, stream: str, collection: str, key: str) -> None:
    inventory = BrightpearlInventory(brightpearl(sandbox), stream)
    listed = [seen.source_id for seen in inventory.created(Window(None, NOW))]
    stored = {str(row[key]) for row in sandbox.snapshot("brightpearl", collection) if _wanted(stream, row)}
    assert stored == set(listed)
    assert len(stored) == len(listed)


def _wanted(stream: str, row: dict[str, Any]) -> bool:
    if stream == "sales_orders":
        return bool(row["orderTypeCode"] == "SO")
    if stream == "contacts":
        position = row["relationshipToAccount"]
        return not (position["isSupplier"] or position["isStaff"])
    return True


@pytest.mark.parametrize("stream", ["sales_orders", "payments", "goods_out_notes", "shipments"])
def test_a_period_lists_the_records_created_in_it(sandbox: Sandbox, stream: str) -> None:
    whole = list(BrightpearlInventory(brightpearl(sandbox), stream).created(Window(None, NOW)))
    middle = datetime(2026, 3, 15, tzinfo=UTC)
    parts = [
        list(BrightpearlInventory(brightpearl(sandbox), stream).created(window))
        for window in (Window(None, middle), Window(middle, NOW))
    ]
    assert all(parts)
    assert sorted(seen.source_id for seen in whole) == sorted(
        seen.source_id for part in parts for seen in part
    )


@pytest.mark.parametrize("stream", ["sales_orders", "products", "contacts", "payments", "goods_out_notes"])
def test_ids_that_do_not_exist_are_named(sandbox: Sandbox, stream: str) -> None:
    inventory = BrightpearlInventory(brightpearl(sandbox), stream)
    there = [seen.source_id for seen in inventory.created(Window(None, NOW))][:5]
    before = inventory.calls
    assert {"98765432"} == inventory.deleted_ids([*there, "98765432"])
    # what a list or an answer leaves out is asked for again
    assert {"payments": 1, "goods_out_notes": 2}.get(stream, 3) == inventory.calls - before
    assert set() == inventory.deleted_ids([])


def test_records_are_read_without_what_a_stream_joins(sandbox: Sandbox) -> None:
    inventory = BrightpearlInventory(brightpearl(sandbox), "contacts")
    ids = [seen.source_id for seen in inventory.created(Window(None, NOW))]
    before = inventory.calls
    assert len(ids) == len(list(inventory.records(ids)))
    assert 1 == inventory.calls - before


def test_a_stream_of_figures_cannot_be_reconciled() -> None:
    with pytest.raises(
        Misconfigured, match=r"^test_flow.yaml: .*brightpearl.availability consists of figures"
    ):
        check_flow(flow(stream="availability"))
