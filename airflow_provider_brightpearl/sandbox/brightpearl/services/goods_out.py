"""warehouse-service: goods-out notes and their events (reference, section 4.5)."""

from __future__ import annotations

from ..call import Call, ServiceError, id_ranges, response, single_id
from ..collection import Record
from ..generated.order_documents import note_status
from ..reference_data import STAFF
from ..resources import collection, require_id, route
from ..stock_movements import create_goods_out_note, ship_note, unassigned_quantities
from .goods_notes import notes_of_orders, parts_by_order_row, require_order_ids
from .warehouse import BASE

NOTE = "goods-note/goods-out"
NOTES = "goods-out-note"
_HIDDEN = ("goodsOutNoteId", "channelId")
_MISSING = "No goods out notes found"


@route("GET", BASE + "order/{}/" + NOTE + "/{}")
def get_goods_out_note(call: Call) -> Record:
    """Goods-out notes as a map by id, of some orders or (`*`) of any."""
    ids = collection(call, NOTES).within(id_ranges(call.path_args[1], 500))
    return notes_of_orders(call, NOTES, ids, _HIDDEN, _MISSING)


@route("GET", BASE + "order/{}/" + NOTE)
def get_goods_out_notes(call: Call) -> Record:
    """All goods-out notes of some orders."""
    return _notes_of_orders(call)


@route("GET", BASE + "order/{}/" + NOTE + "/")
def get_goods_out_notes_all(call: Call) -> Record:
    """The same, by the path with an empty note id set."""
    return _notes_of_orders(call)


def _notes_of_orders(call: Call) -> Record:
    source = collection(call, NOTES)
    require_order_ids(call)
    spans = id_ranges(call.path_args[0], 200)
    orders = source.generated.columns["orderId"]
    ids = [
        int(source.generated.ids[at]) for a, b in spans for at in ((orders >= a) & (orders <= b)).nonzero()[0]
    ]
    return notes_of_orders(call, NOTES, [*ids, *source.changed], _HIDDEN, _MISSING)


@route("POST", BASE + "order/{}/" + NOTE)
def post_goods_out_note(call: Call) -> Record:
    """Create notes, one per warehouse."""
    id = require_id(call, "order", call.path_args[0], "No Order Found")
    body, order = call.json_object(), collection(call, "order").get(id) or {}
    left = unassigned_quantities(call.account, order)
    wanted = [
        (given, parts_by_order_row(given, order, {"locationId": 2}, left))
        for given in body.get("warehouses") or []
    ]
    made = [_new_note(call, order, given, parts, body) for given, parts in wanted]
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
    id = require_id(call, NOTES, call.path_args[-1], _MISSING)
    if (collection(call, NOTES).get(id) or {})["status"]["shipped"]:
        raise ServiceError(400, "WHSC-081", "The note has already been shipped")  # INFERRED code
    return collection(call, NOTES).edit(id)


@route("DELETE", BASE + "order/{}/" + NOTE + "/{}")
def delete_goods_out_note(call: Call) -> Record:
    """Delete a note that is not yet shipped."""
    _open(call)
    id = single_id(call.path_args[1])
    collection(call, NOTES).remove(id)
    call.account.webhooks.raise_event("goods-out-note.destroyed", id)
    return {}


@route("POST", BASE + NOTE + "/{}/event")
def post_goods_out_event(call: Call) -> Record:
    """Record events: print, pick, pack, ship; shipping completes the earlier steps."""
    note = _open(call)
    known = call.headers.get("if-match")
    if known is not None and known.strip('"') != str(note["lastEventVersion"]):
        raise ServiceError(412, "WHSC-085", "The note has events that this request does not know")  # INFERRED
    events = call.json_object().get("events") or []
    codes = [event.get("eventCode") for event in events]
    for code in codes:  # all are checked before the first one happens
        if code not in _STEPS:
            raise ServiceError(400, "WHSC-082", f"Event code {code} is not valid")  # INFERRED code
    if "SHW" in codes[:-1]:
        raise ServiceError(400, "WHSC-081", "The note has already been shipped")  # INFERRED code
    for event, code in zip(events, codes, strict=True):
        at = call.account.zone.parse(event.get("occured"))
        text = call.account.zone.format(int(at)) if at else call.account.stamp()
        _advance(note, code, text)
        note["events"].append(
            {"occured": text, "eventOwnerId": event.get("eventOwnerId") or STAFF, "eventCode": code}
        )
        note["lastEventVersion"] += 1
        if code == "SHW":
            ship_note(call.account, note)
        else:
            step = _STEPS[code].replace("-", "un-")
            call.account.webhooks.raise_event(f"goods-out-note.modified.{step}", single_id(call.path_args[0]))
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
