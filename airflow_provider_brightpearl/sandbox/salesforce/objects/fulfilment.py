"""Shipments and returns as custom objects, for orgs without the standard objects (reference, 4.5 and 4.6)."""

from __future__ import annotations

from ..fields import Field, SObject, create_only, decimal, field_of_type, key, lookup, money, picklist, text


def _number() -> Field:
    return Field(
        "Name",
        "string",
        "Number",
        length=80,
        createable=False,
        updateable=False,
        id_lookup=True,
        auto_number=True,
    )


SHIPMENT = SObject(
    "Brightpearl_Shipment__c",
    "a01",
    (
        _number(),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        lookup("Order__c", "Order", required=True, children="Brightpearl_Shipments__r", indexed=True),
        picklist("Kind__c", "goods-out", "drop-ship"),
        picklist("Status__c", "Open", "Printed", "Picked", "Packed", "Shipped"),
        text("Carrier__c", 80),
        text("Tracking_Reference__c", 80),
        text("Warehouse__c", 80),
        field_of_type("Released_On__c", "datetime"),
        field_of_type("Shipped_On__c", "datetime"),
        decimal("Boxes__c", 18, 0),
        decimal("Weight__c", 18, 4),
    ),
    label="Brightpearl Shipment",
)

SHIPMENT_LINE = SObject(
    "Brightpearl_Shipment_Line__c",
    "a02",
    (
        _number(),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        create_only(
            lookup(
                "Shipment__c",
                "Brightpearl_Shipment__c",
                required=True,
                children="Brightpearl_Shipment_Lines__r",
                indexed=True,
            )
        ),
        lookup("Order_Product__c", "OrderItem"),
        lookup("Product__c", "Product2"),
        decimal("Quantity__c", 18, 4),
    ),
    label="Brightpearl Shipment Line",
)

RETURN = SObject(
    "Brightpearl_Return__c",
    "a03",
    (
        _number(),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        lookup("Account__c", "Account", children="Brightpearl_Returns__r"),
        lookup("Order__c", "Order", children="Brightpearl_Returns__r", indexed=True),
        text("Brightpearl_Credited_As__c", 80),
        text("Reference__c", 80),
        text("Status__c", 80),
        field_of_type("Returned_On__c", "date"),
        money("Net__c", 16, 2, scale_from="money_scale"),
        money("Tax__c", 16, 2, scale_from="money_scale"),
        money("Total__c", 16, 2, scale_from="money_scale"),
        money("Order_Total__c", 16, 2, scale_from="money_scale"),
    ),
    label="Brightpearl Return",
    has_currency=True,
)

RETURN_LINE = SObject(
    "Brightpearl_Return_Line__c",
    "a04",
    (
        _number(),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        create_only(
            lookup(
                "Return__c",
                "Brightpearl_Return__c",
                required=True,
                children="Brightpearl_Return_Lines__r",
                indexed=True,
            )
        ),
        lookup("Order_Product__c", "OrderItem"),
        lookup("Product__c", "Product2"),
        text("Description__c"),
        decimal("Quantity__c", 18, 4),
        decimal("Ordered_Quantity__c", 18, 4),
        money("Net__c", 16, 2, scale_from="money_scale"),
        money("Tax__c", 16, 2, scale_from="money_scale"),
    ),
    label="Brightpearl Return Line",
    has_currency=True,
)

OBJECTS = (SHIPMENT, SHIPMENT_LINE, RETURN, RETURN_LINE)
