"""warehouse-service: notes of goods that a supplier sends to the customer (reference, section 4.5)."""

from __future__ import annotations

from ..call import Call, Failure, answer, missing, ranges
from ..collection import Record
from ..reference_data import STAFF
from ..resources import existing, held, serves
from ..stock_movements import settle

S = "warehouse-service/"
NOTE = "goods-note/drop-ship"
_HIDDEN = ("dropShipNoteId",)


@serves("GET", S + "order/{}/" + NOTE + "/{}")
def get_drop_ship_note(call: Call) -> Record:
    """Drop-ship notes as a map by id, of some orders or (`*`) of any."""
    wanted = set(held(call, "drop-ship-note").within(ranges(call.parts[1], 200)))
    return _notes(call, wanted)


@serves("GET", S + "order/{}/" + NOTE)
def get_drop_ship_notes(call: Call) -> Record:
    """All drop-ship notes of some orders."""
    return _of_orders(call)


@serves("GET", S + "order/{}/" + NOTE + "/")
def get_drop_ship_notes_all(call: Call) -> Record:
    """The same, with the empty id set that goods-out notes show."""
    return _of_orders(call)


def _of_orders(call: Call) -> Record:
    if call.parts[0] == "*":
        raise Failure(400, "CMNC-011", "An ID set is required")
    return _notes(call, None)


def _notes(call: Call, wanted: set[int] | None) -> Record:
    spans = None if call.parts[0] == "*" else ranges(call.parts[0], 200)
    found = {}
    for note in held(call, "drop-ship-note"):
        of_these = spans is None or any(a <= note["orderId"] <= b for a, b in spans)
        if of_these and (wanted is None or note["dropShipNoteId"] in wanted):
            found[str(note["dropShipNoteId"])] = {k: v for k, v in note.items() if k not in _HIDDEN}
    if not found:
        raise missing("No drop ship notes found")
    return answer(found)


@serves("POST", S + "order/{}/" + NOTE)
def post_drop_ship_note(call: Call) -> Record:
    """New notes, one for each supplier."""
    id = existing(call, "order", call.parts[0], "No Order Found")
    order = held(call, "order").edit(id)
    made = []
    for given in call.record().get("suppliers") or []:
        rows: dict[str, list[Record]] = {}
        for item in given.get("products") or []:
            if str(item.get("salesOrderRowId")) not in order["orderRows"]:
                text = f"Row {item.get('salesOrderRowId')} is not of this order"
                raise Failure(400, "WHSC-080", text)  # INFERRED
            line = {"productId": item["productId"], "quantity": item["quantity"]}
            rows.setdefault(str(item["salesOrderRowId"]), []).append(line)
        made.append(_placed(call, id, given, rows))
    order["isDropship"] = True
    call.world.touch(order)
    return answer(made)


def _placed(call: Call, order: int, given: Record, rows: Record) -> int:
    stamp = call.world.stamp()
    note = {
        "orderId": order,
        "purchaseOrderId": given.get("purchaseOrderId") or 0,
        "supplierId": given.get("supplierId") or 0,
        "status": {"shipped": False},
        "orderRows": rows,
        "events": [{"occured": stamp, "eventOwnerId": STAFF, "eventCode": "PLA"}],
    }
    return held(call, "drop-ship-note").add(note)


@serves("POST", S + NOTE + "/{}/event")
def post_drop_ship_event(call: Call) -> Record:
    """The supplier has shipped."""
    id = existing(call, "drop-ship-note", call.parts[0], "No drop ship notes found")
    note = held(call, "drop-ship-note").edit(id)
    if note["status"]["shipped"]:
        raise Failure(400, "WHSC-081", "The note has been shipped")  # INFERRED code
    for event in call.record().get("events") or []:
        if event.get("eventCode") != "SHS":
            raise Failure(
                400, "WHSC-082", f"Event code {event.get('eventCode')} is not valid"
            )  # INFERRED code
        at = call.world.zone.read(event.get("occured"))
        text = call.world.zone.text(int(at)) if at else call.world.stamp()
        owner = event.get("eventOwnerId") or STAFF
        note["status"] = {"shipped": True, "shippedOn": text, "shippedById": owner}
        note["events"].append({"occured": text, "eventOwnerId": owner, "eventCode": "SHS"})
        settle(call.world, note["orderId"])
    return {}
