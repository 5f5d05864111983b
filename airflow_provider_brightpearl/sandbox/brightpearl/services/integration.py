"""integration-service: the account's configuration and webhooks (reference, sections 4.7 and 5.1)."""

from __future__ import annotations

from ..call import Call, Failure, answer, missing, one
from ..collection import Record
from ..resources import held, serves, several

S = "integration-service/"
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


@serves("GET", S + "account-configuration")
def get_account_configuration(call: Call) -> Record:
    """How the account is set up; every value is text."""
    return answer(
        {
            "configuration": {
                "timeZone": str(call.world.settings["time_zone"]),
                "baseCurrencyCode": "GBP",
                "taxSchemeCode": "VAT",
                "invoicedOrderStatusId": "4",
                "newSalesOrderStatusId": "2",
                "cancelledOrderStatusId": "5",
                "multipleWarehouseEnabled": "1",
            }
        }
    )


@serves("POST", S + "webhook")
def post_webhook(call: Call) -> Record:
    """A new subscription; it is kept, and nothing is delivered yet."""
    body = call.record()
    event = str(body.get("subscribeTo") or "")
    if event.split(".")[0] not in _RESOURCES:
        raise Failure(400, "INTC-064", "invalid-resource either does not exist or cannot be subscribed too")
    if not any(known == event or known.startswith(event + ".") for known in _EVENTS):
        raise Failure(400, "INTC-062", f"Lifecycle event of {event} is not valid")
    hook = _DEFAULTS | body
    if hook["httpMethod"] in ("POST", "PUT"):
        template = str(body.get("bodyTemplate") or "") + str(body.get("uriTemplate") or "")
        absent = [
            v for v in ("lifecycle-event", "account-code", "resource-type") if f"${{{v}}}" not in template
        ]
        if absent:
            raise Failure(400, "INTC-057", f"The template lacks {', '.join(absent)}")
    return answer(held(call, "webhook").add({key: value for key, value in hook.items() if key != "id"}))


@serves("GET", S + "webhook")
def get_webhooks(call: Call) -> Record:
    """All subscriptions."""
    found = list(held(call, "webhook"))
    if not found:
        raise missing("No webhooks available")
    return answer(found)


@serves("GET", S + "webhook/{}")
def get_webhook(call: Call) -> Record:
    """Subscriptions by id set."""
    found = several(call, "webhook", call.parts[0], 200)
    if not found:
        raise missing(f"No webhooks available in ID Set {call.parts[0]}")
    return answer(found)


@serves("DELETE", S + "webhook/{}")
def delete_webhook(call: Call) -> Record:
    """Remove a subscription."""
    id = one(call.parts[0])
    if not held(call, "webhook").has(id):
        raise missing(f"Cannot find webhook: {id}")
    held(call, "webhook").remove(id)
    return {}
