"""integration-service: the account's configuration and webhooks (reference, sections 4.7 and 5.1)."""

from __future__ import annotations

from .. import id_sets
from ..call import Call, ServiceError, id_ranges, not_found, response, single_id
from ..collection import Record
from ..resources import collection, records_in_id_set, require_id, route

BASE = "integration-service/"
_EVENTS = (
    "drop-ship-note.created",
    "drop-ship-note.destroyed",
    "drop-ship-note.modified.shipped",
    "goods-in-note.created",
    "quarantine-release.created",
    "goods-out-note.created",
    "goods-out-note.destroyed",
    *(f"goods-out-note.modified.{step}" for step in ("printed", "picked", "packed", "shipped")),
    *(f"goods-out-note.modified.un-{step}" for step in ("printed", "picked", "packed")),
    "order.modified.fully-shipped",
    "order.modified.order-status",
    "sales-order.created",
    "product.created",
    "product.modified.on-hand-modified",
    "product.destroyed",
)
_RESOURCES = {event.split(".")[0] for event in _EVENTS}
_DEFAULTS: Record = {
    "httpMethod": "POST",
    "contentType": "application/json",
    "idSetAccepted": False,
    "qualityOfService": 0,
}


@route("GET", BASE + "account-configuration")
def get_account_configuration(call: Call) -> Record:
    """The configuration of the account; every value is text."""
    return response(
        {
            "configuration": {
                "timeZone": str(call.account.settings["time_zone"]),
                "baseCurrencyCode": "GBP",
                "taxSchemeCode": "VAT",
                "invoicedOrderStatusId": "4",
                "newSalesOrderStatusId": "2",
                "cancelledOrderStatusId": "5",
                "multipleWarehouseEnabled": "1",
            }
        }
    )


@route("POST", BASE + "webhook")
def post_webhook(call: Call) -> Record:
    """Create a subscription."""
    body = call.json_object()
    event = str(body.get("subscribeTo") or "")
    if event.split(".")[0] not in _RESOURCES:
        raise ServiceError(
            400, "INTC-064", "invalid-resource either does not exist or cannot be subscribed too"
        )
    if not any(known == event or known.startswith(event + ".") for known in _EVENTS):
        raise ServiceError(400, "INTC-062", f"Lifecycle event of {event} is not valid")
    hook = _DEFAULTS | body
    template = str(body.get("bodyTemplate") or "") + str(body.get("uriTemplate") or "")
    absent = [
        ("INTC-057", f"The template does not contain ${{{name}}}")  # INFERRED text
        for name in ("lifecycle-event", "account-code", "resource-type")
        if f"${{{name}}}" not in template
    ]
    if absent:
        raise ServiceError(400, *absent[0], more=absent[1:])
    return response(
        collection(call, "webhook").add({key: value for key, value in hook.items() if key != "id"})
    )


@route("POST", BASE + "webhook/{}/simulate")
def post_webhook_simulate(call: Call) -> Record:
    """Deliver an event with made-up data, of up to ten ids."""
    id = require_id(call, "webhook", call.path_args[0], f"Cannot find webhook: {call.path_args[0]}")
    given = call.json_object().get("testData")
    if not isinstance(given, dict):
        raise ServiceError(400, "INTC-070", "Test data is required")  # INFERRED code
    data = {str(name).strip("${}"): str(value) for name, value in given.items()}
    ids = id_sets.expand(id_ranges(data.pop("resource-id", ""), 10))
    parts = (data.get("resource-type"), data.get("lifecycle-event"), data.get("resource-specifier"))
    event = ".".join(part for part in parts if part)
    hook = dict(collection(call, "webhook").get(id) or {})
    call.account.webhooks.simulate(hook, event, ids, data)
    return {}


@route("GET", BASE + "webhook")
def get_webhooks(call: Call) -> Record:
    """All subscriptions."""
    found = list(collection(call, "webhook"))
    if not found:
        raise not_found("No webhooks available")
    return response(found)


@route("GET", BASE + "webhook/{}")
def get_webhook(call: Call) -> Record:
    """Subscriptions by id set."""
    found = records_in_id_set(call, "webhook", call.path_args[0], 200)
    if not found:
        raise not_found(f"No webhooks available in ID Set {call.path_args[0]}")
    return response(found)


@route("DELETE", BASE + "webhook/{}")
def delete_webhook(call: Call) -> Record:
    """Delete a subscription."""
    id = single_id(call.path_args[0])
    if not collection(call, "webhook").has(id):
        raise not_found(f"Cannot find webhook: {id}")
    collection(call, "webhook").remove(id)
    return {}
