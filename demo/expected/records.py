"""What all expectations are made of: records, links, and how Brightpearl's values read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

Record = Mapping[str, Any]
Source = Mapping[str, Iterable[Record]]

LONDON = ZoneInfo("Europe/London")
NOWHERE = "XXX"
# after how many characters a postal code has its space, counted from the end
SPACED = {"GB": 3, "CA": 3, "IE": 4, "NL": 2}


@dataclass(frozen=True, slots=True)
class Link:
    """A reference to another record, by that record's own key."""

    object: str
    key: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """Several values of which any is right: of two parcels, the last one reported is seen."""

    values: frozenset[str]


Value = str | Decimal | bool | datetime | Link | OneOf | None
Fields = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Expected:
    """Per object and key the fields that must be there; per flow the source ids that must be left out."""

    records: dict[str, dict[str, Fields]]
    rejected: dict[str, set[str]] = field(default_factory=dict)
    parked: dict[str, set[str]] = field(default_factory=dict)

    def held_back(self, flow: str) -> set[str]:
        """Source ids that a flow has rejected or parked."""
        return self.rejected.get(flow, set()) | self.parked.get(flow, set())


def text(value: Any) -> str | None:
    """Trimmed, and None where nothing is left."""
    return str(value).strip() or None if value is not None else None


def cut(value: str | None, length: int) -> str | None:
    """The beginning of a text that may be too long."""
    return value[:length] if value else None


def is_customer(contact: Record) -> bool:
    """Whether a contact is neither supplier nor staff."""
    relation = contact["relationshipToAccount"]
    return not (relation["isSupplier"] or relation["isStaff"])


def full_name(contact: Record) -> str | None:
    """First and last name."""
    return text(f"{contact.get('firstName') or ''} {contact.get('lastName') or ''}")


def customer_name(contact: Record) -> str:
    """Of the organisation, else of the person."""
    return (
        text(contact["organisation"].get("name")) or full_name(contact) or f"Contact {contact['contactId']}"
    )


def email(contact: Record) -> str | None:
    """The primary address, in small letters."""
    address = text(contact["communication"]["emails"].get("PRI", {}).get("email"))
    return address.lower() if address else None


def address_of(contact: Record, kind: str, addresses: Mapping[int, Record]) -> Record:
    """The address of a kind (BIL, DEL, DEF); empty where there is none."""
    return addresses.get(contact["postAddressIds"].get(kind), {})


def country_is_sound(contact: Record, addresses: Mapping[int, Record]) -> bool:
    """Whether no address lies in a country that does not exist."""
    kinds = ("BIL", "DEL", "DEF")
    return all(address_of(contact, kind, addresses).get("countryIsoCode") != NOWHERE for kind in kinds)


def postcode(code: str | None, country: str | None) -> str | None:
    """As its country writes it."""
    spelled = (text(code) or "").upper()
    after = SPACED.get(country or "")
    if not after or not spelled:
        return spelled or None
    compact = spelled.replace(" ", "")
    return f"{compact[:-after]} {compact[-after:]}"


def phone(number: str | None, address: Record) -> str | None:
    """In E.164 where it is a number of the address's country, else as it is."""
    if number is None or not text(number):
        return None
    try:
        parsed = phonenumbers.parse(number, address.get("countryIsoCode2"))
    except phonenumbers.NumberParseException:
        return text(number)
    if not phonenumbers.is_valid_number(parsed):
        return text(number)
    return f"+{parsed.country_code}{phonenumbers.national_significant_number(parsed)}"


def product_name(product: Record) -> str | None:
    """In the first sales channel."""
    channel = product["salesChannels"][0] if product["salesChannels"] else {}
    return text(channel.get("productName"))


def of_type(source: Source, code: str) -> list[Record]:
    """Sales orders (SO) or sales credits (SC)."""
    return [each for each in source["order"] if each["orderTypeCode"] == code]


def is_placed_in_salesforce(order: Record) -> bool:
    """Whether a sales order was placed in Salesforce."""
    return str(order.get("externalRef") or "").startswith("SF-")


def london_day(instant: str) -> date:
    """The day that it was in London."""
    return datetime.fromisoformat(instant).astimezone(LONDON).date()


def rounded(amount: Decimal, places: int) -> Decimal:
    """Half away from zero."""
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def cents(amount: Decimal) -> Decimal:
    """An amount as Salesforce keeps it."""
    return rounded(amount, 2)


def note_lines(note: Record) -> dict[tuple[str, int], Decimal]:
    """Quantity by order row and product of a note, shelves added up, in the note's order."""
    lines: dict[tuple[str, int], Decimal] = {}
    for row, parts in note["orderRows"].items():
        for part in parts:
            key = (str(row), part["productId"])
            lines[key] = lines.get(key, Decimal(0)) + Decimal(str(part["quantity"]))
    return lines
