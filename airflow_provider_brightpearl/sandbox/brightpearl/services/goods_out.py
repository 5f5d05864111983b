"""warehouse-service: goods-out notes and their events (reference, section 4.5)."""

from __future__ import annotations

from ..call import Call, ServiceError, id_ranges, not_found, response, single_id
from ..collection import Record
from ..generated.order_documents import note_status
from ..reference_data import STAFF
from ..resources import collection, require_id, route
from ..stock_movements import create_goods_out_note, ship_note
from .warehouse import BASE

NOTE = "goods-note/goods-out"


@route("GET", BASE + "order/{}/" + NOTE + "/{}")
def get_goods_out_note(call: Call) -> Record:
    """Goods-out notes as a map by id, of some orders or (`*`) of any."""
    ids = collection(call, "goods-out-note").within(id_ranges(call.path_args[1], 500))
    return _notes(call, ids)


@route("GET", BASE + "order/{}/" + NOTE)
def get_goods_out_notes(call: Call) -> Record:
    """All goods-out notes of some orders."""
    return _notes_of_orders(call)


@route("GET", BASE + "order/{}/" + NOTE + "/")
def get_goods_out_notes_all(call: Call) -> Record:
    """The same, by the path with an empty note id set."""
    return _notes_of_orders(call)


def _notes_of_orders(call: Call) -> Record:
    source = collection(call, "goods-out-note")
    if call.path_args[0] == "*":
        raise ServiceError(400, "CMNC-011", "An ID set is required")
    spans = id_ranges(call.path_args[0], 200)
    orders = source.generated.columns["orderId"]
    ids = [
        int(source.generated.ids[at]) for a, b in spans for at in ((orders >= a) & (orders <= b)).nonzero()[0]
    ]
    return _notes(call, [*ids, *source.changed])


def _notes(call: Call, ids: list[int]) -> Record:
    spans = None if call.path_args[0] == "*" else id_ranges(call.path_args[0], 200)
    found = {}
    for id in dict.fromkeys(ids):
        note = collection(call, "goods-out-note").get(id)
        if note and (spans is None or any(a <= note["orderId"] <= b for a, b in spans)):
            found[str(id)] = {k: v for k, v in note.items() if k not in ("goodsOutNoteId", "channelId")}
    if not found:
        raise not_found("No goods out notes found")
    return response(found)


@route("POST", BASE + "order/{}/" + NOTE)
def post_goods_out_note(call: Call) -> Record:
    """Create notes, one per warehouse."""
    id = require_id(call, "order", call.path_args[0], "No Order Found")
    body, order = call.json_object(), collection(call, "order").get(id) or {}
    made = []
    for given in body.get("warehouses") or []:
        parts: dict[str, list[Record]] = {}
        for item in given.get("products") or []:
            if str(item.get("salesOrderRowId")) not in order["orderRows"]:
                raise ServiceError(
                    400, "WHSC-080", f"Row {item.get('salesOrderRowId')} does not belong to this order"
                )  # INFERRED
            line = {"productId": item["productId"], "quantity": item["quantity"], "locationId": 2}
            parts.setdefault(str(item["salesOrderRowId"]), []).append(line)
        made.append(_new_note(call, order, given, parts, body))
    call.account.touch(collection(call, "order").edit(id))
    return response(made)


def _new_note(call: Call, order: Record, given: Record, parts: Record, body: Record) -> int:
    more = {
        "transfer": bool(given.get("transfer")),
        "priority": bool(body.get("priority")),
        "labelUri": body.get("labelUri") or "",
    }
    if given.get("releaseDate"):
        more["releaseDate"] = given["releaseDate"]
    return create_goods_out_note(
        call.account, order, given["warehouseId"], parts, body.get("shippingMethodId") or 0, more
    )


@route("PUT", BASE + NOTE + "/{}")
def put_goods_out_note(call: Call) -> Record:
    """Change the shipping details of a note that is not yet shipped."""
    note = _open(call)
    body = call.json_object()
    note["shipping"] |= body.get("shipping") or {}
    note |= {key: body[key] for key in ("priority", "labelUri") if key in body}
    return {}


def _open(call: Call) -> Record:
    id = require_id(call, "goods-out-note", call.path_args[-1], "No goods out notes found")
    if (collection(call, "goods-out-note").get(id) or {})["status"]["shipped"]:
        raise ServiceError(400, "WHSC-081", "The note has already been shipped")  # INFERRED code
    return collection(call, "goods-out-note").edit(id)


@route("DELETE", BASE + "order/{}/" + NOTE + "/{}")
def delete_goods_out_note(call: Call) -> Record:
    """Delete a note that is not yet shipped."""
    _open(call)
    collection(call, "goods-out-note").remove(single_id(call.path_args[1]))
    return {}


@route("POST", BASE + NOTE + "/{}/event")
def post_goods_out_event(call: Call) -> Record:
    """Record events: print, pick, pack, ship; shipping completes the earlier steps."""
    note = _open(call)
    for event in call.json_object().get("events") or []:
        code = event.get("eventCode")
        if code not in _STEPS:
            raise ServiceError(400, "WHSC-082", f"Event code {code} is not valid")  # INFERRED code
        at = call.account.zone.parse(event.get("occured"))
        text = call.account.zone.format(int(at)) if at else call.account.stamp()
        _advance(note, code, text)
        note["events"].append(
            {"occured": text, "eventOwnerId": event.get("eventOwnerId") or STAFF, "eventCode": code}
        )
        note["lastEventVersion"] += 1
        if code == "SHW":
            ship_note(call.account, note)
    return {}


_STEPS = {"PRI": "printed", "PIC": "picked", "PAC": "packed", "SHW": "shipped"} | {
    "UPR": "-printed",
    "UPI": "-picked",
    "UPA": "-packed",
}


def _advance(note: Record, code: str, text: str) -> None:
    step = _STEPS[code]
    if code == "SHW":
        note["status"] = note_status(text) | {
            k: v for k, v in note["status"].items() if v not in (False, True)
        }
    elif step.startswith("-"):
        note["status"][step[1:]] = False
        for suffix in ("On", "ById"):
            note["status"].pop(step[1:] + suffix, None)
    else:
        note["status"] |= {step: True, f"{step}On": text, f"{step}ById": STAFF}
