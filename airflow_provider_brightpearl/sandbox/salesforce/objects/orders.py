"""Order, OrderItem and the setup object OrderStatus (reference, section 4.4)."""

from __future__ import annotations

from ..fields import (
    Field,
    SObject,
    address,
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

# label, category: orders are created in Draft, and locked once their category is Activated
STATUSES = (
    ("Draft", "Draft"),
    ("Activated", "Activated"),
    ("Processing", "Activated"),
    ("Partially Fulfilled", "Activated"),
    ("Shipped", "Activated"),
    ("Fulfilled", "Activated"),
    ("Cancelled", "Activated"),
)

_STATUS_LABELS = tuple(label for label, _ in STATUSES)

ORDER = SObject(
    "Order",
    "801",
    (
        lookup("AccountId", "Account", required=True, children="Orders", indexed=True),
        lookup("Pricebook2Id", "Pricebook2"),
        lookup("OriginalOrderId", "Order", updateable=False, indexed=True),
        field_of_type("EffectiveDate", "date", required=True),
        field_of_type("EndDate", "date"),
        picklist("Status", *_STATUS_LABELS, required=True, restricted=True),
        read_only(picklist("StatusCode", "Draft", "Activated"), "status_code"),
        picklist("Type", "Web", "Phone", "Trade"),
        text("Name", 80),
        field_of_type("Description", "textarea", length=32000),
        text("PoNumber", 80),
        field_of_type("PoDate", "date"),
        text("OrderReferenceNumber", 80),
        Field(
            "OrderNumber",
            "string",
            "Order Number",
            length=30,
            createable=False,
            updateable=False,
            id_lookup=True,
            auto_number=True,
        ),
        create_only(checkbox("IsReductionOrder")),
        read_only(money("TotalAmount", 18, 2), "order_total"),
        field_of_type("ActivatedDate", "datetime", createable=False, updateable=False),
        lookup("ActivatedById", "User", createable=False, updateable=False),
        lookup("BillToContactId", "Contact"),
        lookup("ShipToContactId", "Contact"),
        lookup("OwnerId", "User", default="@user"),
        *address("Billing"),
        *address("Shipping"),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        key("Brightpearl_Order_Id__c", "Brightpearl Order Id"),
        text("Brightpearl_Placed_As__c", 80),
        text("Brightpearl_Status__c", 80),
        text("Brightpearl_Channel__c", 80),
        money("Net__c", 16, 2, scale_from="money_scale"),
        money("Tax__c", 16, 2, scale_from="money_scale"),
        money("Total__c", 16, 2, scale_from="money_scale"),
        text("Brightpearl_Hash__c", 64),
        field_of_type("Brightpearl_Synced_At__c", "datetime"),
    ),
    has_currency=True,
)

ORDER_ITEM = SObject(
    "OrderItem",
    "802",
    (
        create_only(lookup("OrderId", "Order", required=True, children="OrderItems", indexed=True)),
        create_only(lookup("PricebookEntryId", "PricebookEntry", required=True)),
        create_only(lookup("OriginalOrderItemId", "OrderItem", indexed=True)),
        field_of_type(
            "Product2Id",
            "reference",
            length=18,
            refers_to="Product2",
            relationship="Product2",
            updateable=False,
            computed="item_product",
        ),
        decimal("Quantity", 18, 2, required=True, scale_from="quantity_scale"),
        money("UnitPrice", 18, 2, required=True, scale_from="unit_price_scale"),
        read_only(money("ListPrice", 18, 2), "item_list_price"),
        read_only(money("TotalPrice", 18, 2), "item_total"),
        read_only(decimal("AvailableQuantity", 18, 2), "item_quantity"),
        text("Description"),
        field_of_type("ServiceDate", "date"),
        field_of_type("EndDate", "date"),
        Field(
            "OrderItemNumber",
            "string",
            "Order Product Number",
            length=30,
            createable=False,
            updateable=False,
            auto_number=True,
        ),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        key("Brightpearl_Row_Id__c", "Brightpearl Row Id"),
    ),
    label="Order Product",
    has_currency=True,
    has_recycle_bin=False,
)

ORDER_STATUS = SObject(
    "OrderStatus",
    "05K",
    (
        text("ApiName", required=True),
        text("MasterLabel", required=True),
        picklist("StatusCode", "Draft", "Activated"),
        checkbox("IsDefault"),
        field_of_type("SortOrder", "int"),
    ),
    writable=False,
)

OBJECTS = (ORDER, ORDER_ITEM, ORDER_STATUS)
