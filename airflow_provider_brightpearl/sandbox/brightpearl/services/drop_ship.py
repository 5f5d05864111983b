"""warehouse-service: drop-ship notes, for goods that a supplier sends to the customer (reference, section 4.5)."""

from __future__ import annotations

from ..call import Call, ServiceError, id_ranges, response
from ..collection import Record
from ..reference_data import STAFF
from ..resources import collection, require_id, route
from ..stock_movements import unassigned_quantities, update_shipping_status
from .goods_notes import notes_of_orders, parts_by_order_row, require_order_ids

BASE = "warehouse-service/"
NOTE = "goods-note/drop-ship"
NOTES = "drop-ship-note"
_HIDDEN = ("dropShipNoteId",)
_MISSING = "No drop ship notes found"


@route("GET", BASE + "order/{}/" + NOTE + "/{}")
def get_drop_ship_note(call: Call) -> Record:
    """Drop-ship notes as a map by id, of some orders or (`*`) of any."""
    ids = collection(call, NOTES).within(id_ranges(call.path_args[1], 200))
    return notes_of_orders(call, NOTES, sorted(ids), _HIDDEN, _MISSING)


@route("GET", BASE + "order/{}/" + NOTE)
def get_drop_ship_notes(call: Call) -> Record:
    """All drop-ship notes of some orders."""
    return _of_orders(call)


@route("GET", BASE + "order/{}/" + NOTE + "/")
def get_drop_ship_notes_all(call: Call) -> Record:
    """The same, by the path with an empty note id set, as for goods-out notes."""
    return _of_orders(call)


def _of_orders(call: Call) -> Record:
    require_order_ids(call)
    return notes_of_orders(call, NOTES, collection(call, NOTES).ids(), _HIDDEN, _MISSING)


@route("POST", BASE + "order/{}/" + NOTE)
def post_drop_ship_note(call: Call) -> Record:
    """Create notes, one per supplier."""
    id = require_id(call, "order", call.path_args[0], "No Order Found")
    order = collection(call, "order").edit(id)
    left = unassigned_quantities(call.account, order)
    wanted = [
        (given, parts_by_order_row(given, order, {}, left))
        for given in call.json_object().get("suppliers") or []
    ]
    made = [_create(call, id, given, rows) for given, rows in wanted]
    order["isDropship"] = True
    call.account.touch(order)
    return response(made)


def _create(call: Call, order: int, given: Record, rows: Record) -> int:
    stamp = call.account.stamp()
    note = {
        "orderId": order,
        "purchaseOrderId": given.get("purchaseOrderId") or 0,
        "supplierId": given.get("supplierId") or 0,
        "status": {"shipped": False},
        "orderRows": rows,
        "events": [{"occured": stamp, "eventOwnerId": STAFF, "eventCode": "PLA"}],
    }
    id = collection(call, NOTES).add(note)
    call.account.webhooks.raise_event("drop-ship-note.created", id)
    return id


@route("POST", BASE + NOTE + "/{}/event")
def post_drop_ship_event(call: Call) -> Record:
    """Mark a note as shipped by the supplier."""
    id = require_id(call, NOTES, call.path_args[0], _MISSING)
    note = collection(call, NOTES).edit(id)
    if note["status"]["shipped"]:
        raise ServiceError(400, "WHSC-081", "The note has already been shipped")  # INFERRED code
    for event in call.json_object().get("events") or []:
        if event.get("eventCode") != "SHS":
            raise ServiceError(
                400, "WHSC-082", f"Event code {event.get('eventCode')} is not valid"
            )  # INFERRED code
        at = call.account.zone.parse(event.get("occured"))
        text = call.account.zone.format(int(at)) if at else call.account.stamp()
        owner = event.get("eventOwnerId") or STAFF
        note["status"] = {"shipped": True, "shippedOn": text, "shippedById": owner}
        note["events"].append({"occured": text, "eventOwnerId": owner, "eventCode": "SHS"})
        call.account.webhooks.raise_event("drop-ship-note.modified.shipped", id)
        update_shipping_status(call.account, note["orderId"])
    return {}
