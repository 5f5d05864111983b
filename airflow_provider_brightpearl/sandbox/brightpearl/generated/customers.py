"""Generates contacts and their addresses from their index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from ..collection import GeneratedRecords, Record, ids_with_gaps
from ..reference_data import CURRENCY_IDS, LIST_OF_CURRENCY, TRADE
from ..timestamps import AccountTimeZone
from . import names, random_bits
from .countries import WEIGHTED, Country, fill_pattern

FIRST_CONTACT, FIRST_ADDRESS, GUEST_INDEX = 201, 9001, 0


@dataclass(frozen=True, slots=True)
class Person:
    """A buyer, the source of a contact, its addresses, and the parties of its orders."""

    index: int
    bits: int
    country: Country
    first: str
    last: str
    company: str
    email: str
    phone: str
    mobile: str
    lines: tuple[str, str, str, str]
    postcode: str

    def party(self) -> Record:
        """The person as a party of an order, without the contact id."""
        line1, line2, line3, line4 = self.lines
        return {
            "addressFullName": f"{self.first} {self.last}",
            "companyName": self.company,
            "addressLine1": line1,
            "addressLine2": line2,
            "addressLine3": line3,
            "addressLine4": line4,
            "postalCode": self.postcode,
            "country": self.country.name,
            "telephone": self.phone,
            "mobileTelephone": self.mobile,
            "fax": "",
            "email": self.email,
            "countryId": self.country.id,
            "countryIsoCode": self.country.code,
            "countryIsoCode3": self.country.code3,
        }


class CustomerGenerator:
    """Generates contacts and postal addresses."""

    def __init__(self, seed: int, count: int, zone: AccountTimeZone, first: int, last: int) -> None:
        self.seed, self.count, self.zone = seed, count, zone
        self.ids = ids_with_gaps(FIRST_CONTACT, count, 60)
        self.created, self.updated = created_and_updated(seed, random_bits.CONTACT, count, first, last)
        self.person = lru_cache(50_000)(self._person)
        self.party = lru_cache(50_000)(self._party)

    def contacts(self) -> GeneratedRecords:
        """The contacts, with the columns that searches use most."""
        columns = {"contactId": self.ids, "createdOn": self.created, "updatedOn": self.updated}
        return GeneratedRecords(self.ids, columns, self.contact)

    def addresses(self) -> GeneratedRecords:
        """Two addresses per contact; some contacts use the second one for deliveries."""
        ids = FIRST_ADDRESS + np.arange(self.count * 2, dtype=np.int64)
        return GeneratedRecords(ids, {}, self.address)

    def contact(self, index: int) -> Record:
        """A contact as GET returns it, with custom fields."""
        who, address = self.person(index), FIRST_ADDRESS + 2 * index
        updated = self.updated.item(index)
        found: Record = {
            "contactId": self.ids.item(index),
            "isPrimaryContact": True,
            "salutation": "",
            "firstName": who.first,
            "lastName": who.last,
            "postAddressIds": {"DEF": address, "BIL": address, "DEL": address + who.bits % 5 // 4},
            "communication": self._communication(who),
            "contactStatus": {"current": {"contactStatusId": 0}},
            "relationshipToAccount": {"isSupplier": False, "isStaff": False},
            "marketingDetails": {"isReceiveEmailNewsletter": bool(who.bits & 1)},
            "financialDetails": _financial_details(who),
            "assignment": {"current": {}},
            "organisation": {"organisationId": self.ids.item(index)}
            | ({"name": who.company} if who.company else {}),
            "tradeStatus": "UNKNOWN",
            "createdByid": 0,
            "createdOn": self.zone.format(self.created.item(index)),
        }
        if updated:
            found["updatedOn"] = self.zone.format(updated)
        found |= {"contactTags": ("", "9", "7,9")[who.bits % 7 % 3], "aliases": {}}
        found["companyId"] = self.ids.item(index) if who.company else 0
        found["customFields"] = {"PCF_LOYALTY": 10_000_000 + index} if who.bits % 6 == 0 else {}
        return found

    def address(self, index: int) -> Record:
        """A postal address as GET returns it."""
        who = self.person(index // 2)
        line1, line2, line3, line4 = who.lines
        return {
            "addressId": FIRST_ADDRESS + index,
            "contactId": self.ids.item(index // 2),
            "addressLine1": line1 if index % 2 == 0 else "Goods in, " + line1,
            "addressLine2": line2,
            "addressLine3": line3,
            "addressLine4": line4,
            "postalCode": who.postcode,
            "countryIsoCode": who.country.code3,
            "countryIsoCode2": who.country.code,
            "countryId": who.country.id,
        }

    def _communication(self, who: Person) -> Record:
        phones = {"PRI": who.phone} if who.phone else {}
        if who.mobile:
            phones["MOB"] = who.mobile
        emails = {"PRI": {"email": who.email}} if who.email else {}
        return {"emails": emails, "telephones": phones, "messagingVoips": {}, "websites": {}}

    def _party(self, index: int) -> tuple[str, str]:
        """A party of an order as JSON, with contact id and without; guests share one contact."""
        shown = self.person(index).party()
        key = self.ids.item(index) if index < self.count else self.ids.item(GUEST_INDEX)
        return orjson.dumps({"contactId": key, **shown}).decode(), orjson.dumps(shown).decode()

    def _person(self, index: int) -> Person:
        bits = random_bits.draw(self.seed, random_bits.CONTACT, index)
        country = WEIGHTED[bits % len(WEIGHTED)]
        city = country.cities[(bits >> 8) % len(country.cities)]
        first, last = self._name(index, bits, country)
        more = random_bits.scramble(bits)
        street = country.streets[more % len(country.streets)].format(n=1 + (more >> 8) % 140)
        guest = index == GUEST_INDEX
        return Person(
            index,
            bits,
            country,
            first,
            last,
            names.COMPANIES[(bits >> 20) % len(names.COMPANIES)] if bits % 4 == 3 and not guest else "",
            self._email(index, first, last, bits),
            sloppy_phone(fill_pattern(city.phone, more >> 16), country, bits >> 24),
            fill_pattern(country.mobile, more >> 20) if bits >> 30 & 3 == 0 else "",
            (street, "", city.name, city.region),
            sloppy_postcode(fill_pattern(city.postcode, more >> 12, country.letters), bits >> 33),
        )

    def _name(self, index: int, bits: int, country: Country) -> tuple[str, str]:
        if index == GUEST_INDEX:
            return "Guest", "Checkout"
        first, last = names.FIRST_NAMES[country.language], names.LAST_NAMES[country.language]
        return first[(bits >> 12) % len(first)], last[(bits >> 16) % len(last)]

    def _email(self, index: int, first: str, last: str, bits: int) -> str:
        if bits >> 40 & 63 == 1:
            return ""
        if bits >> 40 & 31 == 2 and 1 < index < self.count:  # the same person registered twice
            twin = self.person(index - 1).email
            return twin.upper() if bits >> 45 & 1 else twin
        return names.email_address(first, last, index)


def _financial_details(who: Person) -> Record:
    trade = bool(who.company) and who.country.currency == "GBP"
    return {
        "priceListId": TRADE if trade else LIST_OF_CURRENCY[who.country.currency],
        "nominalCode": "4000",
        "creditLimit": 5000 if trade else 0,
        "creditTermDays": 30 if trade else 0,
        "currencyId": CURRENCY_IDS[who.country.currency],
        "discountPercentage": 0.0,
        "creditTermTypeId": 1,
    }


def sloppy_postcode(code: str, bits: int) -> str:
    """A postcode as people type it: sometimes in lower case, unspaced, or padded with blanks."""
    kind = bits % 16
    if kind == 0:
        return code.lower()
    if kind == 1:
        return code.replace(" ", "")
    return f" {code} " if kind == 2 else code


def sloppy_phone(number: str, country: Country, bits: int) -> str:
    """A telephone number as people type it: national, sometimes unspaced or with country prefix."""
    kind = bits % 12
    if kind == 0:
        return number.replace(" ", "").replace("-", "")
    if kind == 1 and country.code not in ("IT", "US", "CA"):
        return f"{country.dialling} {number.lstrip('(0').replace(')', '')}"
    return "" if kind == 2 else number


def created_and_updated(seed: int, kind: int, count: int, first: int, last: int) -> tuple[Any, Any]:
    """Creation times, ascending between two instants, and modification times, 0 for never."""
    bits = random_bits.draw_many(seed, kind + 16, count)
    step = max(1, (last - first) // max(1, count))
    created = first + np.arange(count, dtype=np.int64) * (last - first) // max(1, count)
    created += (bits % np.uint64(step)).astype(np.int64)
    ahead = ((bits >> np.uint64(20)) % np.uint64(200 * 86400)).astype(np.int64)
    updated = np.minimum(created + 60 + ahead, last - 1 - ahead % 86400)
    never = (bits >> np.uint64(50)) % np.uint64(4) == 0
    updated[never | (updated <= created)] = 0
    return created, updated
