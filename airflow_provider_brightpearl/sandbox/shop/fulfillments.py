"""Fulfillments: what was shipped of an order, with its tracking number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..record_system import RecordSystem
from ..system import Record


class Invalid(Exception):
    """A request that the shop refuses with 422; the text is the reason."""


def create_fulfillment(shop: RecordSystem, wanted: Mapping[str, Any]) -> Record:
    """Ship the given lines, or all that is left, of one fulfillment order. Raises: Invalid."""
    groups = wanted.get("line_items_by_fulfillment_order")
    if not isinstance(groups, list) or not groups:
        raise Invalid("line_items_by_fulfillment_order is required")
    found = [shop.records["fulfillment_orders"].get(group.get("fulfillment_order_id", 0)) for group in groups]
    owners = {each["order_id"] for each in found if each is not None}
    if None in found or len(owners) != 1:
        raise Invalid("All fulfillment orders must exist, and belong to the same order")
    order = shop.records["orders"][owners.pop()]
    shipped: dict[int, int] = {}
    for group, owner in zip(groups, found, strict=True):
        if owner is not None:
            shipped |= _ship(owner, group.get("fulfillment_order_line_items"))
    lines = []
    for line in order["line_items"]:
        if quantity := shipped.get(line["id"], 0):
            line["fulfillable_quantity"] -= quantity
            line["fulfillment_status"] = "partial" if line["fulfillable_quantity"] else "fulfilled"
            lines.append({**line, "quantity": quantity})
    made = shop.add(
        "fulfillments",
        {
            "order_id": order["id"],
            "name": f"{order['name']}.{len(order['fulfillments']) + 1}",
            "status": "success",
            "created_at": shop.now(),
            "line_items": lines,
            "notify_customer": bool(wanted.get("notify_customer")),
        },
    )
    set_tracking(shop, made, wanted.get("tracking_info") or {})
    order["fulfillments"].append(made)
    left = any(line["fulfillable_quantity"] for line in order["line_items"])
    order |= {"fulfillment_status": "partial" if left else "fulfilled", "updated_at": shop.now()}
    return made


def set_tracking(shop: RecordSystem, fulfillment: Record, tracking: Mapping[str, Any]) -> None:
    """Replace the tracking number of a fulfillment."""
    number, url = tracking.get("number"), tracking.get("url")
    fulfillment |= {
        "tracking_company": tracking.get("company"),
        "tracking_number": number,
        "tracking_numbers": [number] if number else [],
        "tracking_url": url,
        "tracking_urls": [url] if url else [],
        "updated_at": shop.now(),
    }


def _ship(owner: Record, wanted: Any) -> dict[int, int]:
    """Take quantities off a fulfillment order; by line item. Raises: Invalid."""
    if owner["status"] == "closed":
        raise Invalid(f"Fulfillment order {owner['id']} has an unfulfillable status= closed.")
    lines = {line["id"]: line for line in owner["line_items"]}
    asked = (
        [(one.get("id"), one.get("quantity")) for one in wanted]
        if wanted
        else [(line["id"], line["fulfillable_quantity"]) for line in lines.values()]
    )
    for id, quantity in asked:
        if (
            id not in lines
            or not isinstance(quantity, int)
            or not 0 <= quantity <= lines[id]["fulfillable_quantity"]
        ):
            raise Invalid("Invalid fulfillment order line item quantity requested.")
    for id, quantity in asked:
        lines[id]["fulfillable_quantity"] -= quantity
    left = any(line["fulfillable_quantity"] for line in lines.values())
    owner["status"] = "in_progress" if left else "closed"
    return {lines[id]["line_item_id"]: quantity for id, quantity in asked}
