"""A sale as it is sent: all of it, or the smallest change that brings the existing one to the mapped values.

Of an existing order Brightpearl changes the reference, contacts, warehouse, delivery date, shipping method, status
and custom fields, and rows; no rows of one that is shipped, and of one that is invoiced or cancelled only status and
custom fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_brightpearl.systems.brightpearl.custom_fields import custom_fields
from airflow_provider_brightpearl.systems.brightpearl.fields import at, nested
from airflow_provider_brightpearl.systems.brightpearl.messages import Message
from airflow_provider_brightpearl.systems.brightpearl.objects import PARTIES, SALE, SALE_ADDRESS, SALE_ROW
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, Row, Whole

ORDER = "order-service/order"
# the key, and what is sent by a call of its own
_APART = ("externalRef", "statusId")
_REPLACED = ("productId", "taxCode", "nominalCode", "name")
_FIGURES = ("quantity", "net", "tax")
_SHIPPED = {"SPS": "partly shipped", "ASS": "shipped"}
_ALLOCATED = ("APA", "AAA")
# free text rows of an order have this product
NO_PRODUCT = 1000


def check_addresses(sale: Whole) -> None:
    """Refuses a sale with an address of an unknown type."""
    for row in sale.of_kind("OrderAddress"):
        if row.values.get("type") not in PARTIES:
            sale.refuse(f"must be one of {', '.join(PARTIES)}", row, "type")


def new_sale(sale: Whole, head: Row) -> dict[str, Any]:
    """The body that creates a sale with its rows."""
    body = nested(SALE.fields, _as_text({**head.values, "externalRef": head.key}))
    for row in sale.of_kind("OrderAddress"):
        body.setdefault(row.values["type"], {})["address"] = nested(SALE_ADDRESS.fields, row.values)
    rows = ({**row.values, "externalRef": row.key} for row in sale.of_kind("OrderRow"))
    return {**body, "rows": [nested(SALE_ROW.fields, _as_text(values)) for values in rows]}


def _as_text(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with numbers as the text of their digits."""
    return {name: str(each) if isinstance(each, Decimal) else each for name, each in values.items()}


def stored_row(sale: Whole, row: Row) -> dict[str, Any] | None:
    """The row of the sale in Brightpearl that one of ours was written to."""
    rows = [each for each in (sale.there or {}).get("rows", ()) if not each.get("bundleChild")]
    own = (row.change.target_id or "").partition(SEPARATOR)[2]
    bound = (each for each in rows if own and str(each["id"]) == own)
    named = (each for each in rows if str(each.get("externalRef") or "") == row.key)
    return next(bound, None) or next(named, None)


def changes(sale: Whole, cancelled: Callable[[], str]) -> list[Message]:
    """The messages that change an existing sale; none where it is refused, or nothing differs.

    Args:
        sale: as it is mapped, and as Brightpearl has it.
        cancelled: gives the account's status of cancelled orders.
    """
    head = list(_patch(sale))
    rows = [*_rows(sale), *_removed(sale)]
    if head or rows:
        _refuse_closed(sale, rows=bool(rows))
    patch = [Message("PATCH", f"{ORDER}/{sale.id}", head)] if head else []
    found = [*patch, *rows, *custom_fields(sale, ORDER), *_allocation(sale), *_status(sale, cancelled)]
    return found if sale.open else []


def row_changes(sale: Whole) -> list[Message]:
    """The messages for a sale just created: custom fields, stock, and its rows where Brightpearl had it already."""
    return [*_rows(sale), *custom_fields(sale, ORDER), *_allocation(sale)]


def _refuse_closed(sale: Whole, *, rows: bool) -> None:
    there = sale.there or {}
    shipping = str(there.get("shippingStatusCode"))
    if there.get("isCanceled"):
        sale.refuse(f"{sale.id} is cancelled in Brightpearl: a change of it was not sent")
    elif reference := (there.get("invoice") or {}).get("invoiceReference"):
        sale.refuse(f"{sale.id} is invoiced in Brightpearl as {reference}: a change of it was not sent")
    elif rows and shipping in _SHIPPED:
        sale.refuse(f"{sale.id} is {_SHIPPED[shipping]}: a change of its rows was not sent")


def _done(there: Mapping[str, Any]) -> str:
    """What keeps an order from being cancelled, empty where nothing does."""
    if reference := (there.get("invoice") or {}).get("invoiceReference"):
        return f"invoiced in Brightpearl as {reference}"
    return _SHIPPED.get(str(there.get("shippingStatusCode")), "")


def _patch(sale: Whole) -> Iterator[dict[str, Any]]:
    """The operations on the head; refuses a change that Brightpearl does not take."""
    for name, value in (sale.head.changeable() if sale.head else {}).items():
        known = SALE.fields.get(name)
        # an empty value has no opinion
        if value in (None, "") or known is None or known.computed or not known.path or name in _APART:
            continue
        current = at(sale.there, known.path)
        if known.same(value, current):
            continue
        if known.patch is None:
            sale.refuse(
                f"Brightpearl does not change it on an existing order: {sale.id} has {current}",
                sale.head,
                name,
            )
        elif name == "warehouseId" and (sale.there or {}).get("allocationStatusCode") in _ALLOCATED:
            sale.refuse(f"stock of {sale.id} is allocated in warehouse {current}", sale.head, name)
        else:
            yield {"op": "replace", "path": known.patch, "value": value}
    for row in sale.of_kind("OrderAddress"):
        for name, value in row.changeable().items():
            stored = at(sale.there, f"{row.values['type']}/address/{name}")
            if name != "type" and value is not None and not SALE_ADDRESS.fields[name].same(value, stored):
                sale.refuse(
                    f"Brightpearl changes no address of an existing order: {sale.id} has {stored}", row, name
                )


def _rows(sale: Whole) -> Iterator[Message]:
    """The messages that add and change rows."""
    for row in sale.of_kind("OrderRow"):
        stored = stored_row(sale, row)
        if stored is None:
            yield _added(sale, row)
        elif any(not _same(row, name, stored) for name in _replaced(stored)):
            yield from _deleted(sale, stored["id"])
            yield _added(sale, row)
        elif changed := [name for name in _FIGURES if not _same(row, name, stored)]:
            # a change of net lets Brightpearl compute the tax, so that the tax follows
            if "net" in changed:
                changed = [*(name for name in changed if name != "tax"), "tax"]
            operations = [
                {"op": "replace", "path": SALE_ROW.fields[name].patch, "value": row.values[name]}
                for name in changed
            ]
            yield Message("PATCH", f"{ORDER}/{sale.id}/row/{stored['id']}", operations)


def _replaced(stored: Mapping[str, Any]) -> tuple[str, ...]:
    """Fields whose change replaces a row; that of a bundle also where its components would keep their quantities."""
    return (*_REPLACED, "quantity") if stored.get("bundleParent") else _REPLACED


def _same(row: Row, name: str, stored: Mapping[str, Any]) -> bool:
    value, theirs = row.values.get(name), stored.get(name)
    if value is None or name in row.only_new:
        return name != "productId" or theirs in (None, NO_PRODUCT)
    return SALE_ROW.fields[name].same(value, theirs)


def _added(sale: Whole, row: Row) -> Message:
    values = row.values
    body = {
        "productId": values.get("productId"),
        "productName": values.get("name"),
        "quantity": {"magnitude": str(values["quantity"])},
        "rowValue": {
            "taxCode": values["taxCode"],
            "rowNet": {"value": str(values["net"])},
            "rowTax": {"value": str(values["tax"])},
        },
        "nominalCode": values.get("nominalCode"),
        "externalRef": row.key,
    }
    return Message(
        "POST", f"{ORDER}/{sale.id}/row", {name: each for name, each in body.items() if each is not None}
    )


def _deleted(sale: Whole, row_id: object) -> Iterator[Message]:
    """The messages that delete a row and those of its components, which may be gone with it."""
    parts = (sale.there or {}).get("rows", ())
    for each in (row_id, *(part["id"] for part in parts if str(part.get("parentRowId")) == str(row_id))):
        yield Message("DELETE", f"{ORDER}/{sale.id}/row/{each}")


def _removed(sale: Whole) -> Iterator[Message]:
    """The messages that delete rows which the source no longer has; those that are gone need none."""
    there = {str(each["id"]) for each in (sale.there or {}).get("rows", ())}
    for gone in sale.gone:
        part = gone.target_id.partition(SEPARATOR)[2]
        if part in PARTIES:
            sale.refuse(
                f"Brightpearl changes no address of an existing order: {sale.id} keeps its {part} address"
            )
        elif part in there:
            yield from _deleted(sale, part)


def _allocation(sale: Whole) -> Iterator[Message]:
    """The message that reserves stock for the rows of an order that has none; that there is too little is no error."""
    there = sale.there or {}
    values = (sale.head.values if sale.sent else sale.head.changeable()) if sale.head else {}
    if not values.get("allocate") or there.get("allocationStatusCode") != "ANA" or there.get("isCanceled"):
        return
    products = [
        {
            "productId": row["productId"],
            "salesOrderRowId": row["id"],
            "quantity": int(Decimal(row["quantity"])),
        }
        for row in there["rows"]
        # stock of a bundle is that of its components
        if row.get("productId") not in (None, NO_PRODUCT)
        and Decimal(row["quantity"]) >= 1
        and not row.get("bundleParent")
    ]
    if products:
        path = f"warehouse-service/order/{sale.id}/reservation/warehouse/{there['warehouseId']}"
        yield Message("POST", path, {"products": products})


def _status(sale: Whole, cancelled: Callable[[], str]) -> Iterator[Message]:
    """The status, last of all: a cancelled order takes no other change."""
    wanted, there = sale.head.changeable().get("statusId") if sale.head else None, sale.there or {}
    if wanted is None or SALE.fields["statusId"].same(wanted, there.get("statusId")):
        return
    if there.get("isCanceled"):
        sale.refuse(
            f"{sale.id} is cancelled in Brightpearl: its status was not changed", sale.head, "statusId"
        )
    # Brightpearl itself would take it, and goods and money would belong to a cancelled order
    if (done := _done(there)) and str(wanted) == cancelled():
        sale.refuse(
            f"{sale.id} is {done}, so it was not cancelled: make a credit of it", sale.head, "statusId"
        )
    yield Message("PUT", f"{ORDER}/{sale.id}/status", {"orderStatusId": wanted})
