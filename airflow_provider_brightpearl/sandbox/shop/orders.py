"""Orders of the shop, as its API and its webhooks show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..record_system import RecordSystem
from ..system import Record

_TAX = Decimal("0.20")
_CENT = Decimal("0.01")


def create_order(shop: RecordSystem, wanted: Mapping[str, Any]) -> Record:
    """Store an order with its fulfillment order, and return it.

    Args:
        shop: the shop.
        wanted: `line_items` (`sku`, `quantity`, `price`, `title`), and any other fields of the order.

    Raises:
        ValueError: there are no line items, or one has no quantity.
    """
    items = wanted.get("line_items")
    if not isinstance(items, list) or not items:
        raise ValueError("line_items must have at least one line item")
    lines = [_line(shop, item) for item in items]
    net = sum((Decimal(line["price"]) * line["quantity"] for line in lines), Decimal(0))
    tax = (net * _TAX).quantize(_CENT)
    now, number = shop.now(), len(shop.records["orders"]) + 1001
    order = shop.add(
        "orders",
        {
            "admin_graphql_api_id": "",
            "order_number": number,
            "name": f"#{number}",
            "email": "ann@example.com",
            "created_at": now,
            "updated_at": now,
            "processed_at": now,
            "cancelled_at": None,
            "closed_at": None,
            "currency": shop.settings["currency"],
            "financial_status": "paid",
            "fulfillment_status": None,
            "taxes_included": False,
            "test": False,
            "note": None,
            "tags": "",
            "customer": {
                "id": shop.next_id(),
                "email": "ann@example.com",
                "first_name": "Ann",
                "last_name": "Bee",
            },
            "shipping_lines": [],
            "discount_codes": [],
            "total_discounts": "0.00",
            **_addresses(wanted),
            **{name: value for name, value in wanted.items() if name not in ("id", "line_items")},
            "line_items": lines,
            "subtotal_price": f"{net:.2f}",
            "total_tax": f"{tax:.2f}",
            "total_price": f"{net + tax:.2f}",
            "fulfillments": [],
        },
    )
    order["admin_graphql_api_id"] = f"gid://shopify/Order/{order['id']}"
    shop.add(
        "fulfillment_orders",
        {
            "order_id": order["id"],
            "status": "open",
            "line_items": [
                {
                    "id": shop.next_id(),
                    "line_item_id": line["id"],
                    "quantity": line["quantity"],
                    "fulfillable_quantity": line["quantity"],
                }
                for line in lines
            ],
        },
    )
    return order


def made_up(skus: Sequence[str]) -> Record:
    """The fields of an order of two of each SKU."""
    items = [{"sku": sku, "quantity": 2, "price": "10.00", "title": f"Item {sku}"} for sku in skus]
    return {"line_items": items}


def _line(shop: RecordSystem, item: Mapping[str, Any]) -> Record:
    quantity = item.get("quantity")
    if not isinstance(quantity, int) or quantity < 1:
        raise ValueError(f"the quantity of a line item must be a positive number, not {quantity!r}")
    return {
        "id": shop.next_id(),
        "sku": str(item.get("sku", "")),
        "title": str(item.get("title", "")),
        "quantity": quantity,
        "current_quantity": quantity,
        "fulfillable_quantity": quantity,
        "fulfillment_status": None,
        "price": f"{Decimal(str(item.get('price', '0'))):.2f}",
        "total_discount": "0.00",
        "requires_shipping": True,
        "taxable": True,
    }


def _addresses(wanted: Mapping[str, Any]) -> Record:
    address = {
        "first_name": "Ann",
        "last_name": "Bee",
        "address1": "1 High Street",
        "city": "London",
        "zip": "EC1A 1BB",
        "country": "United Kingdom",
        "country_code": "GB",
        "province_code": None,
        "phone": None,
    }
    return {name: wanted.get(name, address) for name in ("shipping_address", "billing_address")}
