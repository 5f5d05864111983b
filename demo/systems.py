"""The three systems side by side: expected records, actual records, and both sides' money."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from demo import found
from demo.expected import brightpearl, infor, salesforce
from demo.expected.infor_journals import ON_ACCOUNT, moves_money, received
from demo.expected.records import Expected, Record, Source, is_placed_in_salesforce, of_type
from demo.found import Found
from demo.sandbox import Sandbox

# Brightpearl's collections, as far as the flows use them
SOURCE = (
    "contact", "postal-address", "product", "product-price", "product-availability", "order",
    "goods-out-note", "drop-ship-note", "customer-payment",
)  # fmt: skip
NAMES = {"salesforce": "Salesforce", "infor": "M3"}


@dataclass(frozen=True, slots=True)
class State:
    """All three systems at one moment, with what has to be in each; systems by name.

    ``placed`` are the ids of Brightpearl orders that Salesforce was told, by the ids of its own.
    """

    source: Source
    wanted: dict[str, Expected]
    found: dict[str, Found]
    placed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Money:
    """What a flow moves in one currency: all of Brightpearl, what was left out, and what is in the target."""

    flow: str
    currency: str
    source: Decimal
    held_back: Decimal
    target: Decimal

    @property
    def agrees(self) -> bool:
        return self.source == self.target + self.held_back


def state(sandbox: Sandbox, accounts: Mapping[str, str]) -> State:
    """Now; ``accounts`` is what M3's bookkeepers say of payment methods."""
    source = {name: sandbox.snapshot("brightpearl", name) for name in SOURCE}
    tables = {name: sandbox.snapshot("salesforce", name) for name in found.SALESFORCE}
    m3 = {name: sandbox.snapshot("infor", name) for name in found.INFOR}
    own = brightpearl.expected(tables, m3, source)
    return State(
        source,
        {
            "salesforce": salesforce.expected(source),
            "infor": infor.expected(source, accounts),
            "brightpearl": own,
        },
        {
            "salesforce": found.in_salesforce(tables, source),
            "infor": found.in_infor(m3),
            "brightpearl": found.in_brightpearl(source, brightpearl.keys(own)),
        },
        {
            each["Id"]: each["Brightpearl_Placed_As__c"]
            for each in tables["Order"]
            if each["Brightpearl_Placed_As__c"]
        },
    )


Amounts = Iterable[tuple[str, Decimal]]


def money(now: State) -> list[Money]:
    """Per flow that moves money and currency, both sides."""
    orders, credits = of_type(now.source, "SO"), of_type(now.source, "SC")
    own, own_credits = (
        [each for each in records if not is_placed_in_salesforce(each)] for records in (orders, credits)
    )
    payments = [each for each in now.source["customer-payment"] if moves_money(each)]
    crm, erp = now.found["salesforce"].records, now.found["infor"].records
    wanted = now.wanted
    return [
        *_sides("orders_to_salesforce", wanted, own, "id", _net, _fields(crm["Order"])),
        *_sides(
            "credits_to_salesforce", wanted, own_credits, "id", _net, _fields(crm["Brightpearl_Return__c"])
        ),
        *_sides("orders_to_infor", wanted, orders, "id", _net, _totals(erp["Order"])),
        *_sides("payments_to_infor_gl", wanted, payments, "paymentId", _received, _posted(erp["Voucher"])),
    ]


def _sides(
    flow: str,
    wanted: Mapping[str, Expected],
    records: list[Record],
    key: str,
    amount: Callable[[Record], tuple[str, Decimal]],
    target: Amounts,
) -> Iterator[Money]:
    system = wanted["infor" if "_to_infor" in flow else "salesforce"]
    out = system.held_back(flow)
    source = _sum(map(amount, records))
    missing = _sum(amount(each) for each in records if str(each[key]) in out)
    there = _sum(target)
    for currency in sorted({*source, *there}):
        yield Money(
            flow,
            currency,
            *(side.get(currency, Decimal(0)) for side in (source, missing, there)),
        )


def _sum(amounts: Amounts) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for currency, amount in amounts:
        total[currency] = total.get(currency, Decimal(0)) + amount
    return total


def _net(order: Record) -> tuple[str, Decimal]:
    return order["currency"]["orderCurrencyCode"], Decimal(order["totalValue"]["net"])


def _received(payment: Record) -> tuple[str, Decimal]:
    return payment["currencyCode"], received(payment)


def _fields(records: Mapping[str, Record]) -> Amounts:
    return ((each["CurrencyIsoCode"], Decimal(each["Net__c"])) for each in records.values())


def _totals(orders: Mapping[str, Record]) -> Amounts:
    return ((each["CUCD"], each["TOTAL"]) for each in orders.values())


def _posted(vouchers: Mapping[str, Record]) -> Amounts:
    lines = (each for each in vouchers.values() if each["AIT1"] != ON_ACCOUNT)
    return ((each["CUCD"], Decimal(each["CUAM"])) for each in lines)
