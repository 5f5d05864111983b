"""Product2, Pricebook2 and PricebookEntry (reference, sections 4.2 and 4.3)."""

from __future__ import annotations

from ..fields import (
    SObject,
    checkbox,
    create_only,
    decimal,
    field_of_type,
    key,
    lookup,
    money,
    picklist,
    read_only,
    text,
)

PRODUCT = SObject(
    "Product2",
    "01t",
    (
        text("Name", required=True),
        text("ProductCode"),
        text("StockKeepingUnit", 180),
        field_of_type("Description", "textarea", length=4000),
        checkbox("IsActive"),
        checkbox("IsArchived", createable=False),
        picklist("Family", "None"),
        picklist("QuantityUnitOfMeasure", "Each"),
        field_of_type("DisplayUrl", "url", length=1000),
        text("ExternalId"),
        decimal("AvailableStock__c", 18, 3),
        field_of_type("Brightpearl_Stock_Sources__c", "textarea", length=4000),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        text("Brightpearl_Hash__c", 64),
        field_of_type("Brightpearl_Synced_At__c", "datetime"),
    ),
    label="Product",
    has_currency=True,
)

PRICEBOOK = SObject(
    "Pricebook2",
    "01s",
    (
        text("Name", required=True),
        text("Description"),
        checkbox("IsActive"),
        checkbox("IsArchived", createable=False),
        read_only(checkbox("IsStandard")),
        key("Brightpearl_Id__c", "Brightpearl Id"),
    ),
    label="Price Book",
)

PRICEBOOK_ENTRY = SObject(
    "PricebookEntry",
    "01u",
    (
        create_only(lookup("Pricebook2Id", "Pricebook2", required=True, children="PricebookEntries")),
        create_only(
            lookup("Product2Id", "Product2", required=True, children="PricebookEntries", indexed=True)
        ),
        money("UnitPrice", 18, 2, required=True, scale_from="unit_price_scale"),
        checkbox("IsActive"),
        checkbox("UseStandardPrice"),
        checkbox("IsArchived", createable=False, updateable=False),
        read_only(text("Name"), "product_name"),
        read_only(text("ProductCode"), "product_code"),
        key("Brightpearl_Id__c", "Brightpearl Id"),
    ),
    label="Price Book Entry",
    has_currency=True,
)

OBJECTS = (PRODUCT, PRICEBOOK, PRICEBOOK_ENTRY)
