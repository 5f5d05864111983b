"""What has to be in Salesforce, worked out from Brightpearl's records in plain Python.

The flow files say the same in SQL. Nothing here comes from the package, neither code nor lookup files, since
a check cannot find a mistake that it shares. A change of a flow file is a change of this file too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A reference to another record, by that record's own key."""

    object: str
    key: str


Value = str | Decimal | bool | Link | None


@dataclass(frozen=True, slots=True)
class Expected:
    """Per object and key the fields that must be there; per flow the source ids that must be left out."""

    records: dict[str, dict[str, dict[str, Value]]]
    rejected: dict[str, set[str]] = field(default_factory=dict)
    parked: dict[str, set[str]] = field(default_factory=dict)


LONDON = ZoneInfo("Europe/London")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
GROUPS = {"7": "Retail", "8": "Wholesale", "9": "Trade"}
CHANNELS = {1: "Brightpearl", 2: "Web store UK", 3: "Web store EU", 4: "Amazon US", 5: "Trade desk"}
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
# how post offices abbreviate the regions of the sandbox's customers; elsewhere the name is written in full
REGIONS = {
    "US": {"California": "CA", "New York": "NY", "Oregon": "OR", "Texas": "TX"},
    "CA": {"Ontario": "ON", "Québec": "QC"},
    "AU": {"New South Wales": "NSW", "South Australia": "SA"},
    "IT": {"Milano": "MI", "Roma": "RM"},
    "ES": {"A Coruña": "C", "Madrid": "M"},
}
# after how many characters a postal code has its space, counted from the end
SPACED = {"GB": 3, "CA": 3, "IE": 4, "NL": 2}


def expected(source: Mapping[str, Iterable[Record]]) -> Expected:
    """All of Salesforce that the three flows answer for.

    Args:
        source: Brightpearl's collections: ``contact``, ``postal-address``, ``product``, ``product-price`` and
            ``order``.
    """
    addresses = {address["addressId"]: address for address in source["postal-address"]}
    prices = {each["productId"]: each["priceLists"] for each in source["product-price"]}
    customers = [each for each in source["contact"] if _is_customer(each)]
    refused = {str(each["contactId"]) for each in customers if not _email_is_sound(each)}
    accepted = [each for each in customers if str(each["contactId"]) not in refused]
    known = {each["contactId"] for each in accepted}
    orders = [each for each in source["order"] if each["orderTypeCode"] == "SO"]
    ready = [each for each in orders if each["parties"]["customer"]["contactId"] in known]
    records = {
        "Account": {str(each["contactId"]): _account(each, addresses) for each in accepted},
        "Contact": {str(each["contactId"]): _contact(each, addresses) for each in accepted},
        "Product2": {str(each["id"]): _product(each) for each in source["product"]} | _free_text_product(),
        "PricebookEntry": dict(_entries(prices)),
        "Order": {str(each["id"]): _order(each) for each in ready},
        "OrderItem": {row: fields for each in ready for row, fields in _items(each)},
    }
    waiting = {str(each["id"]) for each in orders} - set(records["Order"])
    return Expected(records, {"customers_to_salesforce": refused}, {"orders_to_salesforce": waiting})


def _text(value: Any) -> str | None:
    return str(value).strip() or None if value is not None else None


def _is_customer(contact: Record) -> bool:
    relation = contact["relationshipToAccount"]
    return not (relation["isSupplier"] or relation["isStaff"])


def _email(contact: Record) -> str | None:
    address = _text(contact["communication"]["emails"].get("PRI", {}).get("email"))
    return address.lower() if address else None


def _email_is_sound(contact: Record) -> bool:
    email = _email(contact)
    return email is None or EMAIL.fullmatch(email) is not None


def _account(contact: Record, addresses: Mapping[int, Record]) -> dict[str, Value]:
    billing = _address_of(contact, "BIL", addresses)
    full_name = f"{contact.get('firstName') or ''} {contact.get('lastName') or ''}"
    name = _text(contact["organisation"].get("name")) or _text(full_name) or f"Contact {contact['contactId']}"
    return {
        "Name": name,
        "Type": GROUPS.get((contact.get("contactTags") or "").split(",")[0].strip(), "Customer"),
        "Phone": _phone(contact["communication"]["telephones"].get("PRI"), billing),
        **_address("Billing", billing),
        **_address("Shipping", _address_of(contact, "DEL", addresses)),
    }


def _contact(contact: Record, addresses: Mapping[int, Record]) -> dict[str, Value]:
    home, phones = _address_of(contact, "DEF", addresses), contact["communication"]["telephones"]
    names = (contact.get("lastName"), contact.get("firstName"), contact["organisation"].get("name"))
    return {
        "AccountId": Link("Account", str(contact["contactId"])),
        "FirstName": _text(contact.get("firstName")),
        "LastName": next((name for name in map(_text, names) if name), "Unknown"),
        "Email": _email(contact),
        "Phone": _phone(phones.get("PRI"), home),
        "MobilePhone": _phone(phones.get("MOB"), home),
        **_address("Mailing", home),
    }


def _address_of(contact: Record, kind: str, addresses: Mapping[int, Record]) -> Record:
    return addresses.get(contact["postAddressIds"].get(kind), {})


def _address(prefix: str, address: Record) -> dict[str, Value]:
    country = address.get("countryIsoCode2")
    state = _text(address.get("addressLine4"))
    return {
        f"{prefix}Street": _street(address),
        f"{prefix}City": _text(address.get("addressLine3")),
        f"{prefix}State": REGIONS.get(country or "", {}).get(state or "", state),
        f"{prefix}PostalCode": _postcode(address.get("postalCode"), country),
        f"{prefix}CountryCode": country,
    }


def _street(address: Record) -> str | None:
    lines = (_text(address.get(name)) for name in ("addressLine1", "addressLine2"))
    return "\n".join(line for line in lines if line) or None


def _postcode(code: str | None, country: str | None) -> str | None:
    spelled = (_text(code) or "").upper()
    after = SPACED.get(country or "")
    if not after or not spelled:
        return spelled or None
    compact = spelled.replace(" ", "")
    return f"{compact[:-after]} {compact[-after:]}"


def _phone(number: str | None, address: Record) -> str | None:
    if number is None or not _text(number):
        return None
    try:
        parsed = phonenumbers.parse(number, address.get("countryIsoCode2"))
    except phonenumbers.NumberParseException:
        return _text(number)
    if not phonenumbers.is_valid_number(parsed):
        return _text(number)
    return f"+{parsed.country_code}{phonenumbers.national_significant_number(parsed)}"


def _product(product: Record) -> dict[str, Value]:
    channel = product["salesChannels"][0] if product["salesChannels"] else {}
    sku = _text(product["identity"].get("sku"))
    return {
        "Name": (_text(channel.get("productName")) or sku or f"Product {product['id']}")[:255],
        "ProductCode": sku,
        "Description": (_text(channel.get("description", {}).get("text")) or "")[:4000] or None,
        "IsActive": product["status"] == "LIVE",
    }


def _free_text_product() -> dict[str, dict[str, Value]]:
    name = "Free text and shipping"
    return {str(FREE_TEXT): {"Name": name, "ProductCode": "FREE-TEXT", "Description": None, "IsActive": True}}


def _entries(prices: Mapping[int, Iterable[Record]]) -> Iterator[tuple[str, dict[str, Value]]]:
    for currency in CURRENCIES:
        yield f"{FREE_TEXT}|standard|{currency}", _entry(FREE_TEXT, "Standard Price Book", currency, "0")
    for number, currency in FREE_TEXT_LISTS.items():
        yield f"{FREE_TEXT}|{number}|{currency}", _entry(FREE_TEXT, PRICE_BOOKS[number], currency, "0")
    for product, lists in prices.items():
        for each in lists:
            yield from _entries_of(product, each)


def _entries_of(product: int, prices: Record) -> Iterator[tuple[str, dict[str, Value]]]:
    number, currency = prices["priceListId"], prices["currencyCode"]
    price = prices["quantityPrice"].get("1")
    if number in STANDARD_LISTS:
        yield f"{product}|standard|{currency}", _entry(product, "Standard Price Book", currency, price or "0")
    if number in PRICE_BOOKS and price is not None:
        yield f"{product}|{number}|{currency}", _entry(product, PRICE_BOOKS[number], currency, price)


def _entry(product: int, book: str, currency: str, price: str) -> dict[str, Value]:
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


def _order(order: Record) -> dict[str, Value]:
    totals, parties = order["totalValue"], order["parties"]
    return {
        "AccountId": Link("Account", str(parties["customer"]["contactId"])),
        "Pricebook2Id": Link("Pricebook2", "Standard Price Book"),
        "CurrencyIsoCode": order["currency"]["orderCurrencyCode"],
        "Status": _status(order),
        "EffectiveDate": datetime.fromisoformat(order["placedOn"]).astimezone(LONDON).date().isoformat(),
        "OrderReferenceNumber": (_text(order.get("reference")) or "")[:80] or None,
        "Brightpearl_Status__c": order["orderStatus"]["name"],
        "Brightpearl_Channel__c": CHANNELS[order["assignment"]["current"]["channelId"]],
        "Net__c": cents(Decimal(totals["net"])),
        "Tax__c": cents(Decimal(totals["taxAmount"])),
        "Total__c": cents(Decimal(totals["total"])),
        **_party("Billing", parties["billing"]),
        **_party("Shipping", parties["delivery"]),
    }


def _party(prefix: str, party: Record) -> dict[str, Value]:
    code = _text(party.get("postalCode"))
    return {
        f"{prefix}Street": _street(party),
        f"{prefix}City": _text(party.get("addressLine3")),
        f"{prefix}State": _text(party.get("addressLine4")),
        f"{prefix}PostalCode": code.upper() if code else None,
        f"{prefix}CountryCode": _text(party.get("countryIsoCode")),
    }


def _items(order: Record) -> Iterator[tuple[str, dict[str, Value]]]:
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
                "Description": (_text(row.get("productName")) or "")[:255] or None,
            },
        )


def cents(amount: Decimal) -> Decimal:
    """An amount as Salesforce keeps it: two decimals, half away from zero."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
