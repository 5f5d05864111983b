"""Builds orders and their rows from request bodies (reference, sections 4.3 and 4.4)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from .. import reference_data
from ..account import day_of
from ..call import Call, ServiceError
from ..collection import Record
from ..generated.countries import BY_CODE3, COUNTRY_BY_ID
from ..generated.orders import total_value
from ..money import divide_half_up, fixed_decimals, parse_decimal
from ..reference_data import BASE_CURRENCY, CURRENCY_IDS, RATES, STAFF
from ..resources import collection

_UNSET = {
    "orderPaymentStatus": "NOT_APPLICABLE",
    "stockStatusCode": "NON",
    "allocationStatusCode": "ANR",
    "shippingStatusCode": "NST",
}


def new_order(call: Call, kind: str, customer: int) -> Record:
    """An order as it is directly after its creation, without rows."""
    stamp = call.account.stamp()
    party = party_of(call, customer)
    return {
        "id": 0,
        "parentOrderId": 0,
        "orderTypeCode": kind,
        "reference": "",
        "version": 1,
        "state": {"tax": "READY"},
        "orderStatus": order_status(call, {"SC": 23, "PO": 6, "PC": 6}.get(kind, 2)),
        "tax": {"errors": []},
        **_UNSET,
        "placedOn": stamp,
        "createdOn": stamp,
        "createdById": STAFF,
        "priceListId": 2,
        "priceModeCode": "INC",
        "delivery": {"shippingMethodId": 0},
        "invoices": [{"invoiceReference": ""}],
        "currency": {
            "accountingCurrencyCode": BASE_CURRENCY,
            "orderCurrencyCode": BASE_CURRENCY,
            "exchangeRate": "1.000000",
            "fixedExchangeRate": True,
        },
        "totalValue": total_value(0, 0, 1_000_000, True),
        "assignment": {
            "current": {
                "staffOwnerContactId": 0,
                "projectId": 0,
                "channelId": 0,
                "leadSourceId": 0,
                "teamId": 0,
            }
        },
        "parties": {
            "supplier" if kind in ("PO", "PC") else "customer": party,
            "delivery": {key: value for key, value in party.items() if key != "contactId"},
            "billing": party,
        },
        "orderRows": {},
        "warehouseId": 2,
        "acknowledged": 0,
        "costPriceListId": 1,
        "historicalOrder": False,
        "isDropship": False,
        "orderWeighting": 100,
        "customFields": {},
        "nullCustomFields": [code for _, code, *_ in reference_data.ORDER_FIELDS],
    }


def party_of(call: Call, id: int) -> Record:
    """A contact as a party of an order. Raises: ServiceError ORDC-010 if it does not exist (INFERRED code)."""
    who = collection(call, "contact").get(id)
    if who is None:
        raise ServiceError(400, "ORDC-010", f"Contact {id} does not exist")
    address = collection(call, "postal-address").get(int(who.get("postAddressIds", {}).get("DEF") or 0)) or {}
    country = BY_CODE3.get(str(address.get("countryIsoCode")))
    emails, phones = (who.get("communication", {}).get(key) or {} for key in ("emails", "telephones"))
    return {
        "contactId": id,
        "addressFullName": f"{who.get('firstName', '')} {who.get('lastName', '')}".strip(),
        "companyName": who.get("organisation", {}).get("name", ""),
        **{f"addressLine{n}": address.get(f"addressLine{n}", "") for n in range(1, 5)},
        "postalCode": address.get("postalCode", ""),
        "country": country.name if country else "",
        "telephone": phones.get("PRI", ""),
        "mobileTelephone": phones.get("MOB", ""),
        "fax": "",
        "email": emails.get("PRI", {}).get("email", ""),
        **(country_codes(country.code3) if country else {}),
    }


def country_codes(code3: object) -> Record:
    """The three country codes of a party. Raises: ServiceError ORDC-020 if unknown (INFERRED code)."""
    country = BY_CODE3.get(str(code3))
    if country is None:
        raise ServiceError(400, "ORDC-020", f"Country {code3} is not valid")
    return {"countryId": country.id, "countryIsoCode": country.code, "countryIsoCode3": country.code3}


def apply_address(party: Record, given: Record) -> None:
    """Overwrite the address of a party with the one in a request."""
    code = given.get("countryIsoCode")
    if not code and (country := COUNTRY_BY_ID.get(given.get("countryId"))):
        code = country.code3
    if code:
        party |= country_codes(code) | {"country": BY_CODE3[code].name}
    for key, value in given.items():
        if key in party and key not in ("countryIsoCode", "countryId", "country", "contactId"):
            party[key] = value


def order_status(call: Call, id: object) -> Record:
    """A status in the shape orders have. Raises: ServiceError ORDC-030 if it does not exist (INFERRED code)."""
    found = collection(call, "order-status").get(id) if isinstance(id, int) else None
    if found is None:
        raise ServiceError(400, "ORDC-030", f"Order status {id} does not exist")
    return {"orderStatusId": id, "name": found["name"]}


def order_currency(code: str, given: Record) -> Record:
    """The currency section of an order, from a request."""
    if code not in CURRENCY_IDS:
        raise ServiceError(400, "ORDC-040", f"Currency {code} does not exist")  # INFERRED code
    rate = parse_decimal(given.get("exchangeRate") or RATES[code] / 1_000_000) or Decimal(1)
    return {
        "accountingCurrencyCode": BASE_CURRENCY,
        "orderCurrencyCode": code,
        "exchangeRate": fixed_decimals(rate, 6),
        "fixedExchangeRate": bool(given.get("fixedExchangeRate", False)),
    }


def store_order(call: Call, record: Record) -> int:
    """Store a new order and return its id."""
    orders = collection(call, "order")
    record["id"] = orders.last + 1
    orders.put(record["id"], record)
    # observed: creating an order raises order.modified
    call.account.webhooks.raise_event("order.modified.order-status", record["id"])
    return int(record["id"])


def apply_delivery(call: Call, record: Record, given: Record, date: str) -> None:
    """Set shipping method and delivery date; the date is stored as midnight UTC."""
    if given.get("shippingMethodId") is not None:
        record["delivery"]["shippingMethodId"] = given["shippingMethodId"]
    day = day_of(str(given.get(date))) if given.get(date) else None
    if day is not None:
        record["delivery"]["deliveryDate"] = call.account.zone.format_date(day)


def apply_tax_date(call: Call, record: Record, date: object) -> None:
    """Set the tax date, which an order has before it is invoiced; stored as midnight UTC."""
    day = day_of(str(date)) if date else None
    if day is not None:
        record["invoices"][0]["taxDate"] = call.account.zone.format_date(day)


def build_row(call: Call, order: Record, given: Record) -> tuple[int, Record]:
    """A row from a request, with the next row id of the account. Raises: ServiceError."""
    product = (
        collection(call, "product").get(given["productId"])
        if given.get("productId") not in (None, 1000)
        else None
    )
    if given.get("productId") not in (None, 1000) and product is None:
        raise ServiceError(400, "ORDC-025", f"Product {given['productId']} does not exist")  # INFERRED code
    name = given.get("productName") or (product and product["salesChannels"][0]["productName"])
    if not name:
        raise ServiceError(400, "ORDC-026", "Product name is required")
    value, code = given.get("rowValue") or {}, order["currency"]["orderCurrencyCode"]
    count = parse_decimal((given.get("quantity") or {}).get("magnitude", 1))
    if count is None or not count:
        raise ServiceError(400, "ORDC-029", "Quantity must be a number other than zero")  # INFERRED code
    net, tax = (parse_decimal((value.get(key) or {}).get("value") or 0) for key in ("rowNet", "rowTax"))
    if net is None or tax is None or net != round(net, 2) or tax != round(tax, 2):
        raise ServiceError(
            400, "ORDC-027", "Row net and tax must be numbers with at most two decimals"
        )  # INFERRED code
    row: Record = {"orderRowSequence": str(10 * len(order["orderRows"]) + 10)}
    row |= {"productId": product["id"] if product else 1000, "productName": name}
    row |= {"productSku": product["identity"]["sku"]} if product else {}
    gross = net + tax if order["priceModeCode"] == "INC" else net
    row |= {
        "quantity": {"magnitude": fixed_decimals(count, 4)},
        "itemCost": {"currencyCode": BASE_CURRENCY, "value": "0.0000"},
        "productPrice": {"currencyCode": code, "value": fixed_decimals(gross / count, 4)},
        "discountPercentage": "0.00",
        "rowValue": _taxed(call, value.get("taxCode") or "-", code, net, tax),
        "nominalCode": given.get("nominalCode") or "4000",
        "composition": {"bundleParent": False, "bundleChild": False, "parentOrderRowId": 0},
        "clonedFromId": 0,
    }
    if given.get("externalRef"):
        row["externalRef"] = given["externalRef"]
    call.account.last_row += 1
    return call.account.last_row, row


def add_row(call: Call, order: Record, given: Record) -> int:
    """Add a row to a sale; that of a bundle also adds rows for its components. Gives its id. Raises: ServiceError."""
    id, row = build_row(call, order, given)
    if call.account.settings["tax_computed"]:
        compute_tax(row)
    order["orderRows"][str(id)] = row
    shape = (collection(call, "product").get(row["productId"]) or {}).get("composition", {})
    if shape.get("bundle") and order["orderTypeCode"] not in ("PO", "PC"):
        row["composition"] = {"bundleParent": True, "bundleChild": False, "parentOrderRowId": 0}
        for part in shape["bundleComponents"]:
            count = Decimal(part["productQuantity"]) * Decimal(row["quantity"]["magnitude"])
            tax = {"taxCode": row["rowValue"]["taxCode"]}
            given = {"productId": part["productId"], "rowValue": tax, "quantity": {"magnitude": count}}
            child, made = build_row(call, order, given)
            made["composition"] = {"bundleParent": False, "bundleChild": True, "parentOrderRowId": id}
            order["orderRows"][str(child)] = made
    return id


def require_known(call: Call, name: str, id: object) -> None:
    """Raises: ServiceError ORDC-033 if the account has no such price list, channel or warehouse (INFERRED code)."""
    if id is not None and not (str(id).isdigit() and collection(call, name).has(int(str(id)))):
        raise ServiceError(400, "ORDC-033", f"{name.replace('-', ' ').capitalize()} {id} does not exist")


def _taxed(call: Call, code: str, currency: str, net: Decimal, tax: Decimal) -> Record:
    known = next((one for one in collection(call, "tax-code") if one["code"] == code), None)
    if known is None and code != "-":
        raise ServiceError(400, "ORDC-028", f"Tax code {code} does not exist")  # INFERRED code
    return {
        "taxRate": fixed_decimals(Decimal(str(known.get("rate", 0) if known else 0)), 4),
        "taxCode": code,
        "taxCalculator": "brightpearl",
        "rowNet": {"currencyCode": currency, "value": fixed_decimals(net, 4)},
        "rowTax": {"currencyCode": currency, "value": fixed_decimals(tax, 2)},
        "taxClassId": known["id"] if known else 0,
    }


def compute_tax(row: Record) -> None:
    """Set the tax of a row to that of its net value."""
    value = row["rowValue"]
    tax = Decimal(value["rowNet"]["value"]) * Decimal(value["taxRate"]) / 100
    value["rowTax"]["value"] = fixed_decimals(tax.quantize(Decimal("0.01"), ROUND_HALF_UP), 2)


def update_totals(call: Call, order: Record) -> None:
    """Recompute the totals of an order from its rows."""
    values = [row["rowValue"] for row in order["orderRows"].values()]
    net = sum((Decimal(value["rowNet"]["value"]) for value in values), Decimal(0))
    tax = sum((Decimal(value["rowTax"]["value"]) for value in values), Decimal(0))
    rate = int(Decimal(order["currency"]["exchangeRate"]) * 1_000_000)
    per_base = call.account.settings["exchange_rate"] == "order_per_base"
    order["totalValue"] = total_value(
        divide_half_up(int(net * 10000), 100), divide_half_up(int(tax * 100), 1), rate, per_base
    )
    if values and order["orderPaymentStatus"] == "NOT_APPLICABLE":
        kind = order["orderTypeCode"]
        order |= {
            "orderPaymentStatus": "UNPAID",
            "stockStatusCode": f"{kind[0]}{'C' if kind[1] == 'C' else 'O'}N",
        }
        order["allocationStatusCode"] = "ANR" if kind in ("PO", "PC") else "ANA"
        order["shippingStatusCode"] = "SNS"
