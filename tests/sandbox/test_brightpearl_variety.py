"""The records that an even history lacks, and that the option `variety` adds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.brightpearl_account import Account

UNTIL = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with Sandbox(customers=10, products=30, orders=60, until=UNTIL, variety=True) as sandbox:
        account = Account(sandbox.url)
        yield account
        account.session.close()


def test_part_shipped_and_part_paid(account: Account) -> None:
    part_shipped = account.search("order-service/order-search?orderShippingStatusId=3")
    assert len(part_shipped) == 3
    note = account.read(f"warehouse-service/order/{part_shipped[0]['orderId']}/goods-note/goods-out")
    assert sorted(one["status"]["shipped"] for one in note.values()) == [False, True]
    assert part_shipped[0]["staffOwnerContactId"] in {
        row["contactId"] for row in account.search("contact-service/contact-search?isStaff=true")
    }
    assert len(account.search("order-service/order-search?orderPaymentStatusId=2")) == 3


def test_purchases_and_suppliers(account: Account) -> None:
    suppliers = {row["contactId"] for row in account.search("contact-service/contact-search?isSupplier=true")}
    purchases = account.search("order-service/order-search?orderTypeId=2,4")
    assert (len(purchases), {row["contactId"] for row in purchases}) == (6, suppliers)
    order = account.read(f"order-service/order/{purchases[0]['orderId']}")[0]
    assert (order["stockStatusCode"], order["allocationStatusCode"]) == ("PON", "ANR")


def test_several_invoices_and_second_emails(account: Account) -> None:
    ids = [row["orderId"] for row in account.search("order-service/order-search?customerRef=VAR")]
    found = account.read(f"order-service/order/{','.join(map(str, ids))}")
    assert sorted(len(order["invoices"]) for order in found) == [1] * 6 + [2] * 3
    second = account.search("contact-service/contact-search?secondaryEmail=customer1.home@example.test")
    assert len(second) == 1


def test_products_without_identity_and_nested_bundles(account: Account) -> None:
    loose = [
        row["productId"] for row in account.search("product-service/product-search?productName=Loose item")
    ]
    products = account.read(f"product-service/product/{','.join(map(str, loose))}")
    assert sorted(len(one["identity"]) for one in products) == [0, 1, 1]
    assert [len(one["salesChannels"]) for one in products] == [2, 2, 2]
    hamper = account.search("product-service/product-search?SKU=HAMPER-1")[0]["productId"]
    inner = account.read(f"product-service/product/{hamper}/bundle")[0]["productId"]
    whole = account.read(f"warehouse-service/bundle-availability/{inner}")[str(inner)]["total"]["onHand"]
    nested = account.read(f"warehouse-service/bundle-availability/{hamper}")[str(hamper)]["warehouses"]
    assert sum(one["onHand"] for one in nested.values()) <= whole // 2


def test_they_are_dated_into_the_history(account: Account) -> None:
    rows = account.search("order-service/order-search?customerRef=VAR")
    assert all(row["createdOn"] < "2025-06-01T12" and row["updatedOn"] < "2025-06-01T12" for row in rows)
