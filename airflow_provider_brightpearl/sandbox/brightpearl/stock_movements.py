"""The effects of corrections and goods-out notes on stock, movements and orders (reference, section 4.5)."""

from __future__ import annotations

from decimal import Decimal

from .account import Account
from .collection import Record
from .generated.order_documents import note_status
from .generated.products import availability_counts, total_availability
from .reference_data import STAFF

RESERVATIONS = "reservation"
_NO_VALUE = "0.0000"


def move_stock(account: Account, product: int, warehouse: str, quantity: int) -> None:
    """Add a quantity, negative to remove, to the stock of a product in one warehouse."""
    record = account.collections["product-availability"].edit(product)
    now = record["warehouses"].get(warehouse, availability_counts(0, 0, 0))
    record["warehouses"][warehouse] = availability_counts(
        now["inStock"] + quantity, now["allocated"], now["inTransit"]
    )
    record["total"] = total_availability(record["warehouses"])
    account.webhooks.raise_event("product.modified.on-hand-modified", product)


def reserve(account: Account, order: Record, warehouse: str, row: str, quantity: int) -> None:
    """Reserve stock for a row: at most what it still needs and the warehouse has on hand."""
    stock = account.collections["product-availability"]
    product = order["orderRows"][row]["productId"]
    if not stock.has(product):
        return
    held = (stock.get(product) or {})["warehouses"].get(warehouse, availability_counts(0, 0, 0))
    needed = unshipped_quantities(account, order).get(row, 0) - sum(
        _reserved(account, order["id"], row).values()
    )
    taken = max(0, min(quantity, needed, held["onHand"]))
    _set_reserved(account, order["id"], warehouse, row, product, taken)
    _set_allocation_status(account, order)


def _reserved(account: Account, order_id: int, row: str) -> dict[str, int]:
    """Pieces reserved for a row, by warehouse."""
    found = (account.collections[RESERVATIONS].get(order_id) or {}).get("warehouses") or {}
    return {warehouse: rows[row]["quantity"] for warehouse, rows in found.items() if row in rows}


def _set_reserved(account: Account, order_id: int, warehouse: str, row: str, product: int, more: int) -> None:
    """Reserve more pieces for a row, or fewer where negative."""
    source = account.collections[RESERVATIONS]
    if not source.has(order_id):
        source.put(order_id, {"orderId": order_id, "warehouses": {}})
    rows = source.edit(order_id)["warehouses"].setdefault(warehouse, {})
    rows.setdefault(row, {"productId": product, "quantity": 0})["quantity"] += more
    record = account.collections["product-availability"].edit(product)
    now = record["warehouses"].get(warehouse, availability_counts(0, 0, 0))
    figures = availability_counts(now["inStock"], now["allocated"] + more, now["inTransit"])
    record["warehouses"][warehouse] = figures
    record["total"] = total_availability(record["warehouses"])


def _set_allocation_status(account: Account, order: Record) -> None:
    left = unshipped_quantities(account, order)
    reserved = {row: sum(_reserved(account, order["id"], row).values()) for row in left}
    if any(reserved.values()):
        whole = all(reserved[row] >= needed for row, needed in left.items())
        order["allocationStatusCode"] = "AAA" if whole else "APA"


def _release(account: Account, note: Record) -> None:
    """What is shipped is no longer reserved."""
    warehouse = str(note["warehouseId"])
    for row, parts in note["orderRows"].items():
        held = _reserved(account, note["orderId"], row).get(warehouse, 0)
        if held:
            shipped = min(held, sum(part["quantity"] for part in parts))
            _set_reserved(account, note["orderId"], warehouse, row, parts[0]["productId"], -shipped)


def record_movement(
    account: Account, note: int, product: int, warehouse: int, quantity: int, kind: str, value: str
) -> None:
    """Record the movement caused by a note."""
    made = {
        "productId": product,
        "salesOrderRowId": None,
        "purchaseOrderRowId": None,
        "quantity": quantity,
        "destinationLocationId": 2,
        "warehouseId": warehouse,
        "goodsNoteId": note,
        "productValue": value,
        "currencyCode": "GBP",
        "orderId": None,
        "isCleared": True,
        "isQuarantine": False,
        "batchId": None,
        "goodsNoteTypeCode": kind,
        "updatedOn": account.stamp(),
    }
    account.collections["goods-movement"].add(made)


def create_goods_out_note(
    account: Account, order: Record, warehouse: int, rows: Record, method: int, more: Record | None = None
) -> int:
    """Create a goods-out note and return its id; `rows` maps order row ids to the parts to ship."""
    stamp, notes = account.stamp(), account.collections["goods-out-note"]
    made = {
        "orderId": order["id"],
        "warehouseId": warehouse,
        "channelId": order["assignment"]["current"]["channelId"],
        "transfer": False,
        "priority": False,
        "status": note_status(None),
        "shipping": {"reference": "", "shippingMethodId": method, "boxes": 0, "weight": "0.00"},
        "releaseDate": stamp,
        "createdOn": stamp,
        "createdBy": STAFF,
        "orderRows": rows,
        "sequence": 1,
        "events": [{"occured": stamp, "eventOwnerId": STAFF, "eventCode": "PLA"}],
        "lastEventVersion": 900_000 + len(notes.changed),
        "labelUri": "",
    }
    id = notes.add(made | (more or {}))
    account.webhooks.raise_event("goods-out-note.created", id)
    return id


def ship_note(account: Account, note: Record) -> None:
    """Ship a note: reduce stock, record the movements, update the status of the order."""
    _release(account, note)
    stock = account.collections["product-availability"]
    for part in (part for parts in note["orderRows"].values() for part in parts):
        if stock.has(part["productId"]):
            move_stock(account, part["productId"], str(note["warehouseId"]), -part["quantity"])
            record_movement(
                account,
                note["goodsOutNoteId"],
                part["productId"],
                note["warehouseId"],
                -part["quantity"],
                "GO",
                _NO_VALUE,
            )
    account.webhooks.raise_event("goods-out-note.modified.shipped", note["goodsOutNoteId"])
    update_shipping_status(account, note["orderId"])


def update_shipping_status(account: Account, order_id: int) -> None:
    """Set the status codes of an order from what has been shipped."""
    order = account.collections["order"].edit(order_id)
    left = unshipped_quantities(account, order)
    gone = shipped_quantities(account, order_id)
    if not any(quantity > 0 for quantity in left.values()):
        if order["shippingStatusCode"] != "ASS":
            account.webhooks.raise_event("order.modified.fully-shipped", order_id)
        order |= {"shippingStatusCode": "ASS", "stockStatusCode": "SOA", "allocationStatusCode": "AAA"}
    elif gone:
        order |= {"shippingStatusCode": "SPS", "stockStatusCode": "SOP", "allocationStatusCode": "APA"}
    account.touch(order)


def unshipped_quantities(account: Account, order: Record) -> dict[str, int]:
    """Quantities still to be shipped, by order row, for products whose stock is tracked."""
    gone, stock = shipped_quantities(account, order["id"]), account.collections["product-availability"]
    return {
        row: int(Decimal(line["quantity"]["magnitude"])) - gone.get(row, 0)
        for row, line in order["orderRows"].items()
        if stock.has(line["productId"]) or row in gone
    }


def unassigned_quantities(account: Account, order: Record) -> dict[str, int]:
    """Quantities that are on no goods-out or drop-ship note yet, by order row."""
    left = {row: int(Decimal(line["quantity"]["magnitude"])) for row, line in order["orderRows"].items()}
    for note in notes_of(account, order["id"]):
        for row, parts in note["orderRows"].items():
            left[row] = left.get(row, 0) - sum(part["quantity"] for part in parts)
    return left


def shipped_quantities(account: Account, order_id: int) -> dict[str, int]:
    """Quantities shipped for an order, by order row, from warehouses and by suppliers."""
    found: dict[str, int] = {}
    for note in notes_of(account, order_id):
        if note["status"]["shipped"]:
            for row, parts in note["orderRows"].items():
                found[row] = found.get(row, 0) + sum(part["quantity"] for part in parts)
    return found


def notes_of(account: Account, order_id: int) -> list[Record]:
    """The goods-out and drop-ship notes of an order."""
    source = account.collections["goods-out-note"]
    orders = source.generated.columns.get("orderId")
    places = [] if orders is None else (orders == order_id).nonzero()[0].tolist()
    ids = dict.fromkeys([*(int(source.generated.ids[at]) for at in places), *source.changed])
    notes = [note for id in ids if (note := source.get(id)) is not None]
    return [note for note in (*notes, *account.collections["drop-ship-note"]) if note["orderId"] == order_id]
