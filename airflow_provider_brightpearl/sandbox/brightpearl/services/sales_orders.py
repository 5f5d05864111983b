"""order-service: sales orders and credits created together with their rows (reference, section 4.4)."""

from __future__ import annotations

from typing import Any

from ..account import day_of
from ..call import Call, ServiceError, response
from ..collection import Record
from ..resources import collection, require_id, route
from .order_building import (
    add_row,
    apply_address,
    apply_delivery,
    apply_tax_date,
    new_order,
    order_currency,
    order_status,
    party_of,
    require_known,
    store_order,
    update_totals,
)

BASE = "order-service/"
_PARTS = {
    "ref": "reference",
    "warehouseId": "warehouseId",
    "priceListId": "priceListId",
    "priceModeCode": "priceModeCode",
}
_ASSIGNED = {"channelId": "channelId", "staffOwnerId": "staffOwnerContactId", "projectId": "projectId"} | {
    "leadSourceId": "leadSourceId",
    "teamId": "teamId",
}
# what has to exist in the account; 0 is no channel
_KNOWN = {"priceListId": "price-list", "channelId": "channel", "warehouseId": "warehouse"}


@route("POST", BASE + "sales-order")
def post_sales_order(call: Call) -> Record:
    """Create a sales order with its rows; a repeated external reference changes nothing."""
    return _post(call, "SO")


@route("POST", BASE + "sales-credit")
def post_sales_credit(call: Call) -> Record:
    """Create a sales credit with its rows."""
    return _post(call, "SC")


def _post(call: Call, kind: str) -> Record:
    body = call.json_object()
    twin = _twin(call, body, kind)
    if twin is not None:
        # Documented: 200 and no change. The body is not documented, hence a setting.
        return response(twin) if call.account.settings["sales_order_repeat"] == "id" else response(None)
    customer = (body.get("customer") or {}).get("id")
    if not str(customer).isdigit():
        raise ServiceError(400, "ORDC-021", "Customer ID Required.")
    record = new_order(call, kind, int(str(customer)))
    _take(call, record, body)
    for given in body.get("rows") or []:
        # documented of rows alone: that of a bundle brings those of its components
        add_row(call, record, _row(given))
    update_totals(call, record)
    id = store_order(call, record)
    if kind == "SO":
        call.account.webhooks.raise_event("sales-order.created", id)
    return response(id)


def _twin(call: Call, body: Record, kind: str) -> int | None:
    reference, instance = body.get("externalRef"), body.get("installedIntegrationInstanceId")
    if not reference or not instance:
        return None
    orders = collection(call, "order")
    tail = str(reference).rsplit("-", 1)[-1]
    likely = [int(tail)] if tail.isdigit() and len(tail) < 18 else []
    for id in (*likely, *orders.changed):
        found = orders.get(id) or {}
        key = (
            found.get("orderTypeCode"),
            found.get("externalRef"),
            str(found.get("installedIntegrationInstanceId")),
        )
        if key == (kind, reference, str(instance)):
            return id
    return None


def _take(call: Call, record: Record, body: Record) -> None:
    for key, name in _KNOWN.items():
        require_known(call, name, body.get(key) or None)
    for key, own in _PARTS.items():
        if body.get(key) is not None:
            record[own] = body[key]
    for key, own in _ASSIGNED.items():
        record["assignment"]["current"][own] = body.get(key) or 0
    for key in ("externalRef", "installedIntegrationInstanceId"):
        if body.get(key):
            record[key] = body[key]
    if str(body.get("parentId") or "").isdigit():
        record["parentOrderId"] = int(body["parentId"])
    apply_tax_date(call, record, body.get("taxDate"))
    if body.get("statusId") is not None:
        record["orderStatus"] = order_status(call, body["statusId"])
    if given := body.get("currency"):
        record["currency"] = order_currency(given.get("code") or "GBP", given)
    if placed := call.account.zone.parse(body.get("placedOn")):
        record["placedOn"] = call.account.zone.format(int(placed))
    _addresses(call, record, body)
    apply_delivery(call, record, body.get("delivery") or {}, "date")


def _addresses(call: Call, record: Record, body: Record) -> None:
    billing = (body.get("billing") or {}).get("contactId")
    if billing:
        record["parties"]["billing"] = party_of(call, int(billing))
    for side in ("customer", "billing", "delivery"):
        record["parties"][side] = dict(record["parties"][side])
        apply_address(record["parties"][side], (body.get(side) or {}).get("address") or {})


def _row(given: Record) -> Record:
    return {
        "productId": int(given["productId"]) if given.get("productId") else None,
        "productName": given.get("name"),
        "quantity": {"magnitude": given.get("quantity", 1)},
        "rowValue": {
            "taxCode": given.get("taxCode"),
            "rowNet": {"value": given.get("net") or 0},
            "rowTax": {"value": given.get("tax") or 0},
        },
        "nominalCode": given.get("nominalCode"),
        "externalRef": given.get("externalRef"),
    }


@route("POST", BASE + "sales-order/{}/close")
def post_sales_order_close(call: Call) -> Record:
    """Invoice a sales order."""
    id = require_id(call, "order", call.path_args[0], "No Sales Order Found")
    record = collection(call, "order").edit(id)
    if record["state"]["tax"] == "INVOICED":
        raise ServiceError(400, "ORDC-060", "The order has already been invoiced")  # INFERRED code
    body = call.json_object() if call.content.strip() else {}
    day = day_of(str(body.get("taxDate"))) or call.account.now()
    zone = call.account.zone
    record["state"] = {"tax": "INVOICED"}
    record["orderStatus"] = order_status(call, 4)
    call.account.webhooks.raise_event("order.modified.order-status", id)
    record["closedOn"] = call.account.stamp()
    dates = {"taxDate": zone.format_date(day), "dueDate": zone.format_date(day + 30 * 86400)}
    record["invoices"] = [{"invoiceReference": f"SI-{id}", **dates}]
    call.account.touch(record)
    return {}


def shown(order: Record) -> Record:
    """An order in the shape of the sales-order resource."""
    total, assigned = order["totalValue"], order["assignment"]["current"]
    parties = order["parties"]
    found: Record = {
        "id": order["id"],
        "customer": {"id": parties["customer"]["contactId"], "address": _address(parties["customer"])},
        "customerId": parties["customer"]["contactId"],
        "billing": {
            "contactId": parties["billing"].get("contactId"),
            "address": _address(parties["billing"]),
        },
        "ref": order.get("reference"),
        "parentId": order.get("parentOrderId") or None,
        "externalRef": order.get("externalRef"),
        "installedIntegrationInstanceId": order.get("installedIntegrationInstanceId"),
        "placedOn": order["placedOn"],
        "createdOn": order["createdOn"],
        "createdBy": order["createdById"],
        "updatedOn": order.get("updatedOn"),
        "taxDate": order["invoices"][0].get("taxDate"),
        "statusId": order["orderStatus"]["orderStatusId"],
        "warehouseId": order["warehouseId"],
        **{key: assigned.get(own) for key, own in _ASSIGNED.items()},
        "priceListId": order["priceListId"],
        "priceModeCode": order["priceModeCode"],
        "currency": _currency(order["currency"]),
        "delivery": _delivery(order),
        "total": {"net": total["net"], "tax": total["taxAmount"], "gross": total["total"]}
        | {"baseNet": total["baseNet"], "baseTax": total["baseTaxAmount"], "baseGross": total["baseTotal"]},
        "isCanceled": order["orderStatus"]["orderStatusId"] == 5,
        "invoice": order["invoices"][0],
        **{key: order[key] for key in ("orderPaymentStatus", "allocationStatusCode", "shippingStatusCode")},
        "stockStatusCode": order["stockStatusCode"],
        "rows": [_line(int(id), row) for id, row in order["orderRows"].items()],
    }
    return {key: value for key, value in found.items() if value is not None}


def _currency(given: Record) -> Record:
    rate = {"exchangeRate": given["exchangeRate"], "fixedExchangeRate": given["fixedExchangeRate"]}
    return {"code": given["orderCurrencyCode"], **rate}


def _delivery(order: Record) -> Record:
    found: dict[str, Any] = {"shippingMethodId": order["delivery"].get("shippingMethodId")}
    if "deliveryDate" in order["delivery"]:
        found["date"] = order["delivery"]["deliveryDate"]
    return found | {"address": _address(order["parties"]["delivery"])}


def _address(party: Record) -> Record:
    found = {key: value for key, value in party.items() if key not in ("contactId", "countryIsoCode3")}
    return found | {"countryIsoCode": party.get("countryIsoCode3")}


def _line(id: int, row: Record) -> Record:
    value, shape = row["rowValue"], row["composition"]
    found = {
        "id": id,
        "productId": row["productId"],
        "name": row["productName"],
        "sku": row.get("productSku"),
        "quantity": row["quantity"]["magnitude"],
        "taxCode": value["taxCode"],
        "net": value["rowNet"]["value"],
        "tax": value["rowTax"]["value"],
        "nominalCode": row["nominalCode"],
        "externalRef": row.get("externalRef"),
        "productPrice": row["productPrice"]["value"],
        "discountPercentage": row["discountPercentage"],
        "sequence": row["orderRowSequence"],
        "bundleChild": shape["bundleChild"],
        "bundleParent": shape["bundleParent"],
        "parentRowId": shape["parentOrderRowId"],
        "taxClassId": value["taxClassId"],
        "taxCalculator": value["taxCalculator"],
        "clonedFromId": row["clonedFromId"],
    }
    return {key: one for key, one in found.items() if one is not None}
