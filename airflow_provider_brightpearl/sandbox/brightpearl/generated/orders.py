"""Generates orders and sales credits, with rows and totals, from their index."""

from __future__ import annotations

import orjson

from ..collection import GeneratedRecords, Record
from ..money import divide_half_up, two_decimals
from ..reference_data import BASE_CURRENCY, INSTANCE, ORDER_FIELDS, RATES, STAFF, STATUS_NAMES
from ..timestamps import AccountTimeZone
from . import random_bits
from .customers import CustomerGenerator, Person
from .order_history import BACK, CANCELLED, CREDITED, DRAFT, HOLD, INVOICED, PHONE, READY, WEB, OrderHistory
from .order_rows import OrderRowBuilder
from .products import ProductGenerator

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


class OrderGenerator:
    """Generates the orders of an account."""

    def __init__(
        self,
        seed: int,
        history: OrderHistory,
        customers: CustomerGenerator,
        products: ProductGenerator,
        zone: AccountTimeZone,
        order_per_base: bool,
    ) -> None:
        self.seed, self.history, self.zone = seed, history, zone
        self.customers, self.products = customers, products
        self.order_per_base = order_per_base

    def records(self) -> GeneratedRecords:
        """The orders, with the columns that searches use most."""
        history = self.history
        columns = {
            "orderId": history.ids,
            "orderTypeId": history.credit * 2 + 1,
            "orderStatusId": history.status,
            "createdOn": history.created,
            "updatedOn": history.updated,
        }
        return GeneratedRecords(history.ids, columns, self.record, self.text)

    def record(self, index: int) -> Record:
        """An order as GET returns it, with custom fields."""
        found: Record = orjson.loads(self.text(index, {"customFields", "nullCustomFields"}))
        return found

    def text(self, index: int, optional: set[str]) -> str:
        """An order as JSON text, with the optional parts requested."""
        history = self.history
        bits = random_bits.draw(self.seed, random_bits.ORDER, index)
        more = random_bits.scramble(bits)
        id, status, created = history.ids.item(index), history.status.item(index), history.created.item(index)
        updated, credit = history.updated.item(index), history.credit.item(index)
        origin = index - 1 - bits % 40 if credit else index
        buyer = history.buyer.item(origin)
        # Guest orders have the name and address that the guest typed in.
        person_index = self.customers.count + origin if buyer == 0 else buyer
        person = self.customers.person(person_index)
        builder, rows = self._build_rows(index, origin, person, more)
        stock, allocation, shipping = _STATES.get(status, _OPEN_CREDIT if credit else _OPEN)
        parent = history.ids.item(origin) if credit else 0
        modified = f'"updatedOn":"{self.zone.format(updated)}",' if updated else ""
        return (
            f'{{"id":{id},"parentOrderId":{parent},"orderTypeCode":"{"SC" if credit else "SO"}",'
            f'"reference":"{_PREFIX.get(status, "WEB")}-{id}","version":{2 + bits % 7 if updated else 1},'
            f'"orderStatus":{{"orderStatusId":{status},"name":"{STATUS_NAMES[status]}"}},"tax":{{"errors":[]}},'
            f'"orderPaymentStatus":"{_payment(status, builder.net + builder.tax)}","stockStatusCode":"{stock}",'
            f'"allocationStatusCode":"{allocation}","shippingStatusCode":"{shipping}",'
            f'"placedOn":"{self.zone.format(created - (bits >> 5) % 600)}",'
            f'"createdOn":"{self.zone.format(created)}",{modified}{self._invoice(id, status, created, updated)}'
            f'"createdById":{STAFF},"priceListId":{builder.price_list},"priceModeCode":"{_mode(builder)}",'
            f'"delivery":{self._delivery(created, bits)},'
            f"{self._currency_and_total(builder, _rate(builder.currency, bits))}"
            f'"assignment":{{"current":{_assignment(person, status, bits)}}},'
            f'"parties":{self._parties(person_index, more)},'
            f'"orderRows":{{{rows}}},"warehouseId":{_warehouse(person)},"acknowledged":0,"costPriceListId":1,'
            f'"historicalOrder":false,"isDropship":false,"orderWeighting":100,"externalRef":"shop-{id}",'
            f'"installedIntegrationInstanceId":{INSTANCE}{_custom_fields(more, optional) if optional else ""}}}'
        )

    def _build_rows(self, index: int, origin: int, person: Person, more: int) -> tuple[OrderRowBuilder, str]:
        """The rows of an order; a credit repeats all rows of its order, or the first product only."""
        first = FIRST_ROW + index * ROWS_AN_ORDER
        if index == origin:
            builder = OrderRowBuilder(self.products, person, more, first)
            return builder, builder.build()
        bought = random_bits.scramble(random_bits.draw(self.seed, random_bits.ORDER, origin))
        builder = OrderRowBuilder(self.products, person, bought, first, FIRST_ROW + origin * ROWS_AN_ORDER)
        discounted = bought >> 50 & 7 == 0
        return builder, builder.build(only_first=bool(more & 1) and not discounted)

    def _currency_and_total(self, builder: OrderRowBuilder, rate: int) -> str:
        sums = total_value(builder.net, builder.tax, rate, self.order_per_base)
        inside = ",".join(f'"{key}":"{value}"' for key, value in sums.items())
        return (
            f'"currency":{{"accountingCurrencyCode":"{BASE_CURRENCY}","orderCurrencyCode":"{builder.currency}",'
            f'"exchangeRate":"{rate // 1_000_000}.{rate % 1_000_000:06d}","fixedExchangeRate":false}},'
            f'"totalValue":{{{inside}}},'
        )

    def _delivery(self, created: int, bits: int) -> str:
        day = f'"deliveryDate":"{self.zone.format_date(created + 259200)}",' if bits >> 12 & 3 else ""
        return f'{{{day}"shippingMethodId":{2 + bits % 3}}}'

    def _parties(self, index: int, bits: int) -> str:
        customer, delivery = self.customers.party(index)
        if bits & 15 == 0:  # a gift, delivered to someone else in the same town
            other = {"addressFullName": "Grandma Ó Sé", "addressLine2": "c/o Reception", "companyName": ""}
            delivery = orjson.dumps({**orjson.loads(delivery), **other}).decode()
        return f'{{"customer":{customer},"delivery":{delivery},"billing":{customer}}}'

    def _invoice(self, id: int, status: int, created: int, updated: int) -> str:
        if status not in (INVOICED, CREDITED):
            return '"state":{"tax":"READY"},"invoices":[{"invoiceReference":""}],'
        day = self.zone.format_date(created)
        due = self.zone.format_date(created + 30 * 86400)
        return (
            f'"state":{{"tax":"INVOICED"}},"closedOn":"{self.zone.format(max(created, updated - 1))}",'
            f'"invoices":[{{"invoiceReference":"{"SC" if status == CREDITED else "SI"}-{id}",'
            f'"taxDate":"{day}","dueDate":"{due}"}}],"originalInvoiceDate":"{day}",'
        )


def total_value(net: int, tax: int, rate: int, order_per_base: bool) -> Record:
    """The totals of an order in its currency and the account's; `rate` is in millionths."""
    base_net, base_tax = net, tax
    if rate != 1_000_000:
        up, down = (1_000_000, rate) if order_per_base else (rate, 1_000_000)
        base_net, base_tax = divide_half_up(net * up, down), divide_half_up(tax * up, down)
    return {
        "net": two_decimals(net),
        "taxAmount": two_decimals(tax),
        "baseNet": two_decimals(base_net),
        "baseTaxAmount": two_decimals(base_tax),
        "baseTotal": two_decimals(base_net + base_tax),
        "total": two_decimals(net + tax),
    }


def _mode(builder: OrderRowBuilder) -> str:
    return "INC" if builder.prices_include_tax else "EXC"


def _warehouse(person: Person) -> int:
    return 3 if person.country.currency == "EUR" else 2 if person.country.code == "GB" else 4


def _rate(currency: str, bits: int) -> int:
    rate = RATES[currency]
    return rate if currency == BASE_CURRENCY else rate * (9800 + bits % 400) // 10000


def _payment(status: int, total: int) -> str:
    if total == 0:
        return "NOT_APPLICABLE"
    return "PAID" if status in (INVOICED, READY, BACK, CREDITED, WEB) else "UNPAID"


def _assignment(person: Person, status: int, bits: int) -> str:
    channel = {"GBP": 2, "EUR": 3, "USD": 4}.get(person.country.currency, 3)
    if status == PHONE:
        channel = 5 if person.company else 1
    owner = STAFF if status in (PHONE, HOLD) else 0
    return (
        f'{{"staffOwnerContactId":{owner},"projectId":0,"channelId":{channel},"leadSourceId":{bits >> 8 & 1},'
        f'"teamId":0}}'
    )


def _custom_fields(bits: int, optional: set[str]) -> str:
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
