"""Price books and the life of an order (reference, sections 4.2 to 4.4)."""

from __future__ import annotations

import pytest

from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]


@pytest.fixture
def order(api: Api) -> str:
    return api.draft_order()


def _item(api: Api, order: str, **more: object) -> dict[str, object]:
    _, entry = api.priced_product()
    return {"OrderId": order, "PricebookEntryId": entry, "Quantity": 2, "UnitPrice": "9.99", **more}


def test_standard_price_first(api: Api) -> None:
    product = api.create("Product2", Name="Lamp")
    entry = {"Product2Id": product, "Pricebook2Id": api.book("Trade"), "UnitPrice": 5, "IsActive": True}
    standard = {**entry, "Pricebook2Id": api.standard_book()}
    assert (400, "STANDARD_PRICE_NOT_DEFINED") == api.refusal("POST", "sobjects/PricebookEntry", entry)
    both = [{"attributes": {"type": "PricebookEntry"}, **one} for one in (standard, entry)]
    answer = api("POST", "composite/sobjects", {"records": both}).json()
    assert [True, False] == [row["success"] for row in answer]  # not in one call, whatever the order
    euro = {**entry, "CurrencyIsoCode": "EUR"}
    assert (400, "STANDARD_PRICE_NOT_DEFINED") == api.refusal("POST", "sobjects/PricebookEntry", euro)
    made = api.create("PricebookEntry", **entry)
    assert (400, "DUPLICATE_VALUE") == api.refusal("POST", "sobjects/PricebookEntry", entry)
    frozen = {"Pricebook2Id": api.book("Trade"), "UnitPrice": 6}
    path = f"sobjects/PricebookEntry/{made}"
    assert (400, "INVALID_FIELD_FOR_INSERT_UPDATE") == api.refusal("PATCH", path, frozen)
    assert 204 == api("PATCH", path, {"UnitPrice": "6.50"}).status_code


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"Status": "Shipped"}, "INVALID_STATUS"),
        ({"Status": "Nonsense"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"AccountId": None}, "REQUIRED_FIELD_MISSING"),
        ({"EffectiveDate": "31/01/2026"}, "JSON_PARSER_ERROR"),
        ({"OrderNumber": "1"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_bad_orders(api: Api, values: dict[str, object], code: str) -> None:
    account = api.create("Account", Name="Buyer")
    body = {"AccountId": account, "EffectiveDate": "2026-01-31", "Status": "Draft", **values}
    assert (400, code) == api.refusal("POST", "sobjects/Order", body)


def test_items_fit_their_order(api: Api, order: str) -> None:
    product, entry = api.priced_product()
    trade = api.create(
        "PricebookEntry", Product2Id=product, Pricebook2Id=api.book("Trade"), UnitPrice=5, IsActive=True
    )
    euro = api.create(
        "PricebookEntry",
        Product2Id=product,
        Pricebook2Id=api.standard_book(),
        UnitPrice=5,
        IsActive=True,
        CurrencyIsoCode="EUR",
    )
    for other in (trade, euro):
        body = _item(api, order, PricebookEntryId=other)
        assert (400, "FIELD_INTEGRITY_EXCEPTION") == api.refusal("POST", "sobjects/OrderItem", body)
    for quantity in (0, -1):
        body = _item(api, order, PricebookEntryId=entry, Quantity=quantity)
        assert (400, "FIELD_INTEGRITY_EXCEPTION") == api.refusal("POST", "sobjects/OrderItem", body)
    api("PATCH", f"sobjects/PricebookEntry/{entry}", {"IsActive": False})
    body = _item(api, order, PricebookEntryId=entry)
    assert (400, "FIELD_INTEGRITY_EXCEPTION") == api.refusal("POST", "sobjects/OrderItem", body)
    bare = api.draft_order(Pricebook2Id=None)
    assert (400, "FIELD_INTEGRITY_EXCEPTION") == api.refusal("POST", "sobjects/OrderItem", _item(api, bare))


def test_life_of_an_order(api: Api, order: str) -> None:
    path = f"sobjects/Order/{order}"
    assert (400, "FAILED_ACTIVATION") == api.refusal("PATCH", path, {"Status": "Activated"})
    item = api.create("OrderItem", **_item(api, order))
    both = {"Status": "Activated", "PoNumber": "1"}
    assert (400, "FAILED_ACTIVATION") == api.refusal("PATCH", path, both)
    assert 204 == api("PATCH", path, {"Status": "Processing"}).status_code
    record = api("GET", path).json()
    assert ("Activated", 19.98) == (record["StatusCode"], record["TotalAmount"])

    assert (400, "INVALID_STATUS") == api.refusal("POST", "sobjects/OrderItem", _item(api, order))
    assert (400, "INVALID_STATUS") == api.refusal("DELETE", f"sobjects/OrderItem/{item}")
    assert (400, "DELETE_FAILED") == api.refusal("DELETE", path)
    other = api.create("Account", Name="Other")
    assert (400, "INVALID_STATUS") == api.refusal("PATCH", path, {"AccountId": other})
    assert 204 == api("PATCH", path, {"PoNumber": "1", "Status": "Shipped"}).status_code
    assert 204 == api("PATCH", f"sobjects/OrderItem/{item}", {"Quantity": 3}).status_code
    api.settings(edit_activated_orders=False)
    code = "INSUFFICIENT_ACCESS_OR_READONLY"
    assert (400, code) == api.refusal("PATCH", f"sobjects/OrderItem/{item}", {"Quantity": 4})

    assert 204 == api("PATCH", path, {"Status": "Draft"}).status_code
    assert 204 == api("PATCH", path, {"AccountId": other}).status_code
    assert 204 == api("DELETE", path).status_code
    assert [] == api.rows("SELECT Id FROM OrderItem")


def test_create_only_fields_of_items(api: Api, order: str) -> None:
    body = _item(api, order)
    row = {**body, "Brightpearl_Row_Id__c": "1"}
    assert api.upsert("OrderItem", "Brightpearl_Row_Id__c", [row])[0]["success"]
    again = api.upsert("OrderItem", "Brightpearl_Row_Id__c", [row])[0]
    assert "INVALID_FIELD_FOR_INSERT_UPDATE" == again["errors"][0]["statusCode"]
    assert ["OrderId", "PricebookEntryId"] == again["errors"][0]["fields"]
    api.settings(create_only_same_value="ignore")
    assert api.upsert("OrderItem", "Brightpearl_Row_Id__c", [row])[0]["success"]


def test_excess_decimals(api: Api, order: str) -> None:
    item = api.create("OrderItem", **_item(api, order, UnitPrice="1.005"))
    assert '"UnitPrice":1.01' in api("GET", f"sobjects/OrderItem/{item}").text
    api.settings(excess_decimals="refuse")
    body = _item(api, order, UnitPrice="1.005")
    assert (400, "JSON_PARSER_ERROR") == api.refusal("POST", "sobjects/OrderItem", body)
    api.settings(unit_price_scale=4)
    item = api.create("OrderItem", **body)
    assert '"UnitPrice":1.0050' in api("GET", f"sobjects/OrderItem/{item}").text


def test_what_is_in_use_is_not_deleted(api: Api, order: str) -> None:
    item = api.create("OrderItem", **_item(api, order))
    record = api("GET", f"sobjects/OrderItem/{item}").json()
    account = api("GET", f"sobjects/Order/{order}").json()["AccountId"]
    for path in (
        f"Product2/{record['Product2Id']}",
        f"PricebookEntry/{record['PricebookEntryId']}",
        f"Account/{account}",
    ):
        assert (400, "DELETE_FAILED") == api.refusal("DELETE", f"sobjects/{path}")


def test_statuses_can_be_read(api: Api) -> None:
    rows = api.rows("SELECT ApiName, StatusCode FROM OrderStatus ORDER BY SortOrder")
    assert ("Draft", "Draft") == (rows[0]["ApiName"], rows[0]["StatusCode"])
    assert {"Processing", "Shipped", "Cancelled", "Partially Fulfilled", "Fulfilled"} <= {
        r["ApiName"] for r in rows
    }
