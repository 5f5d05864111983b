"""order-service: creating and changing orders (reference, section 4.3)."""

from __future__ import annotations

from .. import json_patch, reference_data
from ..call import Call, ServiceError, id_ranges, not_found, response, single_id
from ..collection import Record
from ..money import fixed_decimals, parse_decimal
from ..reference_data import BASE_CURRENCY, STAFF
from ..resources import collection, require_id, route, serve_custom_fields
from .order_building import (
    add_row,
    apply_address,
    apply_delivery,
    apply_tax_date,
    compute_tax,
    new_order,
    order_currency,
    order_status,
    party_of,
    store_order,
    update_totals,
)

BASE = "order-service/"
_ALLOWED = {
    "/reference": ("replace", "remove"),
    "/warehouseId": ("replace",),
    "/delivery/shippingMethodId": ("replace", "remove"),
    "/delivery/deliveryDate": ("replace",),
    "/parties/customer/contactId": ("replace",),
    "/parties/billing/contactId": ("replace",),
}


@route("POST", BASE + "order")
def post_order(call: Call) -> Record:
    """Create an order without rows; its reference need not be unique."""
    body = call.json_object()
    kind = body.get("orderTypeCode")
    if not kind:
        raise ServiceError(400, "ORDC-005", "Order type code missing")
    if kind not in reference_data.TYPE_IDS:
        raise ServiceError(400, "ORDC-006", f"Order type code {kind} is not valid")
    side = "supplier" if kind in ("PO", "PC") else "customer"
    parties = body.get("parties") or {}
    contact = (parties.get(side) or {}).get("contactId")
    if not isinstance(contact, int):
        raise ServiceError(
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
            apply_address(record["parties"][name], given)
    return response(store_order(call, record))


def _take(call: Call, record: Record, body: Record) -> None:
    for key in ("reference", "priceListId", "priceModeCode", "warehouseId", "externalRef"):
        if body.get(key) is not None:
            record[key] = body[key]
    if body.get("installedIntegrationInstanceId"):
        record["installedIntegrationInstanceId"] = body["installedIntegrationInstanceId"]
    if placed := call.account.zone.parse(body.get("placedOn")):
        record["placedOn"] = call.account.zone.format(int(placed))
    if body.get("orderStatus"):
        record["orderStatus"] = order_status(call, body["orderStatus"].get("orderStatusId"))
    if given := body.get("currency"):
        record["currency"] = order_currency(given.get("orderCurrencyCode", BASE_CURRENCY), given)
    json_patch.merge_patch(record["assignment"], body.get("assignment") or {})
    for given in (body.get("invoices") or [])[:1]:
        apply_tax_date(call, record, given.get("taxDate"))
    apply_delivery(call, record, body.get("delivery") or {}, "deliveryDate")


def _order(call: Call) -> Record:
    id = require_id(call, "order", call.path_args[0], "No Order Found")
    return collection(call, "order").edit(id)


def _open_order(call: Call) -> Record:
    """The order of the path. Raises: ServiceError if it is invoiced."""
    order = _order(call)
    if order["state"]["tax"] == "INVOICED" and not call.account.settings["edit_invoiced_orders"]:
        raise ServiceError(400, "ORDC-061", "The order has been invoiced")  # INFERRED code
    return order


@route("POST", BASE + "order/{}/row")
def post_order_row(call: Call) -> Record:
    """Add a row; a bundle also adds rows for its components."""
    given, known = call.json_object(), call.path_args[0].isdigit()
    if not known or not collection(call, "order").has(int(call.path_args[0])):
        missing = [("ORDC-003", "You have supplied an invalid order ID")]  # INFERRED text
        if not given.get("productId") and not given.get("productName"):
            missing.append(("ORDC-026", "Product name is required"))
        raise ServiceError(400, *missing[0], more=missing[1:])
    order = _open_order(call)
    id = add_row(call, order, given)
    update_totals(call, order)
    call.account.touch(order)
    return response(id)


@route("PATCH", BASE + "order/{}/row/{}")
def patch_order_row(call: Call) -> Record:
    """Patch a row; a new net value also changes its tax."""
    order = _open_order(call)
    row = order["orderRows"].get(call.path_args[1])
    if row is None:
        raise not_found("No Order Row Found")
    for operation in json_patch.parse_operations(call.json()):
        if operation.get("op") != "replace" or operation["path"] not in _ROW_PATHS:
            raise json_patch.invalid_operation(operation)
        value = parse_decimal(operation.get("value"))
        if value is None:
            raise json_patch.invalid_operation(operation)
        json_patch.set_path(row, operation["path"], fixed_decimals(value, _ROW_PATHS[operation["path"]]))
        if operation["path"] == "/rowValue/rowNet/value":
            compute_tax(row)
    if call.account.settings["tax_computed"]:
        compute_tax(row)
    update_totals(call, order)
    call.account.touch(order)
    return response(row)


_ROW_PATHS = {"/rowValue/rowNet/value": 4, "/rowValue/rowTax/value": 2, "/quantity/magnitude": 4}


@route("DELETE", BASE + "order/{}/row/{}")
def delete_order_row(call: Call) -> Record:
    """Delete a row, and those of a bundle's components (INFERRED, hence a setting)."""
    order, wanted = _open_order(call), call.path_args[1]
    if order["orderRows"].pop(wanted, None) is None:
        raise not_found("No Order Row Found")
    if call.account.settings["bundle_deleted_whole"]:
        rows = order["orderRows"].items()
        parts = [id for id, row in rows if str(row["composition"]["parentOrderRowId"]) == wanted]
        for id in parts:
            del order["orderRows"][id]
    update_totals(call, order)
    call.account.touch(order)
    return {}


@route("PATCH", BASE + "order/{}")
def patch_order(call: Call) -> Record:
    """Apply the few changes that orders allow, and return the order."""
    changes = json_patch.parse_operations(call.json())
    require_id(call, "order", call.path_args[0], "No Order Found")
    for operation in changes:
        if operation.get("op") not in _ALLOWED.get(str(operation["path"]), ()):
            raise json_patch.invalid_operation(operation)
    order = _open_order(call)
    for operation in changes:
        _apply(call, order, operation)
    seen = response(_visible(order))  # recorded: without the change of updatedOn, and with the same version
    call.account.touch(order, bump=False)
    return seen


def _apply(call: Call, order: Record, operation: Record) -> None:
    path, value = operation["path"], operation.get("value")
    if path == "/delivery/deliveryDate":
        apply_delivery(call, order, {"deliveryDate": value}, "deliveryDate")
    elif path.startswith("/parties") and (order["state"]["tax"] == "INVOICED" or not isinstance(value, int)):
        raise json_patch.invalid_operation(operation)
    elif path == "/warehouseId" and order["allocationStatusCode"] in ("APA", "AAA"):
        raise ServiceError(400, "ORDC-032", "Stock of the order is allocated")  # INFERRED code
    elif path.startswith("/parties"):
        order["parties"][path.split("/")[2]] = party_of(call, int(str(value)))
    elif path == "/reference" and len(str(value or "")) > 64:
        raise ServiceError(400, "ORDC-031", "The reference is longer than 64 characters")  # INFERRED code
    else:
        json_patch.set_path(order, path, None if operation["op"] == "remove" else value)


def _visible(order: Record) -> Record:
    return {key: value for key, value in order.items() if key not in ("customFields", "nullCustomFields")}


@route("PUT", BASE + "order/{}/status")
def put_order_status(call: Call) -> Record:
    """Set the status, and add a note if the request has one."""
    require_id(call, "order", call.path_args[0], "No Order Found")
    body = call.json_object()
    wanted = order_status(call, body.get("orderStatusId"))
    order = _order(call)
    order["orderStatus"] = wanted
    call.account.webhooks.raise_event("order.modified.order-status", order["id"])
    call.account.touch(order)
    if isinstance(body.get("orderNote"), dict):
        _note(call, order, body["orderNote"])
    return {}


def _note(call: Call, order: Record, given: Record) -> int:
    added = call.account.zone.parse(given.get("addedOn"))
    text = call.account.zone.format(int(added)) if added else call.account.stamp()
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
    return collection(call, "order-note").add(found)


@route("POST", BASE + "order/{}/note")
def post_order_note(call: Call) -> Record:
    """Add a note; the order counts as unmodified."""
    id = require_id(call, "order", call.path_args[0], "No Order Found")
    return response(_note(call, collection(call, "order").get(id) or {}, call.json_object()))


@route("GET", BASE + "order/{}/note")
def get_order_notes(call: Call) -> Record:
    """The notes of an order."""
    return _notes(call, None)


@route("GET", BASE + "order/{}/note/{}")
def get_order_note(call: Call) -> Record:
    """Some notes of an order."""
    return _notes(call, id_ranges(call.path_args[1], 200))


def _notes(call: Call, wanted: list[tuple[int, int]] | None) -> Record:
    keys = ("noteId", "contactId", "text", "isPublic", "addedOn", "addedBy", "orderStatusId", "fileId")
    found = [
        {key: note[key] for key in keys}
        for note in collection(call, "order-note")
        if note["orderId"] == single_id(call.path_args[0])
        and (wanted is None or any(first <= note["noteId"] <= last for first, last in wanted))
    ]
    if not found:
        raise not_found("No notes found")
    return response(found)


@route("GET", BASE + "order/{}/custom-field")
def get_order_custom_field(call: Call) -> Record:
    """The custom fields of one order."""
    return serve_custom_fields(call, "order", reference_data.ORDER_FIELDS)


@route("PATCH", BASE + "order/{}/custom-field")
def patch_order_custom_field(call: Call) -> Record:
    """Set custom fields of one order."""
    return serve_custom_fields(call, "order", reference_data.ORDER_FIELDS)


@route("POST", BASE + "order-status")
def post_order_status(call: Call) -> Record:
    """Create an order status."""
    body = call.json_object()
    made = {"name": body.get("name") or "", "orderTypeCode": body.get("orderTypeCode") or "SO"}
    return response(
        collection(call, "order-status").add(made | {"color": body.get("color"), "disabled": False})
    )
