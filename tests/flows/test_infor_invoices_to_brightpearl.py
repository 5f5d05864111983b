"""Invoices of M3 onto the orders they belong to: number and date, and letters where anything differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.core.reports import ReconcileState
from airflow_provider_brightpearl.runtime.reconcile import compare, repair
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.contracts.tenant import add
from tests.flows.m3_orders import SETTINGS, Warehouse
from tests.flows.world import World

FLOW = "infor_invoices_to_brightpearl"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Warehouse]]:
    def prepare(site: Warehouse) -> None:
        site.send_orders()
        site.run(FLOW)
        site.pass_time(60)

    with Sandbox(customers=3, products=6, orders=2, seed=5, settings=SETTINGS) as sandbox:
        yield World(sandbox, Warehouse(sandbox, tmp_path_factory.mktemp("world")), prepare)


@pytest.fixture
def site(world: World[Warehouse], tmp_path: Path) -> Warehouse:
    return world.begin(tmp_path)


def invoice_of(site: Warehouse, order: str) -> dict[str, Any]:
    found: dict[str, Any] = site.here("order")[order]["invoices"][0]
    return found


def number_of(site: Warehouse, order: str) -> str | None:
    number: str | None = (site.here("order")[order].get("customFields") or {}).get("PCF_M3INV")
    return number


def test_an_invoice_closes_its_order_under_its_date_once_and_disturbs_no_other_flow(site: Warehouse) -> None:
    order = site.sell(2, 1)
    invoice = site.invoice(order)
    site.run("payments_to_infor_gl")
    summary = site.run(FLOW)
    assert (1, 0, ()) == (summary.counts.created, summary.counts.rejected, summary.warnings)
    [there] = [row for row in site.m3("invoices") if f"{row['YEA4']}|{row['IVNO']}" == invoice]
    day = str(there["IDAT"])
    assert invoice.endswith(str(number_of(site, order)))
    assert f"{day[:4]}-{day[4:6]}-{day[6:]}" == invoice_of(site, order)["taxDate"][:10]
    assert invoice_of(site, order)["invoiceReference"]

    again = site.run(FLOW)
    assert (0, 0, 0) == (again.counts.created, again.counts.updated, again.counts.rejected)
    assert 0 == again.calls.made["brightpearl"]
    for flow in ("orders_to_infor", "payments_to_infor_gl"):
        assert (0, 0) == (site.run(flow).counts.created, site.run(flow).counts.rejected)


def test_an_order_that_has_changed_or_is_cancelled_is_a_letter_with_both_figures(site: Warehouse) -> None:
    changed, cancelled, good = site.sell(2), site.sell(1), site.sell(3)
    for order in (changed, cancelled, good):
        site.invoice(order)
    row = next(iter(site.here("order")[changed]["orderRows"]))
    operations = [{"op": "replace", "path": "/rowValue/rowNet/value", "value": "25.00"}]
    site.brightpearl().patch(f"order-service/order/{changed}/row/{row}", operations)
    site.patch(f"/brightpearl/order/{cancelled}", {"orderStatus": {"orderStatusId": 5, "name": "Cancelled"}})
    summary = site.run(FLOW)
    assert (1, 2) == (summary.counts.created, summary.counts.rejected)
    said = " ".join(reason for reason, _ in summary.reasons)
    assert (
        f"is 20.0000 on the invoice and 25.00 on Brightpearl's order {changed}: the order has changed" in said
    )
    assert f"order {cancelled} is cancelled in Brightpearl" in said
    assert (None, None) == (number_of(site, changed), number_of(site, cancelled))
    # corrected, it goes through by itself
    operations = [{"op": "replace", "path": "/rowValue/rowNet/value", "value": "20.00"}]
    site.brightpearl().patch(f"order-service/order/{changed}/row/{row}", operations)
    letters = tuple(site.letters.waiting(FLOW, [f"2026|{each['IVNO']}" for each in site.m3("invoices")]))
    assert 1 == site.run(FLOW, ids=letters).counts.created


def test_a_second_invoice_of_an_order_is_a_letter_with_both_numbers(site: Warehouse) -> None:
    order = site.sell(2)
    first = site.invoice(order)
    site.run(FLOW)
    site.pass_time(60)
    copied(site, first, 900_777)
    summary = site.run(FLOW)
    assert Counts(extracted=2, unchanged=1, rejected=1) == summary.counts
    number = first.partition("|")[2]
    assert (
        f"OrderInvoice.PCF_M3INV: order {order} is invoiced already as SI-{order}, and holds {number}: one of both "
        "invoices is one too many"
    ) == summary.reasons[0][0]
    assert number == number_of(site, order)


def test_an_invoice_of_several_orders_and_gaps_in_the_numbers(site: Warehouse) -> None:
    one, other = site.sell(1), site.sell(2)
    first = site.invoice(one)
    second = site.invoice(other)
    number = int(second.partition("|")[2])
    line = next(row for row in site.m3("invoice_lines") if row["IVNO"] == number)
    site.sandbox.control("PATCH", f"/infor/invoice_lines/{place(line)}", {"ORNO": line["ORNO"]})
    add(site.sandbox, "invoice_lines", site.now(), **{**line, "LINO": 2, "ORNO": site.in_m3[one]})
    copied(site, first, number + 4)
    site.sandbox.control("PATCH", f"/infor/invoices/100|AAA|{first}", {"IDAT": "20260101"})
    site.pass_time(5)
    summary = site.run(FLOW)
    assert any(f"no invoices {number + 1} to {number + 3} of" in each for each in summary.warnings)
    assert "the invoice is of several orders" in " ".join(reason for reason, _ in summary.reasons)


def test_an_invoice_is_found_by_any_of_its_orders(site: Warehouse) -> None:
    other = site.sell(1)
    invoice = site.invoice(other)
    number = int(invoice.partition("|")[2])
    [line] = [row for row in site.m3("invoice_lines") if row["IVNO"] == number]
    # orders of other channels before and after it, and an invoice of such alone
    site.sandbox.control("PATCH", f"/infor/invoice_lines/{place(line)}", {"ORNO": "0019999001"})
    copied(site, invoice, number + 1)
    for position, order in ((2, line["ORNO"]), (3, "0019999002")):
        add(site.sandbox, "invoice_lines", site.now(), **{**line, "LINO": position, "ORNO": order})
    site.pass_time(5)
    summary = site.run(FLOW)
    assert Counts(extracted=2, unchanged=1, rejected=1) == summary.counts
    assert "the invoice is of several orders" in summary.reasons[0][0]


def test_a_comparison_finds_invoices_that_were_never_noted_and_orders_that_are_invoiced_no_more(
    site: Warehouse,
) -> None:
    noted, unknown = site.sell(1), site.sell(2)
    first, second = site.invoice(noted), site.invoice(unknown)
    crosswalk = site.wiring("orders_to_infor").crosswalk
    rows = crosswalk.of_records("orders_to_infor", [unknown])
    crosswalk.unbind(rows)
    assert Counts(extracted=2, created=1, unchanged=1) == site.run(FLOW).counts
    crosswalk.bind([replace(each, revision=0) for each in rows])
    site.pass_time(60)
    found = compare(site.wiring(FLOW), "compare")
    assert found
    assert ((second,), 1) == (found.repair, found.counts["matched"])
    repaired = repair(site.wiring(FLOW), found)
    assert (ReconcileState.REPAIRED, 1) == (repaired.state, repaired.repaired)
    assert second.endswith(str(number_of(site, unknown)))
    open_again = {**invoice_of(site, noted), "invoiceReference": ""}
    site.patch(f"/brightpearl/order/{noted}", {"invoices": [open_again]})
    found = compare(site.wiring(FLOW), "again")
    assert found
    assert (ReconcileState.NEEDS_REVIEW, (), (first,)) == (found.state, found.repair, found.ids["manual"])


def place(line: dict[str, Any]) -> str:
    return "|".join(str(line[name]) for name in ("CONO", "DIVI", "YEA4", "IVNO", "LINO"))


def copied(site: Warehouse, invoice: str, number: int) -> None:
    """A copy of an invoice under another number."""
    year, _, old = invoice.partition("|")
    for table in ("invoices", "invoice_lines"):
        for row in site.m3(table):
            if (str(row["YEA4"]), str(row["IVNO"])) == (year, old):
                add(site.sandbox, table, site.now(), **{**row, "IVNO": number})
    site.pass_time(5)
