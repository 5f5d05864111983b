"""order-service: what changes orders (reference, section 4.3)."""

from __future__ import annotations

from decimal import Decimal

from .. import json_patch, reference_data
from ..call import Call, Failure, answer, missing, one, ranges
from ..collection import Record
from ..money import number, places
from ..reference_data import BASE_CURRENCY, STAFF
from ..resources import custom_fields, existing, held, serves
from .order_building import address, delivery, make_row, new_order, party_of, priced, status, stored, sum_up

S = "order-service/"
_ALLOWED = {
    "/reference": ("replace", "remove"),
    "/warehouseId": ("replace",),
    "/delivery/shippingMethodId": ("replace", "remove"),
    "/delivery/deliveryDate": ("replace",),
    "/parties/customer/contactId": ("replace",),
    "/parties/billing/contactId": ("replace",),
}


@serves("POST", S + "order")
def post_order(call: Call) -> Record:
    """A new order without rows; its reference need not be unique."""
    body = call.record()
    kind = body.get("orderTypeCode")
    if not kind:
        raise Failure(400, "ORDC-005", "Order type code missing")
    if kind not in reference_data.TYPE_IDS:
        raise Failure(400, "ORDC-006", f"Order type code {kind} is not valid")
    side = "supplier" if kind in ("PO", "PC") else "customer"
    parties = body.get("parties") or {}
    contact = (parties.get(side) or {}).get("contactId")
    if not isinstance(contact, int):
        raise Failure(
            400,
            *(
                ("ORDC-022", "Suppllier ID Required.")
                if side == "supplier"
                else ("ORDC-021", "Customer ID Required.")
            ),
        )
    record = new_order(call, kind, contact)
    _take(call, record, body)
    for name, given in parties.items():
        if name in record["parties"]:
            address(record["parties"][name], given)
    return answer(stored(call, record))


def _take(call: Call, record: Record, body: Record) -> None:
    for key in ("reference", "priceListId", "priceModeCode", "warehouseId", "externalRef"):
        if body.get(key) is not None:
            record[key] = body[key]
    if body.get("installedIntegrationInstanceId"):
        record["installedIntegrationInstanceId"] = body["installedIntegrationInstanceId"]
    if placed := call.world.zone.read(body.get("placedOn")):
        record["placedOn"] = call.world.zone.text(int(placed))
    if body.get("orderStatus"):
        record["orderStatus"] = status(call, body["orderStatus"].get("orderStatusId"))
    if given := body.get("currency"):
        record["currency"] = priced(given.get("orderCurrencyCode", BASE_CURRENCY), given)
    json_patch.merge(record["assignment"], body.get("assignment") or {})
    delivery(call, record, body.get("delivery") or {}, "deliveryDate")


def _order(call: Call) -> Record:
    id = existing(call, "order", call.parts[0], "No Order Found")
    return held(call, "order").edit(id)


@serves("POST", S + "order/{}/row")
def post_order_row(call: Call) -> Record:
    """One more row; the parent of a bundle brings its children."""
    order, given = _order(call), call.record()
    id, row = make_row(call, order, given)
    order["orderRows"][str(id)] = row
    bundle = (held(call, "product").get(row["productId"]) or {}).get("composition", {})
    if bundle.get("bundle"):
        row["composition"] = {"bundleParent": True, "bundleChild": False, "parentOrderRowId": 0}
        for part in bundle["bundleComponents"]:
            child, made = make_row(
                call,
                order,
                {
                    "productId": part["productId"],
                    "rowValue": {"taxCode": row["rowValue"]["taxCode"]},
                    "quantity": {
                        "magnitude": Decimal(part["productQuantity"]) * Decimal(row["quantity"]["magnitude"])
                    },
                },
            )
            made["composition"] = {"bundleParent": False, "bundleChild": True, "parentOrderRowId": id}
            order["orderRows"][str(child)] = made
    sum_up(call, order)
    call.world.touch(order)
    return answer(id)


@serves("PATCH", S + "order/{}/row/{}")
def patch_order_row(call: Call) -> Record:
    """Change a row; a new net value brings its tax along."""
    order, row = _order(call), None
    row = order["orderRows"].get(call.parts[1])
    if row is None:
        raise missing("No Order Row Found")
    for operation in json_patch.operations(call.json()):
        if operation.get("op") != "replace" or operation["path"] not in _ROW_PATHS:
            raise json_patch.invalid(operation)
        value = number(operation.get("value"))
        if value is None:
            raise json_patch.invalid(operation)
        json_patch.write(row, operation["path"], places(value, _ROW_PATHS[operation["path"]]))
        if operation["path"] == "/rowValue/rowNet/value":
            row["rowValue"]["rowTax"]["value"] = places(value * Decimal(row["rowValue"]["taxRate"]) / 100, 2)
    sum_up(call, order)
    call.world.touch(order)
    return answer(row)


_ROW_PATHS = {"/rowValue/rowNet/value": 4, "/rowValue/rowTax/value": 2, "/quantity/magnitude": 4}


@serves("DELETE", S + "order/{}/row/{}")
def delete_order_row(call: Call) -> Record:
    """Remove a row."""
    order = _order(call)
    if order["orderRows"].pop(call.parts[1], None) is None:
        raise missing("No Order Row Found")
    sum_up(call, order)
    call.world.touch(order)
    return {}


@serves("PATCH", S + "order/{}")
def patch_order(call: Call) -> Record:
    """The few changes an order allows; gives the order."""
    changes = json_patch.operations(call.json())
    existing(call, "order", call.parts[0], "No Order Found")
    for operation in changes:
        if operation.get("op") not in _ALLOWED.get(str(operation["path"]), ()):
            raise json_patch.invalid(operation)
    order = _order(call)
    for operation in changes:
        _apply(call, order, operation)
    return answer([_visible(call.world.touch(order))])


def _apply(call: Call, order: Record, operation: Record) -> None:
    path, value = operation["path"], operation.get("value")
    if path == "/delivery/deliveryDate":
        delivery(call, order, {"deliveryDate": value}, "deliveryDate")
    elif path.startswith("/parties") and (order["state"]["tax"] == "INVOICED" or not isinstance(value, int)):
        raise json_patch.invalid(operation)
    elif path.startswith("/parties"):
        order["parties"][path.split("/")[2]] = party_of(call, int(str(value)))
    elif path == "/reference" and len(str(value or "")) > 64:
        raise Failure(400, "ORDC-031", "The reference is longer than 64 characters")  # INFERRED code
    else:
        json_patch.write(order, path, None if operation["op"] == "remove" else value)


def _visible(order: Record) -> Record:
    return {key: value for key, value in order.items() if key not in ("customFields", "nullCustomFields")}


@serves("PUT", S + "order/{}/status")
def put_order_status(call: Call) -> Record:
    """Another status, with a note if one is sent."""
    existing(call, "order", call.parts[0], "No Order Found")
    body = call.record()
    wanted = status(call, body.get("orderStatusId"))
    order = _order(call)
    order["orderStatus"] = wanted
    call.world.touch(order)
    if isinstance(body.get("orderNote"), dict):
        _note(call, order, body["orderNote"])
    return {}


def _note(call: Call, order: Record, given: Record) -> int:
    added = call.world.zone.read(given.get("addedOn"))
    text = call.world.zone.text(int(added)) if added else call.world.stamp()
    found = {
        "orderId": order["id"],
        "contactId": order["parties"].get("customer", {}).get("contactId", 0),
        "text": given.get("text") or "",
        "noteText": given.get("text") or "",
        "isPublic": bool(given.get("isPublic")),
        "addedOn": text,
        "dateAdded": text,
        "addedBy": STAFF,
        "orderStatusId": order["orderStatus"]["orderStatusId"],
        "fileId": given.get("fileId") or 0,
    }
    return held(call, "order-note").add(found)


@serves("POST", S + "order/{}/note")
def post_order_note(call: Call) -> Record:
    """One more note; it does not touch the order."""
    id = existing(call, "order", call.parts[0], "No Order Found")
    return answer(_note(call, held(call, "order").get(id) or {}, call.record()))


@serves("GET", S + "order/{}/note")
def get_order_notes(call: Call) -> Record:
    """The notes of an order."""
    return _notes(call, None)


@serves("GET", S + "order/{}/note/{}")
def get_order_note(call: Call) -> Record:
    """Some notes of an order."""
    return _notes(call, ranges(call.parts[1], 200))


def _notes(call: Call, wanted: list[tuple[int, int]] | None) -> Record:
    keys = ("noteId", "contactId", "text", "isPublic", "addedOn", "addedBy", "orderStatusId", "fileId")
    found = [
        {key: note[key] for key in keys}
        for note in held(call, "order-note")
        if note["orderId"] == one(call.parts[0])
        and (wanted is None or any(first <= note["noteId"] <= last for first, last in wanted))
    ]
    if not found:
        raise missing("No notes found")
    return answer(found)


@serves("GET", S + "order/{}/custom-field")
def get_order_custom_field(call: Call) -> Record:
    """The custom fields of one order."""
    return custom_fields(call, "order", reference_data.ORDER_FIELDS)


@serves("PATCH", S + "order/{}/custom-field")
def patch_order_custom_field(call: Call) -> Record:
    """Set custom fields of one order."""
    return custom_fields(call, "order", reference_data.ORDER_FIELDS)


@serves("POST", S + "order-status")
def post_order_status(call: Call) -> Record:
    """One more status."""
    body = call.record()
    made = {"name": body.get("name") or "", "orderTypeCode": body.get("orderTypeCode") or "SO"}
    return answer(held(call, "order-status").add(made | {"color": body.get("color"), "disabled": False}))
