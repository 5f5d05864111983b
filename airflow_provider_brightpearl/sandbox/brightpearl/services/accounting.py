"""accounting-service: payments, currencies, tax and nominal codes (reference, section 4.6)."""

from __future__ import annotations

from decimal import Decimal

from .. import reference_data, search_columns, search_rows
from ..call import Call, ServiceError, response
from ..collection import Record
from ..money import fixed_decimals, parse_decimal
from ..resources import collection, reference_list, register_search, require_id, route
from ..search import Search

BASE = "accounting-service/"
register_search(
    BASE + "customer-payment-search",
    Search("customer-payment", search_columns.PAYMENT, search_rows.unchanged),
)
register_search(BASE + "currency-search", Search("currency", search_columns.CURRENCY, search_rows.unchanged))
register_search(
    BASE + "nominal-code-search",
    Search("nominal-code", search_columns.NOMINAL_CODE, search_rows.nominal_code),
)
register_search(
    BASE + "payment-method-search",
    Search("payment-method", search_columns.PAYMENT_METHOD, search_rows.unchanged),
)
_TYPES = ("AUTH", "CAPTURE", "PAYMENT", "RECEIPT", "VOID")


@route("GET", BASE + "tax-code")
def get_tax_code(call: Call) -> Record:
    """All tax codes; `rate` is absent where it is zero."""
    return reference_list(call, "tax-code")


@route("GET", BASE + "tax-code/{}")
def get_tax_code_by_id(call: Call) -> Record:
    """Tax codes by id set."""
    return reference_list(call, "tax-code")


@route("GET", BASE + "nominal-code")
def get_nominal_code(call: Call) -> Record:
    """All nominal codes."""
    return reference_list(call, "nominal-code")


@route("GET", BASE + "exchange-rate")
def get_exchange_rate(call: Call) -> Record:
    """The rate of every currency, valid from the first day of the account's history."""
    since = (
        call.account.zone.format_date(int(call.account.history.created[0]))
        if len(call.account.history.ids)
        else ""
    )
    return response(
        [
            {"currencyId": id, "rateActiveFrom": since, "rate": rate / 1e6, "addedById": reference_data.STAFF}
            for id, _, _, _, rate in reference_data.CURRENCIES
        ]
    )


@route("POST", BASE + "customer-payment")
def post_customer_payment(call: Call) -> Record:
    """Create a payment for an order."""
    body = call.json_object()
    for key in ("paymentMethodCode", "paymentType", "orderId", "currencyIsoCode", "paymentDate"):
        if not body.get(key):
            raise ServiceError(400, "ACCC-010", f"{key} is required")  # INFERRED code
    if body["paymentType"] not in _TYPES or body["currencyIsoCode"] not in reference_data.CURRENCY_IDS:
        raise ServiceError(400, "ACCC-011", "Payment type or currency is not valid")  # INFERRED code
    if not collection(call, "order").has(body["orderId"]):
        raise ServiceError(400, "ACCC-012", f"Order {body['orderId']} does not exist")  # INFERRED code
    _unique(call, body)
    return response(_stored(call, body))


def _unique(call: Call, body: Record) -> None:
    key = (body.get("transactionRef"), body["paymentMethodCode"])
    for payment in collection(call, "customer-payment").changed.values():
        if key[0] and key == (payment.get("transactionRef"), payment.get("paymentMethodCode")):
            raise ServiceError(
                400, "ACCC-013", "A payment with this transaction reference already exists"
            )  # INFERRED code


def _stored(call: Call, body: Record) -> int:
    paid, blocked = (parse_decimal(body.get(key) or 0) for key in ("amountPaid", "amountAuthorized"))
    when = call.account.zone.parse(body["paymentDate"])
    if paid is None or blocked is None or when is None:
        raise ServiceError(400, "ACCC-014", "An amount or the payment date is not valid")  # INFERRED code
    payments = collection(call, "customer-payment")
    id = payments.add(
        {
            "transactionRef": body.get("transactionRef"),
            "transactionCode": body.get("transactionCode"),
            "paymentMethodCode": body["paymentMethodCode"],
            "paymentType": body["paymentType"],
            "orderId": body["orderId"],
            "currencyId": reference_data.CURRENCY_IDS[body["currencyIsoCode"]],
            "currencyCode": body["currencyIsoCode"],
            "amountAuthorized": fixed_decimals(blocked, 2),
            "amountPaid": fixed_decimals(paid, 2),
            "expires": body.get("authorizationExpiry"),
            "paymentDate": call.account.zone.format(int(when)),
            "createdOn": call.account.stamp(),
            "journalId": None,
        }
    )
    if body["paymentType"] in ("RECEIPT", "PAYMENT", "CAPTURE"):
        payments.edit(id)["journalId"] = 2_000_000 + id
        _settle(call, body["orderId"])
    return id


def _settle(call: Call, order_id: int) -> None:
    order = collection(call, "order").edit(order_id)
    due = Decimal(order["totalValue"]["total"])
    payments = collection(call, "customer-payment")
    generated = payments.generated
    places = (generated.columns["orderId"] == order_id).nonzero()[0].tolist()
    ids = dict.fromkeys([*(int(generated.ids[at]) for at in places), *payments.changed])
    found = [payment for id in ids if (payment := payments.get(id)) is not None]
    paid = sum(
        Decimal(one["amountPaid"])
        for one in found
        if one["orderId"] == order_id and one["paymentType"] in ("RECEIPT", "PAYMENT", "CAPTURE")
    )
    order["orderPaymentStatus"] = "PAID" if paid >= due else "PARTIALLY_PAID"
    call.account.touch(order)


@route("DELETE", BASE + "customer-payment/{}")
def delete_customer_payment(call: Call) -> Record:
    """Remove a payment."""
    collection(call, "customer-payment").remove(
        require_id(call, "customer-payment", call.path_args[0], "No payment found")
    )
    return {}
