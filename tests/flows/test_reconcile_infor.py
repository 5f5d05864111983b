"""Brightpearl and M3 compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.reports import ReconcileState
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.site import Site
from tests.flows.test_reconcile import Auditor

FLOWS = (
    "customers_to_infor",
    "products_to_infor",
    "orders_to_infor",
    "shipments_to_infor",
    "payments_to_infor_gl",
)

pytestmark = pytest.mark.slow


@contextmanager
def _synced(folder: Path) -> Iterator[Auditor]:
    with Sandbox(customers=20, products=12, orders=60, seed=7) as sandbox:
        sandbox.control("POST", "/settings/brightpearl", {"throttle": False})
        # the stock that was shipped in the past was never counted into M3
        sandbox.control("POST", "/settings/infor", {"stock_checked_at_pick": False})
        site = Site(sandbox, folder)
        for name in FLOWS:
            site.run(name)
        yield Auditor(site)


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Auditor]:
    with _synced(tmp_path_factory.mktemp("m3")) as synced:
        yield synced


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Auditor]:
    """A site of which each test changes other records."""
    with _synced(tmp_path_factory.mktemp("spoilt")) as synced:
        yield synced


@pytest.mark.parametrize("name", FLOWS)
def test_after_a_sync_both_sides_agree(auditor: Auditor, name: str) -> None:
    found = auditor.compare(auditor.wiring(name))
    assert ReconcileState.CLEAN == found.state, found
    assert 0 < found.counts["source"] == found.counts["matched"] == found.counts["target"]
    assert found.note


def test_m3_is_asked_in_bulks_and_journals_not_at_all(auditor: Auditor) -> None:
    assert 2 == auditor.compare(auditor.wiring("orders_to_infor")).calls["infor"]
    assert 0 == auditor.compare(auditor.wiring("payments_to_infor_gl")).calls["infor"]


def test_a_customer_that_both_sides_share_and_is_gone_from_m3_is_for_a_person(spoilt: Auditor) -> None:
    wiring = spoilt.wiring("customers_to_infor")
    row = next(
        row for row in wiring.crosswalk.roots(wiring.flow.flow, "Customer") if row.target_id.startswith("BP")
    )
    spoilt.site.sandbox.control("DELETE", f"/infor/customers/{row.target_id}")
    found = spoilt.compare(wiring)
    assert (ReconcileState.NEEDS_REVIEW, ()) == (found.state, found.repair)


def test_an_order_that_is_gone_from_m3_is_for_a_person(spoilt: Auditor) -> None:
    wiring = spoilt.wiring("orders_to_infor")
    row = next(wiring.crosswalk.roots(wiring.flow.flow, "Order"))
    spoilt.site.sandbox.control("DELETE", f"/infor/orders/{row.target_id}")
    found = spoilt.compare(wiring)
    assert (ReconcileState.NEEDS_REVIEW, ()) == (found.state, found.repair)
    assert row.source_id in found.ids["manual"]


def test_a_price_that_was_changed_in_m3_is_for_a_person(spoilt: Auditor) -> None:
    wiring = spoilt.wiring("orders_to_infor")
    known = set(spoilt.compare(wiring).ids.get("manual", ()))
    line = spoilt.site.sandbox.snapshot("infor", "order_lines")
    changed = [each for each in line if each["CONO"] == "100"][40]
    price = str(Decimal(changed["SAPR"]) + 5)
    key = "|".join(str(changed[name]) for name in ("ORNO", "PONR", "POSX"))
    spoilt.site.sandbox.control("PATCH", f"/infor/order_lines/{key}", {"SAPR": price})
    assert 1 == len(set(spoilt.compare(wiring).ids["manual"]) - known)


def test_an_order_deleted_in_brightpearl_is_reported(spoilt: Auditor) -> None:
    wiring = spoilt.wiring("orders_to_infor")
    gone = list(wiring.crosswalk.roots(wiring.flow.flow, "Order"))[-1].source_id
    spoilt.site.sandbox.control("DELETE", f"/brightpearl/order/{gone}")
    found = spoilt.compare(wiring)
    assert ((gone,), ()) == (found.ids["deleted"], found.remove)
