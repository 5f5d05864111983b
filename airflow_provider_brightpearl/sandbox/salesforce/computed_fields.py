"""Fields whose values the org computes instead of storing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from .fields import Field
from .objects.opportunities import STAGES
from .objects.orders import STATUSES
from .store import Row, Store

_CATEGORY = dict(STATUSES)
_CENT = Decimal("0.01")
_NONE: Row = {}


def read_field(store: Store, field: Field, row: Row) -> object:
    """The value of a field, computed or stored."""
    if field.computed:
        return _DERIVED[field.computed](store, row)
    value = row.get(field.name)
    return False if value is None and field.type == "boolean" else value


def category(status: object) -> str:
    """The category of an order status, Draft or Activated."""
    return _CATEGORY.get(str(status), "Draft")


def _entry(store: Store, row: Row) -> Row:
    return store.row("PricebookEntry", row.get("PricebookEntryId")) or _NONE


def _product(store: Store, row: Row) -> Row:
    return store.row("Product2", row.get("Product2Id")) or _NONE


def _contact_name(store: Store, row: Row) -> object:
    return " ".join(str(row[part]) for part in ("FirstName", "LastName") if row.get(part)) or None


def _item_total(store: Store, row: Row) -> Decimal:
    price, quantity = row.get("UnitPrice"), row.get("Quantity")
    if not isinstance(price, Decimal) or not isinstance(quantity, Decimal):
        return Decimal("0.00")
    return (price * quantity).quantize(_CENT)


def _order_total(store: Store, row: Row) -> Decimal:
    items = store["OrderItem"]
    totals = (_item_total(store, items.rows[item]) for item in items.find("OrderId", row["Id"]))
    return sum(totals, Decimal("0.00"))


def available_quantity(store: Store, row: Row) -> Decimal | None:
    """The quantity of an order item less its reduction orders (reference, section 4.5)."""
    items, quantity = store["OrderItem"], row.get("Quantity")
    if not isinstance(quantity, Decimal):
        return None
    taken = (items.rows[one]["Quantity"] for one in items.find("OriginalOrderItemId", row["Id"]))
    return sum(taken, quantity)


def _item_product(store: Store, row: Row) -> object:
    return row.get("Product2Id") or _entry(store, row).get("Product2Id")


def _entry_product(store: Store, row: Row) -> Row:
    return store.row("Product2", _item_product(store, row)) or _NONE


def _stage(row: Row) -> tuple[bool, bool]:
    return STAGES.get(str(row.get("StageName")), (False, False))


def _item_currency(store: Store, row: Row) -> object:
    order = store.row("Order", row.get("OrderId")) or _NONE
    return order.get("CurrencyIsoCode")


_DERIVED: dict[str, Callable[[Store, Row], object]] = {
    "contact_name": _contact_name,
    "product_name": lambda store, row: _product(store, row).get("Name"),
    "product_code": lambda store, row: _product(store, row).get("ProductCode"),
    "status_code": lambda store, row: category(row.get("Status")),
    "order_total": _order_total,
    "item_product": _item_product,
    "item_list_price": lambda store, row: _entry(store, row).get("UnitPrice"),
    "item_total": _item_total,
    "item_quantity": available_quantity,
    "item_currency": _item_currency,
    "item_product_code": lambda store, row: _entry_product(store, row).get("ProductCode"),
    "stage_closed": lambda store, row: _stage(row)[0],
    "stage_won": lambda store, row: _stage(row)[1],
    "has_line_items": lambda store, row: bool(store["OpportunityLineItem"].find("OpportunityId", row["Id"])),
}
