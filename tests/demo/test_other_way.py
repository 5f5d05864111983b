"""The demonstration's check of the other direction has to be able to fail: each kind of mistake is named."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from demo import checks, found
from demo.expected import brightpearl
from demo.systems import State

HOME = {"Street": "7 Mill Lane", "City": "Bath", "PostalCode": "BA1 1AA", "CountryCode": "GB"}
CRM: dict[str, list[dict[str, Any]]] = {
    "Account": [
        {
            "Id": "A1", "Name": "Maison Verte", "Brightpearl_Id__c": "207", "Phone": "17", "BillingCountryCode": "FR",
        }
    ],
    "Contact": [{"AccountId": "A1", "FirstName": "Ada", "Email": "ada@example.com"}],
    "Product2": [{"Id": "P1", "Brightpearl_Id__c": "1001"}],
    "Order": [
        {
            "Id": "O1", "StatusCode": "Activated", "Brightpearl_Order_Id__c": None, "IsDeleted": False,
            "AccountId": "A1",
            "PoNumber": "PO 1", "CurrencyIsoCode": "GBP", "Brightpearl_Placed_As__c": "100",
            **{f"{kind}{name}": value for kind in ("Billing", "Shipping") for name, value in HOME.items()},
        }
    ],
    "OrderItem": [{"Id": "I1", "OrderId": "O1", "Product2Id": "P1", "Quantity": "2.0", "TotalPrice": "21.00"}],
    "Brightpearl_Return__c": [],
    "Brightpearl_Return_Line__c": [],
}  # fmt: skip
ERP: dict[str, list[dict[str, Any]]] = {
    "customers": [],
    "items": [],
    "item_warehouse": [{"CONO": "100", "WHLO": "200", "ITNO": "LAMP", "STQT": "7"}],
    "orders": [{"CONO": "100", "ORNO": "M1", "CUOR": "100"}],
    "order_lines": [{"CONO": "100", "ORNO": "M1", "PONR": 1, "CUPO": "1"}],
    "delivery_lines": [{"CONO": "100", "RIDN": "M1", "RIDL": 1, "DLQT": "2"}],
    "invoices": [{"CONO": "100", "IVNO": 9, "IDAT": "20260331", "AMT2": "25.20"}],
    "invoice_lines": [{"CONO": "100", "IVNO": 9, "ORNO": "M1"}],
}
PLACE = {
    "addressLine1": "7 Mill Lane",
    "addressLine3": "Bath",
    "postalCode": "BA1 1AA",
    "countryIsoCode3": "GBR",
}
ORDER: dict[str, Any] = {
    "id": 100, "orderTypeCode": "SO", "externalRef": "SF-O1", "reference": "PO 1", "priceListId": 2,
    "priceModeCode": "EXC", "warehouseId": 2, "currency": {"orderCurrencyCode": "GBP"},
    "assignment": {"current": {"channelId": 5}},
    "totalValue": {"net": "21.00", "taxAmount": "4.20", "total": "25.20"},
    "parties": {"customer": {"contactId": 207}, "billing": PLACE, "delivery": PLACE},
    "customFields": {"PCF_M3INV": "9"}, "invoices": [{"taxDate": "2026-03-31T00:00:00.000Z"}],
    "orderRows": {
        "7": {
            "externalRef": "SF-I1", "productId": 1001, "quantity": {"magnitude": "2.0000"},
            "rowValue": {"rowNet": {"value": "21.0000"}, "rowTax": {"value": "4.20"}, "taxCode": "T20"},
        }
    },
}  # fmt: skip
SOURCE: dict[str, list[dict[str, Any]]] = {
    "order": [ORDER],
    "contact": [
        {
            "contactId": 207, "firstName": "Ada", "organisation": {"name": "Maison Verte"},
            "postAddressIds": {"BIL": 1},
            "communication": {"emails": {"PRI": {"email": "ada@example.com"}}, "telephones": {"PRI": "17"}},
        }
    ],
    "postal-address": [{"addressId": 1, "countryIsoCode2": "FR"}],
    "product": [{"id": 1001, "identity": {"sku": "LAMP"}, "salesChannels": []}],
    "product-availability": [{"id": 1001, "warehouses": {"5": {"inStock": 7}}}],
    "goods-out-note": [
        {"orderId": 100, "status": {"shipped": True}, "orderRows": {"7": [{"productId": 1001, "quantity": 2}]}}
    ],
}  # fmt: skip


def against(source: dict[str, list[dict[str, Any]]], placed: str = "100") -> tuple[str, ...]:
    wanted = brightpearl.expected(CRM, ERP, source)
    there = found.in_brightpearl(source, brightpearl.keys(wanted))
    return checks.came_back(
        State(source, {"brightpearl": wanted}, {"brightpearl": there}, {"O1": placed})
    ).against


def test_what_is_right_passes() -> None:
    assert () == against(SOURCE)


@pytest.mark.parametrize(
    ("collection", "path", "wrong"),
    [
        ("order", ("reference",), "PO 2"),
        ("order", ("totalValue", "taxAmount"), "4.19"),
        ("order", ("parties", "customer", "contactId"), 208),
        ("order", ("parties", "delivery", "postalCode"), "BA1 1AB"),
        ("order", ("orderRows", "7", "quantity", "magnitude"), "1.0000"),
        ("order", ("orderRows", "7", "externalRef"), None),
        ("order", ("customFields", "PCF_M3INV"), "8"),
        ("order", ("invoices",), []),
        ("order", ("externalRef",), None),
        ("contact", ("communication", "emails", "PRI", "email"), "other@example.com"),
        ("postal-address", ("countryIsoCode2",), "GB"),
        ("product-availability", ("warehouses", "5", "inStock"), 6),
        ("goods-out-note", ("orderRows", "7", 0, "quantity"), 1),
        ("goods-out-note", ("status", "shipped"), False),
    ],
)
def test_a_wrong_value_in_brightpearl_is_named(collection: str, path: tuple[Any, ...], wrong: Any) -> None:
    source = deepcopy(SOURCE)
    place: Any = source[collection][0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    assert () != against(source)


def test_salesforce_has_to_hear_of_the_order() -> None:
    assert ("Salesforce has no Brightpearl order 100 at its order O1",) == against(SOURCE, "101")
