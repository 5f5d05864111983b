"""warehouse-service: drop-ship notes, for goods that a supplier sends to the customer (reference, section 4.5)."""

from __future__ import annotations

from ..call import Call, ServiceError, id_ranges, not_found, response
from ..collection import Record
from ..reference_data import STAFF
from ..resources import collection, require_id, route
from ..stock_movements import update_shipping_status

BASE = "warehouse-service/"
NOTE = "goods-note/drop-ship"
_HIDDEN = ("dropShipNoteId",)


@route("GET", BASE + "order/{}/" + NOTE + "/{}")
def get_drop_ship_note(call: Call) -> Record:
    """Drop-ship notes as a map by id, of some orders or (`*`) of any."""
    wanted = set(collection(call, "drop-ship-note").within(id_ranges(call.path_args[1], 200)))
    return _notes(call, wanted)


@route("GET", BASE + "order/{}/" + NOTE)
def get_drop_ship_notes(call: Call) -> Record:
    """All drop-ship notes of some orders."""
    return _of_orders(call)


@route("GET", BASE + "order/{}/" + NOTE + "/")
def get_drop_ship_notes_all(call: Call) -> Record:
    """The same, by the path with an empty note id set, as for goods-out notes."""
    return _of_orders(call)


def _of_orders(call: Call) -> Record:
    if call.path_args[0] == "*":
        raise ServiceError(400, "CMNC-011", "An ID set is required")
    return _notes(call, None)


def _notes(call: Call, wanted: set[int] | None) -> Record:
    spans = None if call.path_args[0] == "*" else id_ranges(call.path_args[0], 200)
    found = {}
    for note in collection(call, "drop-ship-note"):
        of_these = spans is None or any(a <= note["orderId"] <= b for a, b in spans)
        if of_these and (wanted is None or note["dropShipNoteId"] in wanted):
            found[str(note["dropShipNoteId"])] = {k: v for k, v in note.items() if k not in _HIDDEN}
    if not found:
        raise not_found("No drop ship notes found")
    return response(found)


@route("POST", BASE + "order/{}/" + NOTE)
def post_drop_ship_note(call: Call) -> Record:
    """Create notes, one per supplier."""
    id = require_id(call, "order", call.path_args[0], "No Order Found")
    order = collection(call, "order").edit(id)
    made = []
    for given in call.json_object().get("suppliers") or []:
        rows: dict[str, list[Record]] = {}
        for item in given.get("products") or []:
            if str(item.get("salesOrderRowId")) not in order["orderRows"]:
                text = f"Row {item.get('salesOrderRowId')} does not belong to this order"
                raise ServiceError(400, "WHSC-080", text)  # INFERRED
            line = {"productId": item["productId"], "quantity": item["quantity"]}
            rows.setdefault(str(item["salesOrderRowId"]), []).append(line)
        made.append(_placed(call, id, given, rows))
    order["isDropship"] = True
    call.account.touch(order)
    return response(made)


def _placed(call: Call, order: int, given: Record, rows: Record) -> int:
    stamp = call.account.stamp()
    note = {
        "orderId": order,
        "purchaseOrderId": given.get("purchaseOrderId") or 0,
        "supplierId": given.get("supplierId") or 0,
        "status": {"shipped": False},
        "orderRows": rows,
        "events": [{"occured": stamp, "eventOwnerId": STAFF, "eventCode": "PLA"}],
    }
    return collection(call, "drop-ship-note").add(note)


@route("POST", BASE + NOTE + "/{}/event")
def post_drop_ship_event(call: Call) -> Record:
    """Mark a note as shipped by the supplier."""
    id = require_id(call, "drop-ship-note", call.path_args[0], "No drop ship notes found")
    note = collection(call, "drop-ship-note").edit(id)
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
        update_shipping_status(call.account, note["orderId"])
    return {}
