"""accounting-service: payments, currencies, tax and nominal codes (reference, section 4.6)."""

from __future__ import annotations

from .. import reference_data, search_columns, search_rows
from ..call import Call, Failure, answer
from ..collection import Record
from ..money import number, places
from ..resources import existing, held, listed, searches, serves
from ..search import Search

S = "accounting-service/"
searches(
    S + "customer-payment-search", Search("customer-payment", search_columns.PAYMENT, search_rows.as_it_is)
)
searches(S + "currency-search", Search("currency", search_columns.CURRENCY, search_rows.as_it_is))
searches(
    S + "nominal-code-search", Search("nominal-code", search_columns.NOMINAL_CODE, search_rows.nominal_code)
)
searches(
    S + "payment-method-search", Search("payment-method", search_columns.PAYMENT_METHOD, search_rows.as_it_is)
)
_TYPES = ("AUTH", "CAPTURE", "PAYMENT", "RECEIPT", "VOID")


@serves("GET", S + "tax-code")
def get_tax_code(call: Call) -> Record:
    """All tax codes; one without a rate has no such key."""
    return listed(call, "tax-code")


@serves("GET", S + "nominal-code")
def get_nominal_code(call: Call) -> Record:
    """All nominal codes."""
    return listed(call, "nominal-code")


@serves("GET", S + "exchange-rate")
def get_exchange_rate(call: Call) -> Record:
    """The rate of every currency, in force since the first day of the account's history."""
    since = call.world.zone.day(int(call.world.history.created[0])) if len(call.world.history.ids) else ""
    return answer(
        [
            {"currencyId": id, "rateActiveFrom": since, "rate": rate / 1e6, "addedById": reference_data.STAFF}
            for id, _, _, _, rate in reference_data.CURRENCIES
        ]
    )


@serves("POST", S + "customer-payment")
def post_customer_payment(call: Call) -> Record:
    """A new payment of an order."""
    body = call.record()
    for key in ("paymentMethodCode", "paymentType", "orderId", "currencyIsoCode", "paymentDate"):
        if not body.get(key):
            raise Failure(400, "ACCC-010", f"{key} is required")  # INFERRED code
    if body["paymentType"] not in _TYPES or body["currencyIsoCode"] not in reference_data.CURRENCY_IDS:
        raise Failure(400, "ACCC-011", "Payment type or currency is not valid")  # INFERRED code
    if not held(call, "order").has(body["orderId"]):
        raise Failure(400, "ACCC-012", f"Order {body['orderId']} does not exist")  # INFERRED code
    _unique(call, body)
    return answer(_stored(call, body))


def _unique(call: Call, body: Record) -> None:
    key = (body.get("transactionRef"), body["paymentMethodCode"])
    for payment in held(call, "customer-payment").changed.values():
        if key[0] and key == (payment.get("transactionRef"), payment.get("paymentMethodCode")):
            raise Failure(
                400, "ACCC-013", "A payment with this transaction reference exists"
            )  # INFERRED code


def _stored(call: Call, body: Record) -> int:
    paid, blocked = (number(body.get(key) or 0) for key in ("amountPaid", "amountAuthorized"))
    when = call.world.zone.read(body["paymentDate"])
    if paid is None or blocked is None or when is None:
        raise Failure(400, "ACCC-014", "An amount or the payment date is not valid")  # INFERRED code
    payments = held(call, "customer-payment")
    id = payments.add(
        {
            "transactionRef": body.get("transactionRef"),
            "transactionCode": body.get("transactionCode"),
            "paymentMethodCode": body["paymentMethodCode"],
            "paymentType": body["paymentType"],
            "orderId": body["orderId"],
            "currencyId": reference_data.CURRENCY_IDS[body["currencyIsoCode"]],
            "currencyCode": body["currencyIsoCode"],
            "amountAuthorized": places(blocked, 2),
            "amountPaid": places(paid, 2),
            "expires": body.get("authorizationExpiry"),
            "paymentDate": call.world.zone.text(int(when)),
            "createdOn": call.world.stamp(),
            "journalId": None,
        }
    )
    if body["paymentType"] in ("RECEIPT", "PAYMENT", "CAPTURE"):
        payments.edit(id)["journalId"] = 2_000_000 + id
        _settle(call, body["orderId"], body)
    return id


def _settle(call: Call, order_id: int, body: Record) -> None:
    order = held(call, "order").edit(order_id)
    due, paid = number(order["totalValue"]["total"]), number(body.get("amountPaid") or 0)
    if due is not None and paid is not None:
        order["orderPaymentStatus"] = "PAID" if paid >= due else "PARTIALLY_PAID"
    call.world.touch(order)


@serves("DELETE", S + "customer-payment/{}")
def delete_customer_payment(call: Call) -> Record:
    """Remove a payment."""
    held(call, "customer-payment").remove(
        existing(call, "customer-payment", call.parts[0], "No payment found")
    )
    return {}
