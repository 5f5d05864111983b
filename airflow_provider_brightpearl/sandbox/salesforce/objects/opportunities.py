"""Opportunity and OpportunityLineItem (reference, section 4.7)."""

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

# stage: whether it is closed, and won
STAGES = {
    "Prospecting": (False, False),
    "Negotiation/Review": (False, False),
    "Closed Won": (True, True),
    "Closed Lost": (True, False),
}

OPPORTUNITY = SObject(
    "Opportunity",
    "006",
    (
        lookup("AccountId", "Account", children="Opportunities", indexed=True),
        lookup("Pricebook2Id", "Pricebook2"),
        text("Name", 120, required=True),
        picklist("StageName", *STAGES, required=True),
        field_of_type("CloseDate", "date", required=True),
        money("Amount", 18, 2),
        decimal("Probability", 3, 0),
        picklist("Type", "New Customer", "Existing Customer"),
        picklist("LeadSource", "Web", "Other"),
        field_of_type("Description", "textarea", length=32000),
        lookup("OwnerId", "User", default="@user"),
        read_only(checkbox("IsClosed"), "stage_closed"),
        read_only(checkbox("IsWon"), "stage_won"),
        read_only(checkbox("HasOpportunityLineItem"), "has_line_items"),
        key("Brightpearl_Order_Id__c", "Brightpearl Order Id"),
    ),
    has_currency=True,
)

OPPORTUNITY_LINE_ITEM = SObject(
    "OpportunityLineItem",
    "00k",
    (
        create_only(
            lookup(
                "OpportunityId", "Opportunity", required=True, children="OpportunityLineItems", indexed=True
            )
        ),
        create_only(lookup("PricebookEntryId", "PricebookEntry", required=True)),
        field_of_type(
            "Product2Id",
            "reference",
            length=18,
            refers_to="Product2",
            relationship="Product2",
            updateable=False,
            computed="item_product",
        ),
        read_only(text("ProductCode"), "item_product_code"),
        decimal("Quantity", 18, 2, required=True, scale_from="quantity_scale"),
        money("UnitPrice", 18, 2, scale_from="unit_price_scale"),
        read_only(money("ListPrice", 18, 2), "item_list_price"),
        read_only(money("TotalPrice", 18, 2), "item_total"),
        text("Description"),
        field_of_type("ServiceDate", "date"),
    ),
    label="Opportunity Product",
    has_currency=True,
)

OBJECTS = (OPPORTUNITY, OPPORTUNITY_LINE_ITEM)
