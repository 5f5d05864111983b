"""The flows of the demonstration, and the flows that must run before each."""

from __future__ import annotations

from collections.abc import Mapping

# out of Brightpearl
OUT: Mapping[str, tuple[str, ...]] = {
    "products_to_salesforce": (),
    "customers_to_salesforce": (),
    "products_to_infor": (),
    "customers_to_infor": (),
    "orders_to_salesforce": ("customers_to_salesforce", "products_to_salesforce"),
    "orders_to_infor": ("customers_to_infor", "products_to_infor"),
    "inventory_to_salesforce": ("products_to_salesforce",),
    "payments_to_infor_gl": (),
    "shipments_to_salesforce": ("orders_to_salesforce",),
    "credits_to_salesforce": ("orders_to_salesforce",),
    "shipments_to_infor": ("orders_to_infor",),
    "inventory_to_infor": ("products_to_infor", "shipments_to_infor"),
    "placed_orders_to_salesforce": ("orders_to_salesforce",),
}
# into Brightpearl
BACK: Mapping[str, tuple[str, ...]] = {
    "infor_products_to_brightpearl": (),
    "infor_customers_to_brightpearl": (),
    "salesforce_customers_to_brightpearl": (),
    "salesforce_orders_to_brightpearl": ("salesforce_customers_to_brightpearl",),
    "salesforce_returns_to_brightpearl": ("salesforce_orders_to_brightpearl",),
    "infor_inventory_to_brightpearl": ("infor_products_to_brightpearl",),
    "infor_shipments_to_brightpearl": (),
    "infor_invoices_to_brightpearl": ("infor_shipments_to_brightpearl",),
}
FLOWS = (*OUT, *BACK)
# what M3's shipping of an order sets going out of Brightpearl
SHIPPED_OUT = {
    name: OUT[name]
    for name in (
        "placed_orders_to_salesforce",
        "shipments_to_salesforce",
        "shipments_to_infor",
        "inventory_to_salesforce",
        "inventory_to_infor",
    )
}


def source_of(flow: str) -> str:
    """The system that a flow reads."""
    return flow.partition("_")[0] if flow in BACK else "brightpearl"


def target_of(flow: str) -> str:
    """The system that a flow writes to."""
    if flow in BACK:
        return "brightpearl"
    return "infor" if "_to_infor" in flow else "salesforce"
