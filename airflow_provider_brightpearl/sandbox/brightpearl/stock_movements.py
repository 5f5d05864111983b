"""What moves goods: corrections and notes, with what they do to stock and to their order (section 4.5)."""

from __future__ import annotations

from decimal import Decimal

from .account import World
from .collection import Record
from .generated.order_documents import progress
from .generated.products import counts, total
from .reference_data import STAFF

_SPENT = "0.0000"


def move_stock(world: World, product: int, warehouse: str, quantity: int) -> None:
    """More or less of a product in one warehouse."""
    record = world.collections["product-availability"].edit(product)
    now = record["warehouses"].get(warehouse, counts(0, 0, 0))
    record["warehouses"][warehouse] = counts(now["inStock"] + quantity, now["allocated"], now["inTransit"])
    record["total"] = total(record["warehouses"])


def moved(
    world: World, note: int, product: int, warehouse: int, quantity: int, kind: str, value: str
) -> None:
    """Keep the movement that a note caused."""
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
        "updatedOn": world.stamp(),
    }
    world.collections["goods-movement"].add(made)


def new_note(
    world: World, order: Record, warehouse: int, rows: Record, method: int, more: Record | None = None
) -> int:
    """A goods-out note that was just placed; `rows` are the parts by order row."""
    stamp, notes = world.stamp(), world.collections["goods-out-note"]
    made = {
        "orderId": order["id"],
        "warehouseId": warehouse,
        "channelId": order["assignment"]["current"]["channelId"],
        "transfer": False,
        "priority": False,
        "status": progress(None),
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
    return notes.add(made | (more or {}))


def ship(world: World, note: Record) -> None:
    """What leaving the warehouse does: less stock, movements that tell of it, an order nearer to its end."""
    stock = world.collections["product-availability"]
    for part in (part for parts in note["orderRows"].values() for part in parts):
        if stock.has(part["productId"]):
            move_stock(world, part["productId"], str(note["warehouseId"]), -part["quantity"])
            moved(
                world,
                note["goodsOutNoteId"],
                part["productId"],
                note["warehouseId"],
                -part["quantity"],
                "GO",
                _SPENT,
            )
    settle(world, note["orderId"])


def settle(world: World, order_id: int) -> None:
    """Give an order the codes that fit what was shipped of it."""
    order = world.collections["order"].edit(order_id)
    left = owed(world, order)
    gone = shipped(world, order_id)
    if not any(quantity > 0 for quantity in left.values()):
        order |= {"shippingStatusCode": "ASS", "stockStatusCode": "SOA", "allocationStatusCode": "AAA"}
    elif gone:
        order |= {"shippingStatusCode": "SPS", "stockStatusCode": "SOP", "allocationStatusCode": "APA"}
    world.touch(order)


def owed(world: World, order: Record) -> dict[str, int]:
    """What is still to be shipped, by order row: of rows whose product has stock, less what was shipped."""
    gone, stock = shipped(world, order["id"]), world.collections["product-availability"]
    return {
        row: int(Decimal(line["quantity"]["magnitude"])) - gone.get(row, 0)
        for row, line in order["orderRows"].items()
        if stock.has(line["productId"]) or row in gone
    }


def shipped(world: World, order_id: int) -> dict[str, int]:
    """Quantities that left for an order, by row, from our warehouses and from suppliers."""
    found: dict[str, int] = {}
    for note in notes_of(world, order_id):
        if note["status"]["shipped"]:
            for row, parts in note["orderRows"].items():
                found[row] = found.get(row, 0) + sum(part["quantity"] for part in parts)
    return found


def notes_of(world: World, order_id: int) -> list[Record]:
    """The goods-out and drop-ship notes of an order."""
    source = world.collections["goods-out-note"]
    orders = source.base.columns.get("orderId")
    places = [] if orders is None else (orders == order_id).nonzero()[0].tolist()
    ids = dict.fromkeys([*(int(source.base.ids[at]) for at in places), *source.changed])
    notes = [note for id in ids if (note := source.get(id)) is not None]
    return [note for note in (*notes, *world.collections["drop-ship-note"]) if note["orderId"] == order_id]
