"""What is wrong in the input of flows into Brightpearl: one letter each, nothing else stopped, through once right."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.tables import dead_letter
from airflow_provider_brightpearl.systems.infor.client import InforClient
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from tests.flows.both_sides import BothSides
from tests.flows.conftest import QUIET
from tests.flows.org import Org
from tests.flows.site import MAPPINGS, Site
from tests.sandbox.salesforce_org import Api

ORDERS = "salesforce_orders_to_brightpearl"
THERE, BACK = "customers_to_salesforce", "salesforce_customers_to_brightpearl"
CUSTOMERS = "infor_customers_to_brightpearl"


@dataclass
class Meanwhile:
    """What somebody does while a run reads: once, right after the first answer that holds a text."""

    text: str
    act: Callable[[], object]
    done: bool = False

    def watch(self, session: requests.Session) -> None:
        session.hooks["response"].append(self._answered)

    def _answered(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        if not self.done and self.text in answer.text:
            self.done = True
            self.act()


class Shop(Org):
    """An org whose orders are of products that the test names."""

    meanwhile: Meanwhile | None = None

    def lookup(self, name: str, old: str, new: str) -> None:
        file = self.mappings / "lookups" / f"brightpearl_{name}.csv"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def product(self, wanted: Callable[[dict[str, Any]], bool]) -> str:
        return next(key for key, row in self.here("product").items() if wanted(row))

    def line(self, order: str, product: str, quantity: str = "2", price: str = "5.00") -> str:
        row = self.there("Product2")[product]
        entries = self.sandbox.snapshot("salesforce", "PricebookEntry")
        entry = next(each for each in entries if each["Product2Id"] == row["Id"])
        what = {"Product2Id": row["Id"], "PricebookEntryId": entry["Id"]}
        return self.add("OrderItem", OrderId=order, Quantity=quantity, UnitPrice=price, **what)

    def lines(self, order: str) -> list[str]:
        rows = self.sandbox.snapshot("salesforce", "OrderItem")
        return [row["Id"] for row in rows if row["OrderId"] == order]

    def salesforce(self) -> SalesforceClient:
        client = super().salesforce()
        if self.meanwhile:
            self.meanwhile.watch(client.sf.session)
        return client


class Company(BothSides):
    """An M3 company whose customers are edited while they are read."""

    meanwhile: Meanwhile | None = None

    def infor(self) -> InforClient:
        client = super().infor()
        if self.meanwhile:
            self.meanwhile.watch(client.session)
        return client


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Sandbox(customers=3, products=25, orders=2, seed=11, settings=QUIET) as sandbox:
        shutil.copytree(MAPPINGS, tmp_path / "mappings")
        shop = Shop(sandbox, tmp_path, tmp_path / "mappings")
        for flow in ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce"):
            shop.run(flow)
        shop.pass_time(5)
        yield shop


def letters(site: Site, flow: str) -> dict[str, tuple[str, str, str, str]]:
    """Object, field, value and reason of the open letters of a flow by record."""
    query = select(dead_letter).where(dead_letter.c.flow == flow, dead_letter.c.state == "open")
    with site.database.connect() as connection:
        rows = connection.execute(query).all()
    return {row.source_id: (row.object, row.field, row.value, row.reason) for row in rows}


def test_orders_that_do_not_fit_are_letters_and_follow_once_they_are_right(shop: Shop) -> None:
    whole = ("price_lists", "channels", "countries")
    kept = {name: (shop.mappings / "lookups" / f"brightpearl_{name}.csv").read_bytes() for name in whole}
    shop.lookup("price_lists", "USD,5", "USD,99")
    shop.lookup("price_lists", "CAD,8", "CAD,trade")
    shop.lookup("channels", "Web,2", "Web,99")
    shop.lookup("countries", "FR,FRA,FR20,3", "FR,FRA,XX,3")
    shop.lookup("countries", "IT,ITA,IT22,3", "IT,ITA,IT22,99")
    shop.lookup("countries", "ES,ESP", "ES,ESX")

    account = next(iter(shop.there("Account").values()))
    stranger = shop.add("Account", Name="Gone", Brightpearl_Id__c="98765")
    live = shop.product(lambda row: row["status"] == "LIVE" and not row["composition"]["bundle"])
    lost = list(shop.there("Product2"))[-1]
    odd: dict[str, tuple[dict[str, Any], tuple[str, str] | None, tuple[str, str, str, str]]] = {
        "no quantity": ({}, ("0", live), ("OrderRow", "quantity", "0.0000", "quantity must be above 0")),
        "less": ({}, ("-1", live), ("OrderRow", "quantity", "-1.0000", "quantity must be above 0")),
        "no rows": ({}, None, ("SalesOrder", "", "", "needs a row, and the source has none; nothing was sent")),
        "lost product": ({}, ("1", lost), ("SalesOrder", "", "", f"Product {lost} does not exist")),
        "lost contact": (
            {"AccountId": stranger}, ("1", live), ("SalesOrder", "", "", "Contact 98765 does not exist"),
        ),
        "no country": (
            {"ShippingCountryCode": None, "BillingCountryCode": None}, ("1", live),
            ("SalesOrder", "warehouseId", "", "the order has no country of delivery or billing"),
        ),
        "no currency": (
            {"CurrencyIsoCode": None}, ("1", live), ("SalesOrder", "totals.currency", "", "is empty or cannot be read"),
        ),
        "price list": (
            {"CurrencyIsoCode": "USD"}, ("1", live), ("SalesOrder", "", "", "Price list 99 does not exist"),
        ),
        "no number": (
            {"CurrencyIsoCode": "CAD"}, ("1", live),
            ("SalesOrder", "priceListId", "trade", "'trade' cannot be read as BIGINT"),
        ),
        "channel": ({"Type": "Web"}, ("1", live), ("SalesOrder", "", "", "Channel 99 does not exist")),
        "warehouse": (
            {"ShippingCountryCode": "IT"}, ("1", live), ("SalesOrder", "", "", "Warehouse 99 does not exist"),
        ),
        "tax code": (
            {"ShippingCountryCode": "FR"}, ("1", live),
            ("OrderRow", "taxCode", "XX", "is not a tax code of the account"),
        ),
        "country": (
            {"ShippingCountryCode": "ES"}, ("1", live), ("SalesOrder", "", "", "Country ESX is not valid"),
        ),
    }  # fmt: skip
    placed = {}
    for name, (change, line, _) in odd.items():
        placed[name] = shop.place(**change)
        if line:
            shop.line(placed[name], line[1], line[0])
    good = [shop.place() for _ in range(2)]
    for order in good:
        shop.line(order, live)
    shop.sandbox.control("DELETE", f"/brightpearl/product/{lost}")

    summary = shop.run(ORDERS)
    found = letters(shop, ORDERS)
    assert {*placed.values()} == {*found}
    for name, (_, _, (*place, reason)) in odd.items():
        *there, told = found[placed[name]]
        assert (name, *place) == (name, *there)
        assert reason in told, name
    assert (2, len(odd)) == (summary.counts.created, summary.counts.rejected)
    assert {*good} == {*shop.sales()}

    for name, text in kept.items():
        (shop.mappings / "lookups" / f"brightpearl_{name}.csv").write_bytes(text)
    for row in shop.lines(placed["lost product"]):
        shop.sandbox.control("DELETE", f"/salesforce/OrderItem/{row}")
    shop.line(placed["lost product"], live)
    for name in ("no quantity", "less"):
        for row in shop.lines(placed[name]):
            shop.change("OrderItem", row, Quantity="1")
    shop.line(placed["no rows"], live)
    shop.change("Order", placed["lost contact"], AccountId=account["Id"])
    shop.change("Order", placed["no country"], BillingCountryCode="GB")
    shop.change("Order", placed["no currency"], CurrencyIsoCode="GBP")
    shop.pass_time(5)
    summary = shop.run(ORDERS, full_resync=True)
    assert ({}, len(odd)) == (letters(shop, ORDERS), summary.counts.created), summary.reasons
    assert {*good, *placed.values()} == {*shop.sales()}


def pieces(sale: dict[str, Any]) -> dict[str, Decimal]:
    found = {
        str(row["productId"]): Decimal(row["quantity"]["magnitude"]) for row in sale["orderRows"].values()
    }
    assert len(found) == len(sale["orderRows"])
    return found


def test_discontinued_products_and_bundles_are_ordered_as_they_are(shop: Shop) -> None:
    old = shop.product(lambda row: row["status"] == "DISCONTINUED" and not row["composition"]["bundle"])
    bundle = shop.product(lambda row: row["composition"]["bundle"])
    parts = shop.here("product")[bundle]["composition"]["bundleComponents"]
    first, second = shop.place(), shop.place()
    shop.line(first, old)
    row = shop.line(second, bundle)
    summary = shop.run(ORDERS)
    assert (2, 0) == (summary.counts.created, summary.counts.rejected), summary.reasons
    assert {old: 2} == pieces(shop.sales()[first])

    def wanted(count: int) -> dict[str, int]:
        return {bundle: count} | {str(each["productId"]): count * each["productQuantity"] for each in parts}

    assert wanted(2) == pieces(shop.sales()[second])
    again = shop.run(ORDERS, full_resync=True)
    assert (0, 0) == (again.counts.updated, again.counts.rejected)
    shop.change("OrderItem", row, Quantity="3")
    shop.pass_time(5)
    assert 1 == shop.run(ORDERS).counts.updated
    assert wanted(3) == pieces(shop.sales()[second])


def test_an_order_that_is_edited_while_it_is_read_is_whole_and_follows(shop: Shop) -> None:
    live = shop.product(lambda row: row["status"] == "LIVE" and not row["composition"]["bundle"])
    order = shop.place()
    row = shop.line(order, live)
    shop.pass_time(5)
    shop.meanwhile = Meanwhile(row, lambda: shop.change("OrderItem", row, Quantity="7"))
    summary = shop.run(ORDERS)
    assert (1, 0, True) == (summary.counts.created, summary.counts.rejected, shop.meanwhile.done)
    assert {live: 2} == pieces(shop.sales()[order])
    shop.pass_time(5)
    assert 1 == shop.run(ORDERS).counts.updated
    assert {live: 7} == pieces(shop.sales()[order])


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Sandbox(customers=3, products=1, orders=0, seed=11, settings=QUIET) as sandbox:
        sandbox.control("POST", "/settings/infor", {"limit_logins": False})
        company = Company(sandbox, tmp_path)
        company.round("customers_to_infor", CUSTOMERS)
        yield company


PLACE = {"CUA1": "7 Quay", "TOWN": "Hull", "PONO": "HU1 1AA", "CSCD": "GB"}


def called(company: Company, name: str) -> list[dict[str, Any]]:
    found = company.here("contact", "contactId").values()
    return [row for row in found if row.get("organisation", {}).get("name") == name]


def test_an_email_that_two_contacts_share_is_a_question_and_stops_no_other(company: Company) -> None:
    twins = sorted(company.here("contact", "contactId"))[-2:]
    shared = {"emails": {"PRI": {"email": "shop@twins.example"}}}
    for each in twins:
        company.patch(f"/brightpearl/contact/{each}", {"communication": shared})
    for number, email in (("C900", "shop@twins.example"), ("C901", "other@twins.example")):
        company.in_m3("CRS610MI", "Add", CUNO=number, CUTM="WEB", CUNM=f"Shop {number}", MAIL=email, **PLACE)
    company.pass_time(3)
    summary = company.run(CUSTOMERS)
    assert (1, 1) == (summary.counts.created, summary.counts.rejected), summary.reasons
    [(number, (kind, field, value, reason))] = letters(company, CUSTOMERS).items()
    assert ("C900", "Contact", "primaryEmail") == (number, kind, field)
    assert "Brightpearl has 2 contacts of this primaryEmail; answer which one it is" in reason
    assert all(each in value for each in twins)
    assert ([], 1) == (called(company, "Shop C900"), len(called(company, "Shop C901")))

    # a mistake in M3
    company.in_m3("CRS610MI", "ChgBasicData", CUNO="C900", MAIL="own@twins.example")
    company.round(CUSTOMERS)
    assert ({}, 1) == (letters(company, CUSTOMERS), len(called(company, "Shop C900")))


def test_a_customer_that_is_edited_while_it_is_read_follows(company: Company) -> None:
    company.in_m3("CRS610MI", "Add", CUNO="C900", CUTM="WEB", CUNM="Shop C900", PHNO="+441482320000", **PLACE)
    company.in_m3("CRS610MI", "AddAddress", CUNO="C900", ADRT="1", ADID="BACK", **{**PLACE, "CUA1": "9 Yard"})
    company.pass_time(3)

    def edit() -> None:
        company.in_m3("CRS610MI", "ChgBasicData", CUNO="C900", PHNO="+441482320001")
        company.in_m3("CRS610MI", "ChgAddress", CUNO="C900", ADRT="1", ADID="BACK", CUA1="10 Yard")

    company.meanwhile = Meanwhile("C900", edit)
    summary = company.run(CUSTOMERS)
    assert (1, 0, True) == (summary.counts.created, summary.counts.rejected, company.meanwhile.done)
    company.round(CUSTOMERS)
    [shop] = called(company, "Shop C900")
    place = company.here("postal-address", "addressId")[str(shop["postAddressIds"]["DEL"])]
    assert ("+441482320001", "10 Yard") == (
        shop["communication"]["telephones"]["PRI"], place["addressLine1"],
    )  # fmt: skip


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Org]:
    """An org without accounts of its own."""
    with Sandbox(customers=6, products=1, orders=0, seed=3, settings=QUIET) as sandbox:
        for row in sandbox.snapshot("salesforce", "Account"):
            sandbox.control("DELETE", f"/salesforce/Account/{row['Id']}")
        yield Org(sandbox, tmp_path)


def turns(site: Site, *flows: str) -> None:
    for flow in flows:
        site.run(flow)
        site.pass_time(5)


def names(site: Site) -> dict[str, tuple[str, str, str]]:
    """First and last name and company of the contacts."""
    found = site.here("contact", "contactId")
    return {
        key: (
            row.get("firstName") or "",
            row.get("lastName") or "",
            (row.get("organisation") or {}).get("name") or "",
        )
        for key, row in found.items()
    }


def test_companies_without_a_person_and_people_of_one_name_keep_their_names(crm: Org) -> None:
    odd = {"203": ("", "Cher", ""), "204": ("Ada", "", ""), "205": ("", "", "Only Ltd"), "206": ("", "", "")}
    for key, (first, last, company) in odd.items():
        crm.patch(
            f"/brightpearl/contact/{key}",
            {"firstName": first, "lastName": last, "organisation": {"name": company}},
        )
    before = names(crm)
    lone = Api(crm.sandbox).create("Account", Name="Lone Ltd", BillingCountryCode="GB")
    solo = Api(crm.sandbox).create("Account", Name="Solo", BillingCountryCode="GB")
    Api(crm.sandbox).create("Contact", AccountId=solo, LastName="Solo")
    turns(crm, *(THERE, BACK) * 3)
    accounts = {row["Id"]: key for key, row in crm.there("Account").items()}
    wanted = before | {accounts[lone]: ("", "", "Lone Ltd"), accounts[solo]: ("", "Solo", "")}
    assert wanted == names(crm)
    assert {"Lone Ltd", "Solo", "Cher", "Ada", "Only Ltd"} <= {
        row["Name"] for row in crm.there("Account").values()
    }
    # an edit of something else touches no name
    for row in crm.there("Account").values():
        crm.salesforce().sf.Account.update(row["Id"], {"Phone": "+441174960000"})
    crm.pass_time(5)
    turns(crm, *(BACK, THERE) * 2)
    assert wanted == names(crm)


def test_accounts_that_do_not_fit_are_letters_and_a_merge_of_two_is_a_question(crm: Org) -> None:
    turns(crm, *(THERE, BACK) * 2)
    api, twins = Api(crm.sandbox), sorted(names(crm))[-2:]
    for each in twins:
        crm.patch(
            f"/brightpearl/contact/{each}",
            {"communication": {"emails": {"PRI": {"email": "a@twins.example"}}}},
        )
    shared = api.create("Account", Name="Shared", BillingCountryCode="GB")
    person = api.create("Contact", AccountId=shared, LastName="Twin", Email="A@twins.example")
    homeless = api.create("Account", Name="Homeless")
    api.create("Account", Name="Good", BillingCountryCode="GB")
    crm.pass_time(5)
    summary = crm.run(BACK)
    assert (1, 2) == (summary.counts.created, summary.counts.rejected), summary.reasons
    found = letters(crm, BACK)
    assert {shared, homeless} == {*found}
    assert ("Contact", "primaryEmail") == found[shared][:2]
    assert "Brightpearl has 2 contacts of this primaryEmail" in found[shared][3]
    assert all(each in found[shared][2] for each in twins)
    assert "its default address, with a country: complete the address" in found[homeless][3]

    sf = crm.salesforce().sf
    sf.Contact.update(person, {"Email": "own@twins.example"})
    sf.Account.update(homeless, {"BillingCountryCode": "GB"})
    crm.pass_time(5)
    assert 2 == crm.run(BACK).counts.created
    assert {} == letters(crm, BACK)

    turns(crm, *(THERE, BACK) * 2)
    contacts, accounts = names(crm), crm.there("Account")
    loser, survivor = accounts["201"]["Id"], accounts["202"]["Id"]
    api.merge("Account", survivor, loser)
    crm.pass_time(5)
    turns(crm, *(BACK, THERE) * 2)
    assert contacts == names(crm)
    assert {*accounts} - {"201"} == {*crm.there("Account")}
