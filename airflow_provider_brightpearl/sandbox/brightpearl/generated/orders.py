"""Orders and sales credits with their rows and sums, each made from its place in the history."""

from __future__ import annotations

import orjson

from ..collection import Base, Record
from ..money import half_up, two
from ..reference_data import BASE_CURRENCY, INSTANCE, ORDER_FIELDS, RATES, STAFF, STATUS_NAMES
from ..timestamps import Zone
from . import random_bits
from .customers import Customers, Person
from .order_history import BACK, CANCELLED, CREDITED, DRAFT, HOLD, INVOICED, PHONE, READY, WEB, History
from .order_rows import Lines
from .products import Catalogue

FIRST_ROW, ROWS_AN_ORDER = 5001, 16
_MESSAGES = ("Happy birthday! 🎂", "Für Großmutter", "=SUM(1;2) is <b>not</b> a formula & that's fine", "yes")
_ZONES = ('{"id":64,"value":"North"}', '{"id":65,"value":"South"}')
_PREFIX = {PHONE: "PHN", DRAFT: "QUO"}
_STATES = {  # stock, allocation, shipping
    INVOICED: ("SOA", "AAA", "ASS"),
    READY: ("SON", "AAA", "SNS"),
    CANCELLED: ("SON", "ANR", "SNS"),
    BACK: ("SON", "APA", "SNS"),
    CREDITED: ("SCA", "ANR", "NST"),
}
_OPEN, _OPEN_CREDIT = ("SON", "ANA", "SNS"), ("SCN", "ANA", "NST")


class Orders:
    """Makes the orders of an account."""

    def __init__(
        self,
        seed: int,
        history: History,
        customers: Customers,
        catalogue: Catalogue,
        zone: Zone,
        order_per_base: bool,
    ) -> None:
        self.seed, self.history, self.zone = seed, history, zone
        self.customers, self.catalogue = customers, catalogue
        self.order_per_base = order_per_base

    def base(self) -> Base:
        """The orders with the columns order searches use most."""
        past = self.history
        columns = {
            "orderId": past.ids,
            "orderTypeId": past.credit * 2 + 1,
            "orderStatusId": past.status,
            "createdOn": past.created,
            "updatedOn": past.updated,
        }
        return Base(past.ids, columns, self.make, self.text)

    def make(self, place: int) -> Record:
        """The order as its GET shows it, custom fields included."""
        found: Record = orjson.loads(self.text(place, {"customFields", "nullCustomFields"}))
        return found

    def text(self, place: int, optional: set[str]) -> str:
        """The order as JSON."""
        past = self.history
        bits = random_bits.draw(self.seed, random_bits.ORDER, place)
        more = random_bits.mix(bits)
        id, status, created = past.ids.item(place), past.status.item(place), past.created.item(place)
        updated, credit = past.updated.item(place), past.credit.item(place)
        origin = place - 1 - bits % 40 if credit else place
        buyer = past.buyer.item(origin)
        # The anonymous contact's orders carry the name and address the guest typed in.
        shown_as = self.customers.count + origin if buyer == 0 else buyer
        who = self.customers.person(shown_as)
        lines, rows = self._lines(place, origin, who, more)
        stock, allocation, shipping = _STATES.get(status, _OPEN_CREDIT if credit else _OPEN)
        parent = past.ids.item(origin) if credit else 0
        modified = f'"updatedOn":"{self.zone.text(updated)}",' if updated else ""
        return (
            f'{{"id":{id},"parentOrderId":{parent},"orderTypeCode":"{"SC" if credit else "SO"}",'
            f'"reference":"{_PREFIX.get(status, "WEB")}-{id}","version":{2 + bits % 7 if updated else 1},'
            f'"orderStatus":{{"orderStatusId":{status},"name":"{STATUS_NAMES[status]}"}},"tax":{{"errors":[]}},'
            f'"orderPaymentStatus":"{_payment(status, lines.net + lines.tax)}","stockStatusCode":"{stock}",'
            f'"allocationStatusCode":"{allocation}","shippingStatusCode":"{shipping}",'
            f'"placedOn":"{self.zone.text(created - (bits >> 5) % 600)}",'
            f'"createdOn":"{self.zone.text(created)}",{modified}{self._bill(id, status, created, updated)}'
            f'"createdById":{STAFF},"priceListId":{lines.price_list},"priceModeCode":"{_mode(lines)}",'
            f'"delivery":{self._delivery(created, bits)},{self._sums(lines, _rate(lines.currency, bits))}'
            f'"assignment":{{"current":{_assignment(who, status, bits)}}},'
            f'"parties":{self._parties(shown_as, more)},'
            f'"orderRows":{{{rows}}},"warehouseId":{_warehouse(who)},"acknowledged":0,"costPriceListId":1,'
            f'"historicalOrder":false,"isDropship":false,"orderWeighting":100,"externalRef":"shop-{id}",'
            f'"installedIntegrationInstanceId":{INSTANCE}{_custom(more, optional) if optional else ""}}}'
        )

    def _lines(self, place: int, origin: int, who: Person, more: int) -> tuple[Lines, str]:
        """The rows of an order; those of a credit are its order's, or only the first article of them."""
        first = FIRST_ROW + place * ROWS_AN_ORDER
        if place == origin:
            lines = Lines(self.catalogue, who, more, first)
            return lines, lines.fill()
        bought = random_bits.mix(random_bits.draw(self.seed, random_bits.ORDER, origin))
        lines = Lines(self.catalogue, who, bought, first, FIRST_ROW + origin * ROWS_AN_ORDER)
        discounted = bought >> 50 & 7 == 0
        return lines, lines.fill(only_first=bool(more & 1) and not discounted)

    def _sums(self, lines: Lines, rate: int) -> str:
        sums = totals(lines.net, lines.tax, rate, self.order_per_base)
        inside = ",".join(f'"{key}":"{value}"' for key, value in sums.items())
        return (
            f'"currency":{{"accountingCurrencyCode":"{BASE_CURRENCY}","orderCurrencyCode":"{lines.currency}",'
            f'"exchangeRate":"{rate // 1_000_000}.{rate % 1_000_000:06d}","fixedExchangeRate":false}},'
            f'"totalValue":{{{inside}}},'
        )

    def _delivery(self, created: int, bits: int) -> str:
        day = f'"deliveryDate":"{self.zone.day(created + 259200)}",' if bits >> 12 & 3 else ""
        return f'{{{day}"shippingMethodId":{2 + bits % 3}}}'

    def _parties(self, place: int, bits: int) -> str:
        customer, delivery = self.customers.party(place)
        if bits & 15 == 0:  # a gift, to another door of the same town
            other = {"addressFullName": "Grandma Ó Sé", "addressLine2": "c/o Reception", "companyName": ""}
            delivery = orjson.dumps({**orjson.loads(delivery), **other}).decode()
        return f'{{"customer":{customer},"delivery":{delivery},"billing":{customer}}}'

    def _bill(self, id: int, status: int, created: int, updated: int) -> str:
        if status not in (INVOICED, CREDITED):
            return '"state":{"tax":"READY"},"invoices":[{"invoiceReference":""}],'
        day = self.zone.day(created)
        due = self.zone.day(created + 30 * 86400)
        return (
            f'"state":{{"tax":"INVOICED"}},"closedOn":"{self.zone.text(max(created, updated - 1))}",'
            f'"invoices":[{{"invoiceReference":"{"SC" if status == CREDITED else "SI"}-{id}",'
            f'"taxDate":"{day}","dueDate":"{due}"}}],"originalInvoiceDate":"{day}",'
        )


def totals(net: int, tax: int, rate: int, order_per_base: bool) -> Record:
    """The sums of an order, in its currency and in that of the account; the rate is in millionths."""
    base_net, base_tax = net, tax
    if rate != 1_000_000:
        up, down = (1_000_000, rate) if order_per_base else (rate, 1_000_000)
        base_net, base_tax = half_up(net * up, down), half_up(tax * up, down)
    return {
        "net": two(net),
        "taxAmount": two(tax),
        "baseNet": two(base_net),
        "baseTaxAmount": two(base_tax),
        "baseTotal": two(base_net + base_tax),
        "total": two(net + tax),
    }


def _mode(lines: Lines) -> str:
    return "INC" if lines.gross else "EXC"


def _warehouse(who: Person) -> int:
    return 3 if who.country.currency == "EUR" else 2 if who.country.code == "GB" else 4


def _rate(currency: str, bits: int) -> int:
    rate = RATES[currency]
    return rate if currency == BASE_CURRENCY else rate * (9800 + bits % 400) // 10000


def _payment(status: int, total: int) -> str:
    if total == 0:
        return "NOT_APPLICABLE"
    return "PAID" if status in (INVOICED, READY, BACK, CREDITED, WEB) else "UNPAID"


def _assignment(who: Person, status: int, bits: int) -> str:
    channel = {"GBP": 2, "EUR": 3, "USD": 4}.get(who.country.currency, 3)
    if status == PHONE:
        channel = 5 if who.company else 1
    owner = STAFF if status in (PHONE, HOLD) else 0
    return (
        f'{{"staffOwnerContactId":{owner},"projectId":0,"channelId":{channel},"leadSourceId":{bits >> 8 & 1},'
        f'"teamId":0}}'
    )


def _custom(bits: int, optional: set[str]) -> str:
    filled: dict[str, str] = {}
    if bits >> 5 & 7 == 0:
        filled["PCF_GIFT"] = orjson.dumps(_MESSAGES[bits >> 9 & 3]).decode()
    if bits >> 11 & 3 == 0:
        filled["PCF_ZONE"] = _ZONES[bits >> 13 & 1]
    found = ""
    if "customFields" in optional:
        found = ',"customFields":{' + ",".join(f'"{code}":{value}' for code, value in filled.items()) + "}"
    if "nullCustomFields" in optional:
        codes = [code for _, code, *_ in ORDER_FIELDS if code not in filled]
        found += ',"nullCustomFields":' + orjson.dumps(codes).decode()
    return found
