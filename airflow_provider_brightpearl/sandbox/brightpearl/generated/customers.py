"""Contacts and their addresses, each made from its place in the history of the account."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from ..collection import Base, Record, spaced
from ..reference_data import CURRENCY_IDS, LIST_OF_CURRENCY, TRADE
from ..timestamps import Zone
from . import names, random_bits
from .countries import WEIGHTED, Country, fill

FIRST_CONTACT, FIRST_ADDRESS, GUEST_PLACE = 201, 9001, 0


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a buyer: the parts of a contact, of its address, and of the parties of its orders."""

    place: int
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
        """The person as a party of an order, without a contact id."""
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


class Customers:
    """Makes contacts and postal addresses from their places."""

    def __init__(self, seed: int, count: int, zone: Zone, first: int, last: int) -> None:
        self.seed, self.count, self.zone = seed, count, zone
        self.ids = spaced(FIRST_CONTACT, count, 60)
        self.created, self.updated = history(seed, random_bits.CONTACT, count, first, last)
        self.person = lru_cache(50_000)(self._person)
        self.party = lru_cache(50_000)(self._party)

    def contacts(self) -> Base:
        """The contacts with the columns contact searches use most."""
        columns = {"contactId": self.ids, "createdOn": self.created, "updatedOn": self.updated}
        return Base(self.ids, columns, self.contact)

    def addresses(self) -> Base:
        """Two addresses of each contact, the second one used for deliveries by some."""
        ids = FIRST_ADDRESS + np.arange(self.count * 2, dtype=np.int64)
        return Base(ids, {}, self.address)

    def contact(self, place: int) -> Record:
        """The contact as its GET shows it, custom fields included."""
        who, address = self.person(place), FIRST_ADDRESS + 2 * place
        updated = self.updated.item(place)
        found: Record = {
            "contactId": self.ids.item(place),
            "isPrimaryContact": True,
            "salutation": "",
            "firstName": who.first,
            "lastName": who.last,
            "postAddressIds": {"DEF": address, "BIL": address, "DEL": address + who.bits % 5 // 4},
            "communication": self._communication(who),
            "contactStatus": {"current": {"contactStatusId": 0}},
            "relationshipToAccount": {"isSupplier": False, "isStaff": False},
            "marketingDetails": {"isReceiveEmailNewsletter": bool(who.bits & 1)},
            "financialDetails": _terms(who),
            "assignment": {"current": {}},
            "organisation": {"organisationId": self.ids.item(place)}
            | ({"name": who.company} if who.company else {}),
            "tradeStatus": "UNKNOWN",
            "createdByid": 0,
            "createdOn": self.zone.text(self.created.item(place)),
        }
        if updated:
            found["updatedOn"] = self.zone.text(updated)
        found |= {"contactTags": ("", "9", "7,9")[who.bits % 7 % 3], "aliases": {}}
        found["companyId"] = self.ids.item(place) if who.company else 0
        found["customFields"] = {"PCF_LOYALTY": 10_000_000 + place} if who.bits % 6 == 0 else {}
        return found

    def address(self, place: int) -> Record:
        """The postal address as its GET shows it."""
        who = self.person(place // 2)
        line1, line2, line3, line4 = who.lines
        return {
            "addressId": FIRST_ADDRESS + place,
            "contactId": self.ids.item(place // 2),
            "addressLine1": line1 if place % 2 == 0 else "Goods in, " + line1,
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

    def _party(self, place: int) -> tuple[str, str]:
        """The parties of an order as JSON, with a contact id and without; guests share one contact."""
        shown = self.person(place).party()
        key = self.ids.item(place) if place < self.count else self.ids.item(GUEST_PLACE)
        return orjson.dumps({"contactId": key, **shown}).decode(), orjson.dumps(shown).decode()

    def _person(self, place: int) -> Person:
        bits = random_bits.draw(self.seed, random_bits.CONTACT, place)
        country = WEIGHTED[bits % len(WEIGHTED)]
        city = country.cities[(bits >> 8) % len(country.cities)]
        first, last = self._name(place, bits, country)
        more = random_bits.mix(bits)
        street = country.streets[more % len(country.streets)].format(n=1 + (more >> 8) % 140)
        guest = place == GUEST_PLACE
        return Person(
            place,
            bits,
            country,
            first,
            last,
            names.COMPANIES[(bits >> 20) % len(names.COMPANIES)] if bits % 4 == 3 and not guest else "",
            self._email(place, first, last, bits),
            sloppy_phone(fill(city.phone, more >> 16), country, bits >> 24),
            fill(country.mobile, more >> 20) if bits >> 30 & 3 == 0 else "",
            (street, "", city.name, city.region),
            sloppy_code(fill(city.postcode, more >> 12, country.letters), bits >> 33),
        )

    def _name(self, place: int, bits: int, country: Country) -> tuple[str, str]:
        if place == GUEST_PLACE:
            return "Guest", "Checkout"
        first, last = names.FIRST[country.speech], names.LAST[country.speech]
        return first[(bits >> 12) % len(first)], last[(bits >> 16) % len(last)]

    def _email(self, place: int, first: str, last: str, bits: int) -> str:
        if bits >> 40 & 63 == 1:
            return ""
        if bits >> 40 & 31 == 2 and 1 < place < self.count:  # somebody registered twice with one address
            twin = self.person(place - 1).email
            return twin.upper() if bits >> 45 & 1 else twin
        return names.mailbox(first, last, place)


def _terms(who: Person) -> Record:
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


def sloppy_code(code: str, bits: int) -> str:
    """A post code as people type it: sometimes in lower case, unspaced, or with blanks around."""
    kind = bits % 16
    if kind == 0:
        return code.lower()
    if kind == 1:
        return code.replace(" ", "")
    return f" {code} " if kind == 2 else code


def sloppy_phone(number: str, country: Country, bits: int) -> str:
    """A telephone number as people type it: national, sometimes unspaced or with the country's prefix."""
    kind = bits % 12
    if kind == 0:
        return number.replace(" ", "").replace("-", "")
    if kind == 1 and country.code not in ("IT", "US", "CA"):
        return f"{country.dialling} {number.lstrip('(0').replace(')', '')}"
    return "" if kind == 2 else number


def history(seed: int, kind: int, count: int, first: int, last: int) -> tuple[Any, Any]:
    """Creation instants, ascending over a stretch of time, and modification instants, 0 for never."""
    bits = random_bits.draw_many(seed, kind + 16, count)
    step = max(1, (last - first) // max(1, count))
    created = first + np.arange(count, dtype=np.int64) * (last - first) // max(1, count)
    created += (bits % np.uint64(step)).astype(np.int64)
    ahead = ((bits >> np.uint64(20)) % np.uint64(200 * 86400)).astype(np.int64)
    updated = np.minimum(created + 60 + ahead, last - 1 - ahead % 86400)
    never = (bits >> np.uint64(50)) % np.uint64(4) == 0
    updated[never | (updated <= created)] = 0
    return created, updated
