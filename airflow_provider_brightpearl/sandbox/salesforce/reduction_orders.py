"""Orders that take back a part of another one (reference, section 4.5)."""

from __future__ import annotations

from decimal import Decimal

from .computed_fields import available, category
from .errors import Refused
from .org import Org
from .store import Row


def check_reduction(org: Org, row: Row) -> None:
    """A reduction order names an activated order; any other order names none."""
    if not row.get("IsReductionOrder"):
        if row.get("OriginalOrderId"):
            raise _refused("OriginalOrderId", "only a reduction order has an original order")
        return
    if not org.settings["reduction_orders"]:
        raise _refused("IsReductionOrder", "reduction orders are not enabled")
    original = org.store.row("Order", row.get("OriginalOrderId"))
    if original is None or category(original["Status"]) != "Activated":
        raise _refused("OriginalOrderId", "the original order is not activated")


def check_reduced(org: Org, order: Row, row: Row) -> None:
    """A product of a reduction order takes back no more of an original product than is left of it."""
    original = org.store.row("OrderItem", row.get("OriginalOrderItemId"))
    if original is None or original["OrderId"] != order["OriginalOrderId"]:
        raise _refused("OriginalOrderItemId", "not a product of the original order")
    left = available(org.store, original) or Decimal(0)
    if not -left <= row.get("Quantity", Decimal(0)) < 0:
        raise _refused("Quantity", f"between -{left} and 0, which is still available")


def _refused(field: str, why: str) -> Refused:
    return Refused("FIELD_INTEGRITY_EXCEPTION", f"field integrity exception: {field} ({why})", [field])
