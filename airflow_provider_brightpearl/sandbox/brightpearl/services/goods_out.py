"""warehouse-service: goods-out notes and what happens to them (reference, section 4.5)."""

from __future__ import annotations

from ..call import Call, Failure, answer, missing, one, ranges
from ..collection import Record
from ..generated.order_documents import progress
from ..reference_data import STAFF
from ..resources import existing, held, serves
from ..stock_movements import new_note, ship
from .warehouse import S

NOTE = "goods-note/goods-out"


@serves("GET", S + "order/{}/" + NOTE + "/{}")
def get_goods_out_note(call: Call) -> Record:
    """Goods-out notes as a map by id, of some orders or (`*`) of any."""
    ids = held(call, "goods-out-note").within(ranges(call.parts[1], 500))
    return _notes(call, ids)


@serves("GET", S + "order/{}/" + NOTE)
def get_goods_out_notes(call: Call) -> Record:
    """All goods-out notes of some orders."""
    return _notes_of_orders(call)


@serves("GET", S + "order/{}/" + NOTE + "/")
def get_goods_out_notes_all(call: Call) -> Record:
    """The same, with the empty id set the reference shows."""
    return _notes_of_orders(call)


def _notes_of_orders(call: Call) -> Record:
    source = held(call, "goods-out-note")
    if call.parts[0] == "*":
        raise Failure(400, "CMNC-011", "An ID set is required")
    spans = ranges(call.parts[0], 200)
    orders = source.base.columns["orderId"]
    ids = [int(source.base.ids[at]) for a, b in spans for at in ((orders >= a) & (orders <= b)).nonzero()[0]]
    return _notes(call, [*ids, *source.changed])


def _notes(call: Call, ids: list[int]) -> Record:
    spans = None if call.parts[0] == "*" else ranges(call.parts[0], 200)
    found = {}
    for id in dict.fromkeys(ids):
        note = held(call, "goods-out-note").get(id)
        if note and (spans is None or any(a <= note["orderId"] <= b for a, b in spans)):
            found[str(id)] = {k: v for k, v in note.items() if k not in ("goodsOutNoteId", "channelId")}
    if not found:
        raise missing("No goods out notes found")
    return answer(found)


@serves("POST", S + "order/{}/" + NOTE)
def post_goods_out_note(call: Call) -> Record:
    """New notes, one for each warehouse."""
    id = existing(call, "order", call.parts[0], "No Order Found")
    body, order = call.record(), held(call, "order").get(id) or {}
    made = []
    for given in body.get("warehouses") or []:
        parts: dict[str, list[Record]] = {}
        for item in given.get("products") or []:
            if str(item.get("salesOrderRowId")) not in order["orderRows"]:
                raise Failure(
                    400, "WHSC-080", f"Row {item.get('salesOrderRowId')} is not of this order"
                )  # INFERRED
            line = {"productId": item["productId"], "quantity": item["quantity"], "locationId": 2}
            parts.setdefault(str(item["salesOrderRowId"]), []).append(line)
        made.append(_new_note(call, order, given, parts, body))
    call.world.touch(held(call, "order").edit(id))
    return answer(made)


def _new_note(call: Call, order: Record, given: Record, parts: Record, body: Record) -> int:
    more = {
        "transfer": bool(given.get("transfer")),
        "priority": bool(body.get("priority")),
        "labelUri": body.get("labelUri") or "",
    }
    if given.get("releaseDate"):
        more["releaseDate"] = given["releaseDate"]
    return new_note(call.world, order, given["warehouseId"], parts, body.get("shippingMethodId") or 0, more)


@serves("PUT", S + NOTE + "/{}")
def put_goods_out_note(call: Call) -> Record:
    """Change the shipping of a note that was not shipped yet."""
    note = _open(call)
    body = call.record()
    note["shipping"] |= body.get("shipping") or {}
    note |= {key: body[key] for key in ("priority", "labelUri") if key in body}
    return {}


def _open(call: Call) -> Record:
    id = existing(call, "goods-out-note", call.parts[-1], "No goods out notes found")
    if (held(call, "goods-out-note").get(id) or {})["status"]["shipped"]:
        raise Failure(400, "WHSC-081", "The note has been shipped")  # INFERRED code
    return held(call, "goods-out-note").edit(id)


@serves("DELETE", S + "order/{}/" + NOTE + "/{}")
def delete_goods_out_note(call: Call) -> Record:
    """Remove a note that was not shipped yet."""
    _open(call)
    held(call, "goods-out-note").remove(one(call.parts[1]))
    return {}


@serves("POST", S + NOTE + "/{}/event")
def post_goods_out_event(call: Call) -> Record:
    """Print, pick, pack, ship; shipping brings whatever of the earlier ones is missing."""
    note = _open(call)
    for event in call.record().get("events") or []:
        code = event.get("eventCode")
        if code not in _STEPS:
            raise Failure(400, "WHSC-082", f"Event code {code} is not valid")  # INFERRED code
        at = call.world.zone.read(event.get("occured"))
        text = call.world.zone.text(int(at)) if at else call.world.stamp()
        _advance(note, code, text)
        note["events"].append(
            {"occured": text, "eventOwnerId": event.get("eventOwnerId") or STAFF, "eventCode": code}
        )
        note["lastEventVersion"] += 1
        if code == "SHW":
            ship(call.world, note)
    return {}


_STEPS = {"PRI": "printed", "PIC": "picked", "PAC": "packed", "SHW": "shipped"} | {
    "UPR": "-printed",
    "UPI": "-picked",
    "UPA": "-packed",
}


def _advance(note: Record, code: str, text: str) -> None:
    step = _STEPS[code]
    if code == "SHW":
        note["status"] = progress(text) | {k: v for k, v in note["status"].items() if v not in (False, True)}
    elif step.startswith("-"):
        note["status"][step[1:]] = False
        for suffix in ("On", "ById"):
            note["status"].pop(step[1:] + suffix, None)
    else:
        note["status"] |= {step: True, f"{step}On": text, f"{step}ById": STAFF}
