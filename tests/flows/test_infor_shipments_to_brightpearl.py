"""Deliveries that M3 shipped, as goods-out notes: whole and partial ones, once, and no echo either way."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.m3_orders import SETTINGS, Warehouse
from tests.flows.world import World

FLOW = "infor_shipments_to_brightpearl"
BACK = "shipments_to_infor"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Warehouse]]:
    def prepare(site: Warehouse) -> None:
        site.send_orders()
        # what is shipped already is reported to M3, as on any day before
        site.run(BACK)
        site.pass_time(60)
        site.run(FLOW)
        site.pass_time(60)

    with Sandbox(customers=4, products=8, orders=6, seed=5, settings=SETTINGS) as sandbox:
        yield World(sandbox, Warehouse(sandbox, tmp_path_factory.mktemp("world")), prepare)


@pytest.fixture
def site(world: World[Warehouse], tmp_path: Path) -> Warehouse:
    return world.begin(tmp_path)


def pieces(note: dict[str, object]) -> dict[str, int]:
    rows: dict[str, list[dict[str, int]]] = note["orderRows"]  # type: ignore[assignment]
    return {row: sum(part["quantity"] for part in parts) for row, parts in rows.items()}


def test_a_delivery_becomes_a_shipped_note_with_carrier_and_tracking_once(site: Warehouse) -> None:
    order = site.sell(2, 1)
    wanted = {site.row_of(line): int(Decimal(line["TRQT"])) for line in site.lines_of(order)}
    delivery = site.pick(order)
    site.track(delivery, "1Z-77")
    summary = site.run(FLOW)
    assert (1, 0, 0) == (summary.counts.created, summary.counts.rejected, summary.counts.parked)
    [note] = site.notes_of(order).values()
    assert (wanted, "1Z-77", 2, True) == (
        pieces(note), note["shipping"]["reference"], note["shipping"]["shippingMethodId"], note["status"]["shipped"],
    )  # fmt: skip
    assert "ASS" == site.here("order")[order]["shippingStatusCode"]

    again = site.run(FLOW)
    assert (0, 0, 0) == (again.counts.created, again.counts.updated, again.counts.rejected)
    assert 1 == len(site.notes_of(order))


def test_what_was_picked_short_is_a_part_of_the_order(site: Warehouse) -> None:
    order = site.sell(3, 2)
    first, *others = site.lines_of(order)
    site.pick(order, **{f"_{first['RIDL']}": 1})
    site.run(FLOW)
    [note] = site.notes_of(order).values()
    whole = {site.row_of(line): int(Decimal(line["TRQT"])) for line in others}
    assert {site.row_of(first): 1, **whole} == pieces(note)
    assert "SPS" == site.here("order")[order]["shippingStatusCode"]


def test_nothing_echoes_in_either_order(site: Warehouse) -> None:
    ours, theirs, late = site.sell(2, 1), site.sell(1), site.sell(3)
    site.pick(theirs)
    for flow in (FLOW, BACK, FLOW, BACK):
        assert 0 == site.run(flow).counts.rejected
    assert 1 == len(site.notes_of(theirs))
    messages = len(site.m3("messages"))

    # shipped in Brightpearl, and reported to M3 first, then after the flow back has run
    for order, flows in ((ours, (BACK, FLOW, BACK)), (late, (FLOW, BACK, FLOW))):
        ship(site, order)
        for flow in flows:
            summary = site.run(flow)
            assert (0, 0) == (summary.counts.rejected, summary.counts.parked)
        assert 1 == len(site.notes_of(order))
        assert {"90"} == {row["PGRS"] for row in site.m3("deliveries") if row["RIDN"] == site.in_m3[order]}
    assert len(site.lines_of(ours)) + len(site.lines_of(late)) == len(site.m3("messages")) - messages
    quiet = [site.run(flow) for flow in (BACK, FLOW)]
    assert [0, 0] == [each.counts.created + each.counts.updated for each in quiet]


def ship(site: Warehouse, order: str) -> None:
    """People ship a whole order in Brightpearl."""
    row = site.here("order")[order]
    products = [
        {
            "productId": each["productId"],
            "salesOrderRowId": int(key),
            "quantity": int(Decimal(each["quantity"]["magnitude"])),
        }
        for key, each in row["orderRows"].items()
    ]
    path = f"warehouse-service/order/{order}/goods-note/goods-out"
    body = {"warehouses": [{"warehouseId": row["warehouseId"], "transfer": False, "products": products}]}
    [note] = site.brightpearl().post(path, body)
    event = {"eventCode": "SHW", "occured": site.now().isoformat()}
    site.brightpearl().post(f"warehouse-service/goods-note/goods-out/{note}/event", {"events": [event]})
    site.pass_time(5)


def test_more_than_was_ordered_is_a_letter_and_stops_no_other(site: Warehouse) -> None:
    site.sandbox.control("POST", "/settings/infor", {"over_reporting": "accept"})
    order, other = site.sell(2), site.sell(1)
    line = site.lines_of(order)[0]
    site.pick(order, **{f"_{line['RIDL']}": int(Decimal(line["TRQT"])) + 3})
    site.pick(other)
    summary = site.run(FLOW)
    assert (1, 1) == (summary.counts.created, summary.counts.rejected)
    assert f"is more than what remains of row {site.row_of(line)}" in summary.reasons[0][0]
    assert {} == site.notes_of(order)


def test_a_warehouse_and_a_carrier_that_nobody_named(site: Warehouse) -> None:
    order, other = site.sell(2), site.sell(1)
    for each, change in ((order, {"WHLO": "200"}), (other, {"MODL": "XXX"})):
        number = next(row["DLIX"] for row in site.m3("deliveries") if row["RIDN"] == site.in_m3[each])
        site.sandbox.control("PATCH", f"/infor/deliveries/100|{number}", change)
        site.pick(each)
    summary = site.run(FLOW)
    assert (1, 1) == (summary.counts.created, summary.counts.rejected)
    assert "'200' is not in lookup warehouse" in summary.reasons[0][0]
    assert any("XXX is not in lookup carrier" in each for each in summary.warnings)


def test_a_delivery_whose_order_was_not_known_yet_is_found_by_the_comparison(site: Warehouse) -> None:
    order = site.sell(2)
    delivery = site.pick(order)
    crosswalk = site.wiring("orders_to_infor").crosswalk
    rows = crosswalk.of_records("orders_to_infor", [order])
    crosswalk.unbind(rows)
    assert 1 == site.run(FLOW).counts.unchanged
    crosswalk.bind([replace(each, revision=0) for each in rows])
    site.pass_time(60)
    report = compare(site.wiring(FLOW), "compare")
    assert report and (delivery,) == report.repair
    assert 1 == site.run(FLOW, ids=report.repair).counts.created
    assert 1 == len(site.notes_of(order))
    report = compare(site.wiring(FLOW), "again")
    assert report and () == report.repair
