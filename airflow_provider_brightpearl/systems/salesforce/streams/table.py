"""Salesforce's streams by name, with the standard fields that flows can use.

Fields are those of Salesforce's object reference. Money and quantities are DECIMAL, ids are text of 18 characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airflow_provider_brightpearl.core.schema import Schema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.salesforce.streams.stream import Children, SalesforceStream, Shape

MONEY = "DECIMAL(18,4)"
INSTANT = "TIMESTAMPTZ"

_SYSTEM: Schema = {
    "Id": "VARCHAR",
    "IsDeleted": "BOOLEAN",
    "CreatedDate": INSTANT,
    "LastModifiedDate": INSTANT,
    "LastModifiedById": "VARCHAR",
    "SystemModstamp": INSTANT,
}
_CURRENCY: Schema = {"CurrencyIsoCode": "VARCHAR"}
_MULTI_CURRENCY = frozenset(_CURRENCY)


def _address(prefix: str) -> Schema:
    parts = ("Street", "City", "State", "StateCode", "PostalCode", "Country", "CountryCode")
    return {f"{prefix}{part}": "VARCHAR" for part in parts}


def _optional(*prefixes: str) -> frozenset[str]:
    """Fields that orgs have with several currencies, or with state and country picklists."""
    return _MULTI_CURRENCY | {f"{each}{part}" for each in prefixes for part in ("StateCode", "CountryCode")}


# exist where person accounts are enabled
_PERSON: Schema = {
    "IsPersonAccount": "BOOLEAN",
    "PersonContactId": "VARCHAR",
    "FirstName": "VARCHAR",
    "LastName": "VARCHAR",
    "PersonEmail": "VARCHAR",
    "PersonMobilePhone": "VARCHAR",
}

_CONTACT = Shape(
    "Contact",
    {
        **_SYSTEM,
        "AccountId": "VARCHAR",
        "MasterRecordId": "VARCHAR",
        "Salutation": "VARCHAR",
        "FirstName": "VARCHAR",
        "LastName": "VARCHAR",
        "Name": "VARCHAR",
        "Title": "VARCHAR",
        "Department": "VARCHAR",
        "Email": "VARCHAR",
        "Phone": "VARCHAR",
        "MobilePhone": "VARCHAR",
        "HomePhone": "VARCHAR",
        "Fax": "VARCHAR",
        **_address("Mailing"),
        **_address("Other"),
        **_CURRENCY,
    },
    _optional("Mailing", "Other"),
)

_ACCOUNT = Shape(
    "Account",
    {
        **_SYSTEM,
        "MasterRecordId": "VARCHAR",
        "ParentId": "VARCHAR",
        "Name": "VARCHAR",
        "AccountNumber": "VARCHAR",
        "Type": "VARCHAR",
        "Industry": "VARCHAR",
        "Phone": "VARCHAR",
        "Fax": "VARCHAR",
        "Website": "VARCHAR",
        "Description": "VARCHAR",
        "OwnerId": "VARCHAR",
        **_address("Billing"),
        **_address("Shipping"),
        **_CURRENCY,
        **_PERSON,
    },
    _optional("Billing", "Shipping") | frozenset(_PERSON),
)

_ACCOUNT_KEYS = Shape("Account", {"Id": "VARCHAR", "Name": "VARCHAR"}, keys_only=True)
# an opportunity has no address of its own
_ACCOUNT_PLACES = Shape(
    "Account",
    {**_ACCOUNT_KEYS.fields, **_address("Billing"), **_address("Shipping")},
    _optional("Billing", "Shipping"),
    keys_only=True,
)
_ORDER_KEYS = Shape("Order", {"Id": "VARCHAR", "OrderNumber": "VARCHAR"}, keys_only=True)
_ORDER_ITEM_KEYS = Shape("OrderItem", {"Id": "VARCHAR", "Quantity": MONEY}, keys_only=True)
_PRODUCT_KEYS = Shape(
    "Product2",
    {"Id": "VARCHAR", "Name": "VARCHAR", "ProductCode": "VARCHAR", "StockKeepingUnit": "VARCHAR"},
    keys_only=True,
)

_LINE: Schema = {
    **_SYSTEM,
    "PricebookEntryId": "VARCHAR",
    "Product2Id": "VARCHAR",
    "Quantity": MONEY,
    "UnitPrice": MONEY,
    "ListPrice": MONEY,
    "TotalPrice": MONEY,
    "Description": "VARCHAR",
    "ServiceDate": "DATE",
    **_CURRENCY,
}

_ORDER_ITEM = Shape(
    "OrderItem",
    {
        **_LINE,
        "OrderId": "VARCHAR",
        "OrderItemNumber": "VARCHAR",
        "OriginalOrderItemId": "VARCHAR",
        "AvailableQuantity": MONEY,
        "EndDate": "DATE",
    },
    _MULTI_CURRENCY,
    {"Product2": _PRODUCT_KEYS},
)

_ORDER = Shape(
    "Order",
    {
        **_SYSTEM,
        "OrderNumber": "VARCHAR",
        "AccountId": "VARCHAR",
        "Pricebook2Id": "VARCHAR",
        "OriginalOrderId": "VARCHAR",
        "IsReductionOrder": "BOOLEAN",
        "Name": "VARCHAR",
        "Type": "VARCHAR",
        "Status": "VARCHAR",
        "StatusCode": "VARCHAR",
        "EffectiveDate": "DATE",
        "EndDate": "DATE",
        "ActivatedDate": INSTANT,
        "PoNumber": "VARCHAR",
        "PoDate": "DATE",
        "OrderReferenceNumber": "VARCHAR",
        "Description": "VARCHAR",
        "TotalAmount": MONEY,
        "BillToContactId": "VARCHAR",
        "ShipToContactId": "VARCHAR",
        "OwnerId": "VARCHAR",
        **_address("Billing"),
        **_address("Shipping"),
        **_CURRENCY,
    },
    _optional("Billing", "Shipping"),
    {"Account": _ACCOUNT_KEYS},
)
_ORDER_LINES = {"OrderItems": Children(_ORDER_ITEM, "OrderId", "Order")}

_OPPORTUNITY = Shape(
    "Opportunity",
    {
        **_SYSTEM,
        "AccountId": "VARCHAR",
        "Pricebook2Id": "VARCHAR",
        "Name": "VARCHAR",
        "Type": "VARCHAR",
        "StageName": "VARCHAR",
        "IsClosed": "BOOLEAN",
        "IsWon": "BOOLEAN",
        "CloseDate": "DATE",
        "Amount": MONEY,
        "Description": "VARCHAR",
        "OwnerId": "VARCHAR",
        **_CURRENCY,
    },
    _MULTI_CURRENCY,
    {"Account": _ACCOUNT_PLACES},
)
_OPPORTUNITY_LINE = Shape(
    "OpportunityLineItem",
    {**_LINE, "OpportunityId": "VARCHAR", "ProductCode": "VARCHAR"},
    _MULTI_CURRENCY,
    {"Product2": _PRODUCT_KEYS},
)

# the objects that credits_to_salesforce writes
_RETURN = Shape(
    "Brightpearl_Return__c",
    {
        **_SYSTEM,
        "Name": "VARCHAR",
        "Account__c": "VARCHAR",
        "Order__c": "VARCHAR",
        "Reference__c": "VARCHAR",
        "Status__c": "VARCHAR",
        "Returned_On__c": "DATE",
        "Net__c": MONEY,
        "Tax__c": MONEY,
        "Total__c": MONEY,
        "Order_Total__c": MONEY,
        **_CURRENCY,
    },
    _MULTI_CURRENCY,
    {"Account__r": _ACCOUNT_KEYS, "Order__r": _ORDER_KEYS},
)
_RETURN_LINE = Shape(
    "Brightpearl_Return_Line__c",
    {
        **_SYSTEM,
        "Name": "VARCHAR",
        "Return__c": "VARCHAR",
        "Order_Product__c": "VARCHAR",
        "Product__c": "VARCHAR",
        "Description__c": "VARCHAR",
        "Quantity__c": MONEY,
        "Ordered_Quantity__c": MONEY,
        "Net__c": MONEY,
        "Tax__c": MONEY,
        **_CURRENCY,
    },
    _MULTI_CURRENCY,
    {"Order_Product__r": _ORDER_ITEM_KEYS, "Product__r": _PRODUCT_KEYS},
)

_CONTACT_OF_ACCOUNT = replace(_CONTACT, parents={"Account": _ACCOUNT})

STREAMS: Mapping[str, SalesforceStream] = {
    "contacts": SalesforceStream(_CONTACT_OF_ACCOUNT, follows=("Account",)),
    # the linked contact comes before those that are older
    "accounts": SalesforceStream(
        _ACCOUNT, {"Contacts": Children(_CONTACT, "AccountId", "Account", first="Brightpearl_Id__c")}
    ),
    "orders": SalesforceStream(_ORDER, _ORDER_LINES, {"IsReductionOrder": False}),
    "reduction_orders": SalesforceStream(_ORDER, _ORDER_LINES, {"IsReductionOrder": True}),
    "returns": SalesforceStream(
        _RETURN, {"Brightpearl_Return_Lines__r": Children(_RETURN_LINE, "Return__c", "Return__r")}
    ),
    "opportunities": SalesforceStream(
        _OPPORTUNITY,
        {"OpportunityLineItems": Children(_OPPORTUNITY_LINE, "OpportunityId", "Opportunity")},
        {"IsWon": True},
    ),
}


def find_stream(name: str) -> SalesforceStream:
    """The stream of that name; raises ``Misconfigured`` where there is none."""
    if name not in STREAMS:
        raise Misconfigured(f"unknown stream salesforce.{name}; known: {', '.join(STREAMS)}")
    return STREAMS[name]
