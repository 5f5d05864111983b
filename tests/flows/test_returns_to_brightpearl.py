"""Returns that are made in Salesforce become Brightpearl sales credits, once, and of no more than was sold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.tables import dead_letter
from tests.flows.conftest import QUIET
from tests.flows.site import MAPPINGS, Site
from tests.flows.world import World

FLOW, BACK = "salesforce_returns_to_brightpearl", "credits_to_salesforce"
RETURN, LINE = "Brightpearl_Return__c", "Brightpearl_Return_Line__c"


class Returns(Site):
    """A site whose orders are in Salesforce, and of which people take parts back there."""

    def add(self, name: str, **values: Any) -> str:
        return str(self.sandbox.control("POST", f"/salesforce/{name}", values)["Id"])

    def change(self, name: str, row_id: str, **values: Any) -> None:
        self.sandbox.control("PATCH", f"/salesforce/{name}/{row_id}", values)
        self.pass_time(5)

    def sold(self) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
        """An order of Brightpearl with a row of several pieces: its id, it, and that row."""
        for key, order in self.here("order").items():
            for row in order["orderRows"].values():
                several = Decimal(row["quantity"]["magnitude"]) >= 2 and row["productId"] > 1000
                if (
                    order["orderTypeCode"] == "SO"
                    and several
                    and key in self.there("Order", "Brightpearl_Order_Id__c")
                ):
                    return key, order, row
        raise AssertionError("no order of several pieces")

    def give_back(self, pieces: int, *, of: str = "", **more: Any) -> str:
        """An approved return of pieces of that row; gives its id."""
        key, order, row = self.sold()
        there = self.there("Order", "Brightpearl_Order_Id__c")[key]
        net, tax = self.price(row, pieces)
        head = {
            "Account__c": there["AccountId"], "Order__c": of or there["Id"], "Status__c": "Approved",
            "CurrencyIsoCode": order["currency"]["orderCurrencyCode"], "Reference__c": "RMA 7",
            "Net__c": net, "Tax__c": tax, "Total__c": net + tax,
        }  # fmt: skip
        made = self.add(RETURN, **{name: _text(value) for name, value in {**head, **more}.items()})
        product = self.there("Product2")[str(row["productId"])]["Id"]
        self.add(
            LINE, Return__c=made, Product__c=product, Quantity__c=str(pieces), Net__c=str(net), Tax__c=str(tax),
            CurrencyIsoCode=head["CurrencyIsoCode"],
        )  # fmt: skip
        self.pass_time(5)
        return made

    @staticmethod
    def price(row: Mapping[str, Any], pieces: int) -> tuple[Decimal, Decimal]:
        values = (Decimal(row["rowValue"][name]["value"]) for name in ("rowNet", "rowTax"))
        net, tax = (round(each * pieces / Decimal(row["quantity"]["magnitude"]), 2) for each in values)
        return net, tax

    def credits(self) -> dict[str, Mapping[str, Any]]:
        """Brightpearl's credits of returns, by the id of the return."""
        rows = self.sandbox.snapshot("brightpearl", "order")
        mine = (
            row
            for row in rows
            if row["orderTypeCode"] == "SC" and str(row.get("externalRef")).startswith("SF-")
        )
        return {row["externalRef"][3:]: row for row in mine}

    def reasons(self) -> dict[str, str]:
        with self.database.connect() as connection:
            rows = connection.execute(sa.select(dead_letter).where(dead_letter.c.flow == FLOW)).all()
        return {row.source_id: row.reason for row in rows if row.state in ("open", "parked")}


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Returns]]:
    def prepare(site: Returns) -> None:
        for flow in ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce"):
            site.run(flow)
        site.pass_time(5)

    with Sandbox(customers=3, products=6, orders=6, seed=11, settings=QUIET) as sandbox:
        yield World(sandbox, Returns(sandbox, tmp_path_factory.mktemp("world")), prepare)


@pytest.fixture
def site(world: World[Returns], tmp_path: Path) -> Returns:
    return world.begin(tmp_path)


def test_a_return_becomes_one_credit_and_does_not_come_back(site: Returns) -> None:
    made = site.give_back(1)
    site.give_back(1, Status__c="Draft")
    key, _, row = site.sold()
    summary = site.run(FLOW)
    assert (1, 0) == (summary.counts.created, summary.counts.rejected)
    [credit] = site.credits().values()
    net, tax = site.price(row, 1)
    assert (int(key), "RMA 7", net, tax, net + tax) == (
        credit["parentOrderId"], credit["reference"],
        *(Decimal(credit["totalValue"][name]) for name in ("net", "taxAmount", "total")),
    )  # fmt: skip
    [line] = credit["orderRows"].values()
    assert (row["productId"], Decimal(1), row["rowValue"]["taxCode"]) == (
        line["productId"], Decimal(line["quantity"]["magnitude"]), line["rowValue"]["taxCode"],
    )  # fmt: skip
    there = {each["Id"]: each for each in site.sandbox.snapshot("salesforce", RETURN)}
    assert str(credit["id"]) == there[made]["Brightpearl_Credited_As__c"]
    # neither way a second time
    site.pass_time(5)
    for again in (site.run(FLOW), site.run(FLOW, full_resync=True)):
        assert (0, 0, 0) == (again.counts.created, again.counts.updated, again.counts.rejected)
    site.run(BACK, full_resync=True)
    assert sorted(there) == sorted(each["Id"] for each in site.sandbox.snapshot("salesforce", RETURN))
    report = compare(site.wiring(FLOW), "reconcile", full_resync=True)
    assert report is not None
    assert {} == {kind: ids for kind, ids in report.ids.items() if ids}


def test_returns_that_came_from_brightpearl_stay_there(site: Returns) -> None:
    site.act(credits_created=2)
    site.run(BACK)
    site.pass_time(5)
    for row in site.sandbox.snapshot("salesforce", RETURN):
        site.change(RETURN, row["Id"], Status__c="Approved")
    before = len(site.here("order"))
    summary = site.run(FLOW)
    assert (0, 0, before) == (summary.counts.created, summary.counts.rejected, len(site.here("order")))


def test_never_more_than_was_sold(site: Returns) -> None:
    key, _, row = site.sold()
    pieces = int(Decimal(row["quantity"]["magnitude"]))
    first = site.give_back(pieces)
    second = site.give_back(1)
    summary = site.run(FLOW)
    # of two in one run the first one counts
    assert (1, 1) == (summary.counts.created, summary.counts.rejected)
    [refused] = {first, second} - set(site.credits())
    assert "nothing was sent" in site.reasons()[refused]
    assert f"product {row['productId']}" in site.reasons()[refused]
    # and of a later one every credit that Brightpearl has by then
    [credit] = site.credits().values()
    later = site.give_back(1)
    site.run(FLOW)
    wanted = f"takes back 1 pieces of product {row['productId']}, and of the {pieces} that order {key} sold"
    assert wanted in site.reasons()[later] and f"credited already ({credit['id']})" in site.reasons()[later]
    # one that was cancelled takes nothing back
    site.patch(f"/brightpearl/order/{credit['id']}", {"orderStatus": {"orderStatusId": 5}})
    site.change(RETURN, later, Reference__c="RMA 8")
    assert (2, {}) == (site.run(FLOW).counts.created, site.reasons())


def test_an_amended_return_is_judged_whole(site: Returns) -> None:
    _, _, row = site.sold()
    pieces = int(Decimal(row["quantity"]["magnitude"]))
    made = site.give_back(1)
    site.run(FLOW)
    line = next(each for each in site.sandbox.snapshot("salesforce", LINE) if each["Return__c"] == made)
    for quantity, updated in ((pieces + 1, 0), (2, 1)):
        net, tax = site.price(row, quantity)
        site.change(LINE, line["Id"], Quantity__c=str(quantity), Net__c=str(net), Tax__c=str(tax))
        site.change(RETURN, made, Net__c=str(net), Tax__c=str(tax), Total__c=str(net + tax))
        assert updated == site.run(FLOW).counts.updated
        assert bool(updated) != (made in site.reasons())
    [credit] = site.credits().values()
    assert Decimal(2) == Decimal(next(iter(credit["orderRows"].values()))["quantity"]["magnitude"])


def test_an_amendment_that_is_refused_leaves_its_credit_counted(site: Returns) -> None:
    key, _, row = site.sold()
    pieces = int(Decimal(row["quantity"]["magnitude"]))
    first = site.give_back(pieces)
    site.run(FLOW)
    site.pass_time(5)
    line = next(each for each in site.sandbox.snapshot("salesforce", LINE) if each["Return__c"] == first)
    net, tax = site.price(row, pieces + 1)
    site.change(LINE, line["Id"], Quantity__c=str(pieces + 1), Net__c=str(net), Tax__c=str(tax))
    site.change(RETURN, first, Net__c=str(net), Tax__c=str(tax), Total__c=str(net + tax))
    second = site.give_back(1)
    assert (0, 2) == ((counts := site.run(FLOW).counts).created, counts.rejected)
    [credit] = site.credits().values()
    assert f"order {key} sold {pieces} are credited already ({credit['id']})" in site.reasons()[second]


def test_a_return_of_an_order_that_was_never_synced_waits_for_it(site: Returns) -> None:
    key, order, _ = site.sold()
    there = site.there("Order", "Brightpearl_Order_Id__c")[key]
    site.forget("orders_to_salesforce", "Order", key)
    made = site.give_back(1)
    summary = site.run(FLOW)
    assert (0, 0, 1) == (summary.counts.created, summary.counts.rejected, summary.counts.parked)
    assert f"'{there['Id']}' waits for the Order of orders_to_salesforce" in site.reasons()[made]
    site.run("orders_to_salesforce", full_resync=True)
    site.pass_time(60)
    assert 1 == site.run(FLOW).counts.created
    assert {} == site.reasons()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"Net__c": "0.01"}, "its rows add up to", id="total"),
        pytest.param({"Order__c": None}, "the return names no order", id="order"),
        pytest.param({"CurrencyIsoCode": "CHF"}, "'CHF' is not in lookup price_list", id="currency"),
    ],
)
def test_what_does_not_fit_is_a_letter(site: Returns, change: dict[str, Any], reason: str) -> None:
    made = site.give_back(1)
    site.change(RETURN, made, **change)
    site.run(FLOW)
    assert reason in site.reasons()[made]
    assert {} == site.credits()


def test_reduction_orders_become_credits(site: Returns, tmp_path: Path) -> None:
    site.mappings = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, site.mappings)
    for flow in (FLOW, BACK):
        shutil.copy(MAPPINGS / "variants" / f"{flow}.yaml", site.mappings)
    site.sandbox.control("POST", "/settings/salesforce", {"reduction_orders": True})
    key, _, row = site.sold()
    there = site.there("Order", "Brightpearl_Order_Id__c")[key]
    items = [
        each for each in site.sandbox.snapshot("salesforce", "OrderItem") if each["OrderId"] == there["Id"]
    ]
    product = site.there("Product2")[str(row["productId"])]["Id"]
    item = next(each for each in items if each["Product2Id"] == product)
    net, tax = site.price(row, 1)
    made = site.add(
        "Order", AccountId=there["AccountId"], IsReductionOrder=True, OriginalOrderId=there["Id"], Status="Activated",
        CurrencyIsoCode=there["CurrencyIsoCode"], EffectiveDate="2026-03-31", OrderNumber="00000902",
    )  # fmt: skip
    site.add(
        "OrderItem", OrderId=made, Quantity="-1", UnitPrice=str(net), PricebookEntryId=item["PricebookEntryId"],
        Product2Id=product, OriginalOrderItemId=item["Id"],
    )  # fmt: skip
    site.pass_time(5)
    assert 1 == site.run(FLOW).counts.created
    [credit] = site.credits().values()
    assert (int(key), net) == (credit["parentOrderId"], Decimal(credit["totalValue"]["net"]))
    orders = len(site.sandbox.snapshot("salesforce", "Order"))
    site.pass_time(5)
    site.run(BACK, full_resync=True)
    assert (orders, 0) == (len(site.sandbox.snapshot("salesforce", "Order")), site.run(FLOW).counts.created)


def test_without_its_guard_a_return_comes_back_as_a_second_one(site: Returns, tmp_path: Path) -> None:
    site.give_back(1)
    site.run(FLOW)
    site.mappings = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, site.mappings)
    file = site.mappings / f"{BACK}.yaml"
    guard = "where: externalRef IS NULL OR NOT starts_with(externalRef, 'SF-')"
    assert 2 == file.read_text().count(guard)
    file.write_text(file.read_text().replace(guard, ""))
    site.pass_time(5)
    site.run(BACK)
    assert 2 == len(site.sandbox.snapshot("salesforce", RETURN))
