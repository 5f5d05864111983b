"""Customers, products and orders in Salesforce."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from demo.expected.records import (
    Expected,
    Fields,
    Link,
    Record,
    Source,
    address_of,
    cents,
    country_is_sound,
    customer_name,
    email,
    is_customer,
    is_placed_in_salesforce,
    london_day,
    of_type,
    phone,
    postcode,
    product_name,
    text,
)
from demo.expected.salesforce_goods import returns, shipments, stock

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
GROUPS = {"7": "Retail", "8": "Wholesale", "9": "Trade"}
CHANNELS = {0: None, 1: "Brightpearl", 2: "Web store UK", 3: "Web store EU", 4: "Amazon US", 5: "Trade desk"}
STATUSES = {
    "Draft / Quote": "Draft",
    "On hold - payment": "Draft",
    "New web order": "Processing",
    "New phone order": "Processing",
    "Ready to ship": "Processing",
    "Back order": "Processing",
    "Invoiced": "Activated",
    "Cancelled": "Cancelled",
}
FULFILMENT = {"SPS": "Partially Fulfilled", "ASS": "Fulfilled"}
STANDARD_LISTS = {2, 4, 5, 6, 7, 8, 9}
PRICE_BOOKS = {3: "Trade", 4: "Retail EUR", 5: "Retail USD"}
FREE_TEXT = 1000
FREE_TEXT_LISTS = {4: "EUR", 5: "USD"}
CURRENCIES = ("GBP", "EUR", "USD", "JPY", "KWD", "CAD", "AUD")
# codes of the regions of the sandbox's customers; the org lists states of no other countries
REGIONS = {
    "US": {"California": "CA", "New York": "NY", "Oregon": "OR", "Texas": "TX"},
    "CA": {"Ontario": "ON", "Québec": "QC"},
    "AU": {"New South Wales": "NSW", "South Australia": "SA"},
    "IE": {"Co. Dublin": "D", "Co. Galway": "G"},
}


def expected(source: Source) -> Expected:
    """All of Salesforce that the flows answer for.

    Args:
        source: Brightpearl's collections, by name.
    """
    addresses = {address["addressId"]: address for address in source["postal-address"]}
    prices = {each["productId"]: each["priceLists"] for each in source["product-price"]}
    customers = {str(each["contactId"]): each for each in source["contact"] if is_customer(each)}
    refused = {id for id, each in customers.items() if not _is_sound(each, addresses)}
    accepted = {id: each for id, each in customers.items() if id not in refused}
    # those that were placed in Salesforce do not come back to it
    orders = [each for each in of_type(source, "SO") if not is_placed_in_salesforce(each)]
    ready = [each for each in orders if str(each["parties"]["customer"]["contactId"]) in accepted]
    records: dict[str, dict[str, Fields]] = {
        "Account": {id: _account(each, addresses) for id, each in accepted.items()},
        "Contact": {id: _contact(each, addresses) for id, each in accepted.items()},
        "Product2": {str(each["id"]): _product(each) for each in source["product"]} | _free_text_product(),
        "PricebookEntry": dict(_entries(prices)),
        "Order": {str(each["id"]): _order(each) for each in ready},
        "OrderItem": {row: fields for each in ready for row, fields in _items(each)},
    }
    for product, figures in stock(source):
        records["Product2"][product] |= figures
    wanted = Expected(records, {"customers_to_salesforce": refused})
    wanted.parked["orders_to_salesforce"] = {str(each["id"]) for each in orders} - set(records["Order"])
    shipments(source, wanted)
    returns(source, wanted)
    return wanted


def _is_sound(contact: Record, addresses: Mapping[int, Record]) -> bool:
    address = email(contact)
    return (address is None or EMAIL.fullmatch(address) is not None) and country_is_sound(contact, addresses)


def _account(contact: Record, addresses: Mapping[int, Record]) -> Fields:
    billing = address_of(contact, "BIL", addresses)
    return {
        "Name": customer_name(contact),
        "Type": GROUPS.get((contact.get("contactTags") or "").split(",")[0].strip(), "Customer"),
        "Phone": phone(contact["communication"]["telephones"].get("PRI"), billing),
        **_address("Billing", billing),
        **_address("Shipping", address_of(contact, "DEL", addresses)),
    }


def _contact(contact: Record, addresses: Mapping[int, Record]) -> Fields:
    home, phones = address_of(contact, "DEF", addresses), contact["communication"]["telephones"]
    names = (contact.get("lastName"), contact.get("firstName"))
    return {
        "AccountId": Link("Account", str(contact["contactId"])),
        "FirstName": text(contact.get("firstName")),
        "LastName": next((name for name in map(text, names) if name), "Unknown"),
        "Email": email(contact),
        "Phone": phone(phones.get("PRI"), home),
        "MobilePhone": phone(phones.get("MOB"), home),
        **_address("Mailing", home),
    }


def _address(prefix: str, address: Record) -> Fields:
    country = address.get("countryIsoCode2")
    return {
        f"{prefix}Street": _street(address),
        f"{prefix}City": text(address.get("addressLine3")),
        f"{prefix}StateCode": _state(address, country),
        f"{prefix}PostalCode": postcode(address.get("postalCode"), country),
        f"{prefix}CountryCode": country,
    }


def _state(address: Record, country: str | None) -> str | None:
    return REGIONS.get(country or "", {}).get(text(address.get("addressLine4")) or "")


def _street(address: Record) -> str | None:
    lines = (text(address.get(name)) for name in ("addressLine1", "addressLine2"))
    return "\n".join(line for line in lines if line) or None


def _product(product: Record) -> Fields:
    channel = product["salesChannels"][0] if product["salesChannels"] else {}
    sku = text(product["identity"].get("sku"))
    return {
        "Name": (product_name(product) or sku or f"Product {product['id']}")[:255],
        "ProductCode": sku,
        "Description": (text(channel.get("description", {}).get("text")) or "")[:4000] or None,
        "IsActive": product["status"] == "LIVE",
    }


def _free_text_product() -> dict[str, Fields]:
    name = "Free text and shipping"
    return {str(FREE_TEXT): {"Name": name, "ProductCode": "FREE-TEXT", "Description": None, "IsActive": True}}


def _entries(prices: Mapping[int, Iterable[Record]]) -> Iterator[tuple[str, Fields]]:
    for currency in CURRENCIES:
        yield f"{FREE_TEXT}|standard|{currency}", _entry(FREE_TEXT, "Standard Price Book", currency, "0")
    for number, currency in FREE_TEXT_LISTS.items():
        yield f"{FREE_TEXT}|{number}|{currency}", _entry(FREE_TEXT, PRICE_BOOKS[number], currency, "0")
    for product, lists in prices.items():
        for each in lists:
            yield from _entries_of(product, each)


def _entries_of(product: int, prices: Record) -> Iterator[tuple[str, Fields]]:
    number, currency = prices["priceListId"], prices["currencyCode"]
    price = prices["quantityPrice"].get("1")
    if number in STANDARD_LISTS:
        yield f"{product}|standard|{currency}", _entry(product, "Standard Price Book", currency, price or "0")
    if number in PRICE_BOOKS and price is not None:
        yield f"{product}|{number}|{currency}", _entry(product, PRICE_BOOKS[number], currency, price)


def _entry(product: int, book: str, currency: str, price: str) -> Fields:
    return {
        "Product2Id": Link("Product2", str(product)),
        "Pricebook2Id": Link("Pricebook2", book),
        "CurrencyIsoCode": currency,
        "UnitPrice": cents(Decimal(price)),
        "IsActive": True,
    }


def _status(order: Record) -> str:
    status = STATUSES[order["orderStatus"]["name"]]
    on_its_way = status in ("Processing", "Activated")
    return FULFILMENT.get(order["shippingStatusCode"], status) if on_its_way else status


def _order(order: Record) -> Fields:
    totals, parties = order["totalValue"], order["parties"]
    return {
        "AccountId": Link("Account", str(parties["customer"]["contactId"])),
        "Pricebook2Id": Link("Pricebook2", "Standard Price Book"),
        "CurrencyIsoCode": order["currency"]["orderCurrencyCode"],
        "Status": _status(order),
        "EffectiveDate": london_day(order["placedOn"]).isoformat(),
        "OrderReferenceNumber": (text(order.get("reference")) or "")[:80] or None,
        "Brightpearl_Status__c": order["orderStatus"]["name"],
        "Brightpearl_Channel__c": CHANNELS[order["assignment"]["current"]["channelId"]],
        "Net__c": cents(Decimal(totals["net"])),
        "Tax__c": cents(Decimal(totals["taxAmount"])),
        "Total__c": cents(Decimal(totals["total"])),
        **_party("Billing", parties["billing"]),
        **_party("Shipping", parties["delivery"]),
    }


def _party(prefix: str, party: Record) -> Fields:
    code = text(party.get("postalCode"))
    return {
        f"{prefix}Street": _street(party),
        f"{prefix}City": text(party.get("addressLine3")),
        f"{prefix}StateCode": _state(party, text(party.get("countryIsoCode"))),
        f"{prefix}PostalCode": code.upper() if code else None,
        f"{prefix}CountryCode": text(party.get("countryIsoCode")),
    }


def _items(order: Record) -> Iterator[tuple[str, Fields]]:
    currency = order["currency"]["orderCurrencyCode"]
    for number, row in order["orderRows"].items():
        quantity = Decimal(row["quantity"]["magnitude"])
        yield (
            str(number),
            {
                "OrderId": Link("Order", str(order["id"])),
                "PricebookEntryId": Link("PricebookEntry", f"{row['productId']}|standard|{currency}"),
                "Quantity": cents(quantity),
                "UnitPrice": cents(Decimal(row["rowValue"]["rowNet"]["value"]) / quantity),
                "Description": (text(row.get("productName")) or "")[:255] or None,
            },
        )
