"""Customers, products and orders from Brightpearl to Salesforce, end to end over HTTP."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.errors import GateClosed, SyncError
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import reading
from airflow_provider_brightpearl.stores.tables import dead_letter
from tests.flows.site import Site

pytestmark = pytest.mark.slow

CUSTOMERS, PRODUCTS, ORDERS = FLOWS = [
    f"{name}_to_salesforce" for name in ("customers", "products", "orders")
]
ORDER, ROW = "Brightpearl_Order_Id__c", "Brightpearl_Row_Id__c"
CENT = Decimal("0.01")
WRITTEN = ("Account", "Contact", "Product2", "PricebookEntry", "Order", "OrderItem")


@pytest.fixture
def bare(sandbox: Sandbox, tmp_path: Path) -> Site:
    """A merchant, and an org that knows nothing of it."""
    return Site(sandbox, tmp_path)


@pytest.fixture
def synced(bare: Site) -> Site:
    """An org that knows all of the merchant."""
    for flow in FLOWS:
        bare.run(flow)
    return bare


def counts(summary: RunSummary) -> dict[str, int]:
    """How many records met which outcome, without those that none met."""
    return {name: count for name, count in asdict(summary.counts).items() if count}


def letters(site: Site, flow: str = ORDERS) -> dict[str, Any]:
    """What waits, by record."""
    waiting = select(dead_letter).where(
        dead_letter.c.flow == flow, dead_letter.c.state.in_(["open", "parked"])
    )
    with reading(site.database) as connection:
        return {row.source_id: row for row in connection.execute(waiting)}


def everything(site: Site) -> dict[str, list[dict[str, Any]]]:
    return {name: site.sandbox.snapshot("salesforce", name) for name in WRITTEN}


def orders(site: Site) -> dict[str, dict[str, Any]]:
    return site.there("Order", ORDER)


def sell(site: Site, number: int = 100043) -> str:
    return f"/brightpearl/order/{number}"


def first_row(site: Site, number: int) -> str:
    rows: dict[str, Any] = site.here("order")[str(number)]["orderRows"]
    return next(iter(rows))


def test_the_first_run_creates_all_and_the_second_changes_nothing(bare: Site) -> None:
    first = {flow: bare.run(flow) for flow in FLOWS}
    size = {name: len(bare.sandbox.snapshot("brightpearl", name)) for name in ("contact", "product", "order")}
    # one product more: the constant for free text and shipping
    made = {CUSTOMERS: size["contact"], PRODUCTS: size["product"] + 1, ORDERS: size["order"]}
    assert {flow: {"extracted": number, "created": number} for flow, number in made.items()} == {
        flow: counts(summary) for flow, summary in first.items()
    }
    for summary in first.values():
        fewest, looks = summary.calls.minimum, summary.calls.looks
        assert all(
            fewest[system] <= made - looks.get(system, 0) <= fewest[system] * 1.05
            for system, made in summary.calls.made.items()
        )
    check_orders(bare)
    before = everything(bare)
    again = {flow: counts(bare.run(flow, full_resync=True)) for flow in FLOWS}
    assert {flow: {"extracted": number, "unchanged": number} for flow, number in made.items()} == again
    assert before == everything(bare)
    assert [{}] * 3 == [letters(bare, flow) for flow in FLOWS]


def check_orders(site: Site) -> None:
    """Every order is there with its rows, money, status and customer."""
    rows = Counter(row["OrderId"] for row in site.there("OrderItem", ROW).values())
    accounts = {row["Id"]: key for key, row in site.there("Account").items()}
    found, source = orders(site), site.here("order")
    assert set(source) == set(found)
    for key, order in source.items():
        row = found[key]
        assert (len(order["orderRows"]), str(order["parties"]["customer"]["contactId"])) == (
            rows[row["Id"]], accounts[row["AccountId"]],
        )  # fmt: skip
        assert Decimal(order["totalValue"]["net"]).quantize(CENT) == Decimal(str(row["Net__c"])).quantize(
            CENT
        )
        assert (order["currency"]["orderCurrencyCode"], order["orderStatus"]["name"]) == (
            row["CurrencyIsoCode"], row["Brightpearl_Status__c"],
        )  # fmt: skip


def test_a_quiet_quarter_of_an_hour_writes_nothing(synced: Site) -> None:
    synced.pass_time(90)
    synced.sandbox.control("DELETE", "/log")
    assert [{}] * 3 == [counts(synced.run(flow)) for flow in FLOWS]
    methods = {
        each["method"] for each in synced.sandbox.control("GET", "/log") if "/oauth2/" not in each["path"]
    }
    assert {"GET"} == methods


def test_a_day_of_changes_is_carried_over_and_nothing_else(synced: Site) -> None:
    synced.pass_time(60)
    before = everything(synced)
    touched = synced.act(orders_changed=4, orders_created=3, customers_changed=3, products_changed=2, seed=3)
    summaries = {flow: counts(synced.run(flow)) for flow in FLOWS}
    changed = {name: {str(number) for number in touched[name]} for name in touched}
    assert len(changed["orders_created"]) == summaries[ORDERS].get("created")
    for flow, name in ((CUSTOMERS, "customers_changed"), (PRODUCTS, "products_changed")):
        assert len(changed[name]) == summaries[flow]["extracted"]
    was = {row[ORDER]: row for row in before["Order"]}
    now = orders(synced)
    for key, row in now.items():
        if key not in changed["orders_changed"] | changed["orders_created"]:
            assert was[key] == row
    source = synced.here("order")
    for key in changed["orders_changed"] | changed["orders_created"]:
        assert source[key]["orderStatus"]["name"] == now[key]["Brightpearl_Status__c"]
    products = {key: row["Name"] for key, row in synced.there("Product2").items()}
    for key in changed["products_changed"]:
        assert synced.here("product")[key]["salesChannels"][0]["productName"] == products[key]
    assert [{}] * 3 == [letters(synced, flow) for flow in FLOWS]


def test_what_is_taken_off_is_removed_and_what_is_put_on_is_added(synced: Site) -> None:
    number = next(key for key, order in synced.here("order").items() if len(order["orderRows"]) > 1)
    rows = synced.here("order")[number]["orderRows"]
    gone, *_ = rows
    entries = synced.there("PricebookEntry")
    prices = synced.here("product-price", "productId")
    product, price_list = next(
        key.split("|")[:2] for key in entries if "standard" not in key and key.split("|")[0] in prices
    )
    left = [each for each in prices[product]["priceLists"] if str(each["priceListId"]) != price_list]
    synced.pass_time(60)
    synced.patch(f"/brightpearl/order/{number}", {"orderRows": {gone: None, "77001": rows[gone]}})
    synced.patch(f"/brightpearl/product-price/{product}", {"priceLists": left})
    synced.patch(f"/brightpearl/product/{product}", {"nominalCodeSales": "4001"})
    synced.pass_time(10)
    status = orders(synced)[number]["Status"]
    assert {"extracted": 1, "updated": 1} == counts(synced.run(PRODUCTS))
    assert {"extracted": 1, "updated": 1} == counts(synced.run(ORDERS))
    order = orders(synced)[number]
    items = {key for key, row in synced.there("OrderItem", ROW).items() if row["OrderId"] == order["Id"]}
    assert ({*rows, "77001"} - {gone}, status) == (items, order["Status"])
    (taken,) = set(entries) - set(synced.there("PricebookEntry"))
    assert [product, price_list] == taken.split("|")[:2]


def test_orders_wait_for_their_customer_and_follow_it(bare: Site) -> None:
    bare.run(PRODUCTS)
    size = len(bare.here("order"))
    assert {"extracted": size, "parked": size} == counts(bare.run(ORDERS))
    waiting = letters(bare)
    assert {("parked", CUSTOMERS, "Account")} == {
        (each.state, each.waits_flow, each.waits_object) for each in waiting.values()
    }
    bare.pass_time(60)
    assert {} == counts(bare.run(ORDERS)), "nothing has come yet that they wait for"
    bare.run(CUSTOMERS)
    summary = bare.run(ORDERS)
    assert {"extracted": size, "created": size} == counts(summary)
    assert ({}, set(bare.here("order"))) == (letters(bare), set(orders(bare)))


def test_one_missing_customer_parks_its_orders_only(synced: Site) -> None:
    synced.pass_time(60)
    customer = max(synced.here("contact", "contactId"), key=int)
    copy = synced.here("contact", "contactId")[customer]
    synced.patch(sell(synced), {"parties": {"customer": {"contactId": 9999}}})
    synced.patch(sell(synced, 100045), {"reference": "changed"})
    synced.pass_time(10)
    assert {"extracted": 2, "updated": 1, "parked": 1} == counts(synced.run(ORDERS))
    assert ("9999", "AccountId", "100043") == (
        letters(synced)["100043"].waits_key, letters(synced)["100043"].field, letters(synced)["100043"].source_id,
    )  # fmt: skip
    arrived = {
        name: value for name, value in copy.items() if name not in ("contactId", "createdOn", "updatedOn")
    }
    made = synced.sandbox.control("POST", "/brightpearl/contact", arrived)["id"]
    synced.patch(sell(synced), {"parties": {"customer": {"contactId": made}}})
    synced.pass_time(10)
    synced.run(CUSTOMERS)
    assert {"extracted": 2, "updated": 1, "unchanged": 1} == counts(synced.run(ORDERS))
    assert synced.there("Account")[str(made)]["Id"] == orders(synced)["100043"]["AccountId"]


def planted(row: str) -> list[tuple[dict[str, Any], str, str]]:
    """Changes to an order, and the field and value that its letter has to name."""
    return [
        ({"orderStatus": {"name": "Waiting for rain"}}, "Status", "Waiting for rain"),
        ({"currency": {"orderCurrencyCode": "XTS"}}, "CurrencyIsoCode", "XTS"),
        ({"totalValue": {"net": "ten"}}, "Net__c", "ten"),
        ({"parties": {"delivery": {"countryIsoCode": "ZZ"}}}, "ShippingCountryCode", "ZZ"),
        ({"parties": "nobody"}, "parties", "nobody"),
        ({"orderRows": [1]}, "orderRows", "[1]"),
        ({"orderRows": None}, "orderRows", ""),
        ({"placedOn": "yesterday"}, "EffectiveDate", "yesterday"),
        ({"orderRows": {row: {"quantity": {"magnitude": "0.0000"}}}}, "UnitPrice", "0.0000"),
        ({"orderRows": {row: {"quantity": {"magnitude": "many"}}}}, "Quantity", "many"),
        ({"orderRows": {row: {"productId": "shoe"}}}, "PricebookEntryId", "shoe"),
        ({"orderRows": {row: {"rowValue": 12}}}, f"orderRows.{row}.rowValue", "12"),
        ({"orderRows": {row: {"quantity": {"magnitude": "-1"}}}}, "Quantity", "-1.0000"),
        ({"totalValue": {"net": {"GBP": 1}}}, "Net__c", '{"GBP":1}'),
    ]


def test_a_bad_order_is_a_letter_with_field_and_value_and_good_ones_pass(synced: Site) -> None:
    synced.pass_time(60)
    keys = sorted(synced.here("order"))
    bad = dict(zip(keys, planted(""), strict=False))
    bad = {key: planted(first_row(synced, int(key)))[number] for number, key in enumerate(bad)}
    before = {key: row for key, row in orders(synced).items() if key in bad}
    for key, (change, _, _) in bad.items():
        synced.patch(f"/brightpearl/order/{key}", change)
    good = keys[len(bad) : len(bad) + 3]
    for key in good:
        synced.patch(f"/brightpearl/order/{key}", {"reference": 'She said "=1+1" \u202e😀\n'})
    synced.pass_time(10)
    summary = synced.run(ORDERS)
    assert {"extracted": len(bad) + 3, "updated": 3, "rejected": len(bad)} == counts(summary)
    found = {key: (letter.field, letter.value) for key, letter in letters(synced).items()}
    assert {key: (field, value) for key, (_, field, value) in bad.items()} == {
        key: (field, value.strip('"')) for key, (field, value) in found.items()
    }
    assert before == {key: row for key, row in orders(synced).items() if key in bad}
    # what is mended at its source goes through
    synced.patch(
        f"/brightpearl/order/{keys[0]}", {"orderStatus": {"name": "Invoiced"}, "reference": "mended"}
    )
    synced.pass_time(10)
    assert {"extracted": len(bad) + 3, "updated": 1, "unchanged": 3, "rejected": len(bad) - 1} == counts(
        synced.run(ORDERS)
    )
    assert set(bad) - {keys[0]} == set(letters(synced))


BAD_CUSTOMERS: list[tuple[dict[str, Any], str, str]] = [
    ({"postAddressIds": "none"}, "addresses", "none"),
    ({"postAddressIds": {"DEF": "x"}}, "addresses.DEF", "x"),
    ({"communication": 5}, "communication", "5"),
    ({"communication": {"telephones": ["1"]}}, "communication.telephones", '["1"]'),
    ({"organisation": "Acme"}, "organisation", "Acme"),
    ({"communication": {"emails": {"PRI": {"email": "no address"}}}}, "Email", "no address"),
    ({"communication": {"emails": {"PRI": {"email": "a,b@example.com"}}}}, "Email", '"a,b@example.com"'),
]


def test_bad_customers_and_products_stop_no_others(synced: Site) -> None:
    synced.pass_time(60)
    keys = sorted(synced.here("contact", "contactId"))
    for key, (change, _, _) in zip(keys, BAD_CUSTOMERS, strict=False):
        synced.patch(f"/brightpearl/contact/{key}", change)
    synced.patch(f"/brightpearl/contact/{keys[-1]}", {"lastName": "Renamed"})
    synced.patch("/brightpearl/product/1003", {"salesChannels": "none"})
    synced.patch("/brightpearl/product/1004", {"identity": 7})
    synced.patch("/brightpearl/product/1005", {"status": "DISCONTINUED"})
    synced.pass_time(10)
    assert {"extracted": 8, "updated": 1, "rejected": 7} == counts(synced.run(CUSTOMERS))
    assert {"extracted": 3, "updated": 1, "rejected": 2} == counts(synced.run(PRODUCTS))
    expected = {key: (field, value) for key, (_, field, value) in zip(keys, BAD_CUSTOMERS, strict=False)}
    found = letters(synced, CUSTOMERS)
    assert expected == {key: (each.field, each.value) for key, each in found.items()}
    # the last one only the org could refuse
    assert {"load": 1, "gate": 1, "transform": 5} == Counter(each.stage for each in found.values())
    assert "Renamed" == synced.there("Contact")[keys[-1]]["LastName"]
    assert {"1003": ("channel", "none"), "1004": ("identity", "7")} == {
        key: (each.field, each.value) for key, each in letters(synced, PRODUCTS).items()
    }


def test_orders_whose_bindings_were_lost_are_found_again(synced: Site) -> None:
    orders = synced.there("Order", "Brightpearl_Order_Id__c")
    synced.crosswalk.unbind(synced.crosswalk.of_records(ORDERS, list(orders)))
    summary = synced.run(ORDERS, full_resync=True)
    assert (0, 0) == (summary.counts.rejected, summary.counts.parked)
    assert summary.counts.created + summary.counts.updated == len(orders)
    assert orders.keys() == synced.there("Order", "Brightpearl_Order_Id__c").keys()


def test_an_answer_that_is_lost_costs_nothing_but_a_look(bare: Site) -> None:
    for parent in (CUSTOMERS, PRODUCTS):
        bare.run(parent)
    lost = {"system": "salesforce", "path": "composite/graph", "times": 1, "drop": "after"}
    bare.sandbox.control("POST", "/faults", lost)
    summary = bare.run(ORDERS)
    size = len(bare.there("Order", "Brightpearl_Order_Id__c"))
    assert (size, 0, 0) == (summary.counts.created, summary.counts.updated, summary.counts.rejected)
    assert size == len({row["Id"] for row in bare.there("Order", "Brightpearl_Order_Id__c").values()}) > 0


def test_a_run_after_a_crash_writes_only_what_is_not_there(bare: Site) -> None:
    broken = {
        "system": "salesforce",
        "path": "composite/sobjects/Contact",
        "times": 0,
        "status": 400,
        "body": [],
    }
    bare.sandbox.control("POST", "/faults", broken)
    with pytest.raises(SyncError):
        bare.run(CUSTOMERS)
    bare.sandbox.control("DELETE", "/faults")
    size = len(bare.here("contact", "contactId"))
    assert (size, 0) == (len(bare.there("Account")), len(bare.there("Contact")))
    bare.sandbox.control("DELETE", "/log")
    assert {"extracted": size, "updated": size} == counts(bare.run(CUSTOMERS))
    written = {
        each["path"].split("/")[-2]
        for each in bare.sandbox.control("GET", "/log")
        if each["method"] == "PATCH"
    }
    assert ({"Contact"}, size) == (written, len(bare.there("Contact")))


@pytest.mark.slow
def test_the_gate_refuses_what_may_not_be_written(synced: Site) -> None:
    synced.pass_time(60)
    changes: list[dict[str, Any]] = [
        {"totalValue": {"net": "-5.00"}}, {"placedOn": None}, {"currency": None}, {"totalValue": None},
        {"orderStatus": None}, {"orderRows": {first_row(synced, 100006): {"productId": None}}},
        {"orderRows": {first_row(synced, 100008): {"quantity": None}}},
    ]  # fmt: skip
    fields = [
        "Net__c",
        "EffectiveDate",
        "totals.currency",
        "totals.amount",
        "Status",
        "PricebookEntryId",
        "Quantity",
    ]
    keys = ["100001", "100002", "100003", "100004", "100005", "100006", "100008"]
    for key, change in zip(keys, changes, strict=True):
        synced.patch(f"/brightpearl/order/{key}", change)
    synced.patch("/brightpearl/order/100010", {"reference": "good"})
    synced.pass_time(10)
    assert {"extracted": 8, "updated": 1, "rejected": 7} == counts(synced.run(ORDERS))
    found = letters(synced)
    assert dict(zip(keys, fields, strict=True)) == {key: each.field for key, each in found.items()}
    # without a total that can be added up, a record does not get as far as the gate
    early = {key for key, each in found.items() if each.stage != "gate"}
    assert ({"100003", "100004"}, "-5.0000") == (early, found["100001"].value)
    assert "good" == orders(synced)["100010"]["OrderReferenceNumber"]
    # a bad release: nothing at all is written
    synced.pass_time(60)
    for key in sorted(synced.here("order"))[:25]:
        synced.patch(f"/brightpearl/order/{key}", {"reference": "x", "totalValue": {"net": "-1.00"}})
    synced.pass_time(10)
    before, mark = everything(synced), synced.watermark(ORDERS)
    with pytest.raises(GateClosed, match="25 of 25 records failed, the flow allows 2%; nothing was loaded"):
        synced.run(ORDERS)
    assert (before, mark, 25) == (everything(synced), synced.watermark(ORDERS), len(letters(synced)))


@pytest.mark.slow
@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    days=st.lists(
        st.fixed_dictionaries(
            {
                "orders_changed": st.integers(0, 6), "orders_created": st.integers(0, 4),
                "customers_changed": st.integers(0, 4), "products_changed": st.integers(0, 4),
                "seed": st.integers(1, 999),
            }
        ),
        min_size=1, max_size=2,
    )
)  # fmt: skip
def test_whatever_happened_a_second_pass_changes_nothing(
    sandbox: Sandbox, tmp_path_factory: Any, days: Any
) -> None:
    sandbox.reset()
    sandbox.control("POST", "/clock", {"now": "2026-03-31T12:30:00Z"})
    site = Site(sandbox, tmp_path_factory.mktemp("site"))
    for day in ({}, *days):
        if day:
            site.act(**day)
        for flow in FLOWS:
            assert 0 == site.run(flow).counts.rejected
        site.pass_time(60)
    before = everything(site)
    for flow in FLOWS:
        summary = site.run(flow, full_resync=True)
        assert (
            summary.counts.extracted - (flow == ORDERS and summary.counts.parked) == summary.counts.unchanged
        )
    assert before == everything(site)
    assert isinstance(site.watermark(ORDERS), datetime)


def test_record_types_are_a_lookup_in_the_org_and_a_line_in_the_flow_file(bare: Site, tmp_path: Path) -> None:
    bare.mappings = Path(shutil.copytree(bare.mappings, tmp_path / "mappings"))
    file = bare.mappings / f"{CUSTOMERS}.yaml"
    table = (
        "{query: \"SELECT Id, DeveloperName FROM RecordType WHERE SobjectType = 'Account'\", "
        "key: DeveloperName, value: Id}"
    )
    text = file.read_text().replace("lookups:\n", f"lookups:\n  record_type: {table}\n", 1)
    file.write_text(
        text.replace(
            "    fields:\n", "    fields:\n      RecordTypeId: lookup('record_type', 'Business')\n", 1
        )
    )
    summary = bare.run(CUSTOMERS)
    (business,) = (
        row["Id"]
        for row in bare.sandbox.snapshot("salesforce", "RecordType")
        if row["DeveloperName"] == "Business"
    )
    found = {row["RecordTypeId"] for row in bare.there("Account").values()}
    assert ({business}, 0) == (found, summary.counts.rejected)
