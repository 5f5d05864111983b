"""How orders and their rows are put together from what was sent (reference, sections 4.3 and 4.4)."""

from __future__ import annotations

from decimal import Decimal

from .. import reference_data
from ..account import day_of
from ..call import Call, Failure
from ..collection import Record
from ..generated.countries import BY_CODE3
from ..generated.orders import totals
from ..money import half_up, number, places
from ..reference_data import BASE_CURRENCY, CURRENCY_IDS, RATES, STAFF
from ..resources import held

_UNSET = {
    "orderPaymentStatus": "NOT_APPLICABLE",
    "stockStatusCode": "NON",
    "allocationStatusCode": "ANR",
    "shippingStatusCode": "NST",
}


def new_order(call: Call, kind: str, customer: int) -> Record:
    """An order without rows for a customer, as it is right after it was made."""
    stamp = call.world.stamp()
    party = party_of(call, customer)
    return {
        "id": 0,
        "parentOrderId": 0,
        "orderTypeCode": kind,
        "reference": "",
        "version": 1,
        "state": {"tax": "READY"},
        "orderStatus": status(call, {"SC": 23, "PO": 6, "PC": 6}.get(kind, 2)),
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
        "totalValue": totals(0, 0, 1_000_000, True),
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
    """A contact as a party of an order; ORDC-010 when there is none (INFERRED code)."""
    who = held(call, "contact").get(id)
    if who is None:
        raise Failure(400, "ORDC-010", f"Contact {id} does not exist")
    address = held(call, "postal-address").get(int(who.get("postAddressIds", {}).get("DEF") or 0)) or {}
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
    """The three ways a party names its country; ORDC-020 when it is unknown (INFERRED code)."""
    country = BY_CODE3.get(str(code3))
    if country is None:
        raise Failure(400, "ORDC-020", f"Country {code3} is not valid")
    return {"countryId": country.id, "countryIsoCode": country.code, "countryIsoCode3": country.code3}


def address(party: Record, given: Record) -> None:
    """Write an address that was sent over a party."""
    if code := given.get("countryIsoCode"):
        party |= country_codes(code) | {"country": BY_CODE3[code].name}
    for key, value in given.items():
        if key in party and key not in ("countryIsoCode", "countryId", "country", "contactId"):
            party[key] = value


def status(call: Call, id: object) -> Record:
    """A status as orders carry it; ORDC-030 when there is none (INFERRED code)."""
    found = held(call, "order-status").get(id) if isinstance(id, int) else None
    if found is None:
        raise Failure(400, "ORDC-030", f"Order status {id} does not exist")
    return {"orderStatusId": id, "name": found["name"]}


def priced(code: str, given: Record) -> Record:
    """The currency part of an order from what was sent."""
    if code not in CURRENCY_IDS:
        raise Failure(400, "ORDC-040", f"Currency {code} does not exist")  # INFERRED code
    rate = number(given.get("exchangeRate") or RATES[code] / 1_000_000) or Decimal(1)
    return {
        "accountingCurrencyCode": BASE_CURRENCY,
        "orderCurrencyCode": code,
        "exchangeRate": places(rate, 6),
        "fixedExchangeRate": bool(given.get("fixedExchangeRate", False)),
    }


def stored(call: Call, record: Record) -> int:
    """Put a new order into the account."""
    orders = held(call, "order")
    record["id"] = orders.last + 1
    orders.put(record["id"], record)
    return int(record["id"])


def delivery(call: Call, record: Record, given: Record, date: str) -> None:
    """Shipping method and day of delivery; a date alone is stored as midnight UTC."""
    if given.get("shippingMethodId") is not None:
        record["delivery"]["shippingMethodId"] = given["shippingMethodId"]
    day = day_of(str(given.get(date))) if given.get(date) else None
    if day is not None:
        record["delivery"]["deliveryDate"] = call.world.zone.day(day)


def make_row(call: Call, order: Record, given: Record) -> tuple[int, Record]:
    """One row of an order from what was sent, under the next row id of the account."""
    product = (
        held(call, "product").get(given["productId"]) if given.get("productId") not in (None, 1000) else None
    )
    if given.get("productId") not in (None, 1000) and product is None:
        raise Failure(400, "ORDC-025", f"Product {given['productId']} does not exist")  # INFERRED code
    name = given.get("productName") or (product and product["salesChannels"][0]["productName"])
    if not name:
        raise Failure(400, "ORDC-026", "Product name is required")
    value, code = given.get("rowValue") or {}, order["currency"]["orderCurrencyCode"]
    count = number((given.get("quantity") or {}).get("magnitude")) or Decimal(1)
    net, tax = (number((value.get(key) or {}).get("value") or 0) for key in ("rowNet", "rowTax"))
    if net is None or tax is None or net != round(net, 2) or tax != round(tax, 2):
        raise Failure(400, "ORDC-027", "Row net and tax are numbers of at most two decimals")  # INFERRED code
    row: Record = {"orderRowSequence": str(10 * len(order["orderRows"]) + 10)}
    row |= {"productId": product["id"] if product else 1000, "productName": name}
    row |= {"productSku": product["identity"]["sku"]} if product else {}
    gross = net + tax if order["priceModeCode"] == "INC" else net
    row |= {
        "quantity": {"magnitude": places(count, 4)},
        "itemCost": {"currencyCode": BASE_CURRENCY, "value": "0.0000"},
        "productPrice": {"currencyCode": code, "value": places(gross / count if count else gross, 4)},
        "discountPercentage": "0.00",
        "rowValue": _taxed(call, value.get("taxCode") or "-", code, net, tax),
        "nominalCode": given.get("nominalCode") or "4000",
        "composition": {"bundleParent": False, "bundleChild": False, "parentOrderRowId": 0},
        "clonedFromId": 0,
    }
    if given.get("externalRef"):
        row["externalRef"] = given["externalRef"]
    call.world.last_row += 1
    return call.world.last_row, row


def _taxed(call: Call, code: str, currency: str, net: Decimal, tax: Decimal) -> Record:
    known = next((one for one in held(call, "tax-code") if one["code"] == code), None)
    if known is None and code != "-":
        raise Failure(400, "ORDC-028", f"Tax code {code} does not exist")  # INFERRED code
    return {
        "taxRate": places(Decimal(str(known.get("rate", 0) if known else 0)), 4),
        "taxCode": code,
        "taxCalculator": "brightpearl",
        "rowNet": {"currencyCode": currency, "value": places(net, 4)},
        "rowTax": {"currencyCode": currency, "value": places(tax, 2)},
        "taxClassId": known["id"] if known else 0,
    }


def sum_up(call: Call, order: Record) -> None:
    """Make the totals of an order what its rows add up to."""
    values = [row["rowValue"] for row in order["orderRows"].values()]
    net = sum((Decimal(value["rowNet"]["value"]) for value in values), Decimal(0))
    tax = sum((Decimal(value["rowTax"]["value"]) for value in values), Decimal(0))
    rate = int(Decimal(order["currency"]["exchangeRate"]) * 1_000_000)
    per_base = call.world.settings["exchange_rate"] == "order_per_base"
    order["totalValue"] = totals(half_up(int(net * 10000), 100), half_up(int(tax * 100), 1), rate, per_base)
    if values and order["orderPaymentStatus"] == "NOT_APPLICABLE":
        order |= {"orderPaymentStatus": "UNPAID", "stockStatusCode": "SON", "allocationStatusCode": "ANA"}
        order["shippingStatusCode"] = "SNS"
