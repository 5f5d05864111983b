"""Rules of reduction orders, which reduce an activated order (reference, section 4.5)."""

from __future__ import annotations

from decimal import Decimal

from .computed_fields import available_quantity, category
from .errors import ApiError
from .org import Org
from .store import Row


def check_reduction(org: Org, row: Row) -> None:
    """Check that a reduction order refers to an activated order, and no other order does. Raises: ApiError."""
    if not row.get("IsReductionOrder"):
        if row.get("OriginalOrderId"):
            raise _integrity_error("OriginalOrderId", "only a reduction order has an original order")
        return
    if not org.settings["reduction_orders"]:
        raise _integrity_error("IsReductionOrder", "reduction orders are not enabled")
    original = org.store.row("Order", row.get("OriginalOrderId"))
    if original is None or category(original["Status"]) != "Activated":
        raise _integrity_error("OriginalOrderId", "the original order is not activated")


def check_reduction_item(org: Org, order: Row, row: Row) -> None:
    """Check that an item of a reduction order is within the quantity available. Raises: ApiError."""
    original = org.store.row("OrderItem", row.get("OriginalOrderItemId"))
    if original is None or original["OrderId"] != order["OriginalOrderId"]:
        raise _integrity_error("OriginalOrderItemId", "not a product of the original order")
    left = available_quantity(org.store, original) or Decimal(0)
    if not -left <= row.get("Quantity", Decimal(0)) < 0:
        raise _integrity_error("Quantity", f"must be between -{left}, the quantity still available, and 0")


def _integrity_error(field: str, why: str) -> ApiError:
    return ApiError("FIELD_INTEGRITY_EXCEPTION", f"field integrity exception: {field} ({why})", [field])
