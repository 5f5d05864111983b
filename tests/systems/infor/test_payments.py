"""Any payments, through the shipped flow file into the simulated ledger, against sums made by hand."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal, localcontext
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.lookups import load_lookups
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.systems.registry import stream_schema
from tests.chain import Chain
from tests.fakes import FakeSource
from tests.flows.site import MAPPINGS
from tests.postgres import sqlite_url
from tests.systems.infor.m3 import Tenant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FLOW = load_flow(MAPPINGS / "payments_to_infor_gl.yaml")
PLACES = {"JPY": 0, "GBP": 2, "EUR": 2, "USD": 2, "SEK": 2, "CHF": 2, "AUD": 2, "KWD": 3, "BHD": 3}
KINDS = ("RECEIPT", "CAPTURE", "PAYMENT", "AUTH", "VOID")
METHODS = {"STRIPE": "1240", "PAYPAL": "1250", "BACS": "1200", "CASH": "1230", "GIFTCARD": "1260"}
LONDON = ZoneInfo("Europe/London")
# the clocks go back on 25 October
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 45
CUSTOMERS = "1590"
_numbers = count(1)


@dataclass(frozen=True)
class Payment:
    """One payment as Brightpearl has it, and what is to be booked of it."""

    number: int
    kind: str
    amount: Decimal
    currency: str
    rate: Decimal
    paid_at: datetime
    method: str = "STRIPE"

    @property
    def moved(self) -> Decimal:
        """Money that came in, below zero where it went out."""
        if self.kind in ("AUTH", "VOID"):
            return Decimal(0)
        return -abs(self.amount) if self.kind == "PAYMENT" else self.amount

    @property
    def in_pounds(self) -> Decimal:
        """The money in the currency of the accounts, rounded once."""
        with localcontext(prec=60):
            return (self.moved / self.rate).quantize(Decimal("0.01"), ROUND_HALF_UP)

    @property
    def day(self) -> str:
        return self.paid_at.astimezone(LONDON).strftime("%Y%m%d")

    @property
    def line(self) -> bytes:
        currency = {
            "accountingCurrencyCode": "GBP", "orderCurrencyCode": self.currency, "exchangeRate": f"{self.rate:f}",
        }  # fmt: skip
        return json.dumps(
            {
                "paymentId": self.number, "transactionRef": f"PSP-{self.number}", "paymentType": self.kind,
                "paymentMethodCode": self.method, "orderId": 100_000 + self.number,
                "currencyCode": self.currency, "amountAuthorized": "0.00", "amountPaid": f"{self.amount:f}",
                "paymentDate": self.paid_at.isoformat(), "createdOn": self.paid_at.isoformat(),
                "order": {"id": 100_000 + self.number, "reference": "WEB", "currency": currency},
            }
        ).encode()  # fmt: skip


def any_payments(number: int, seed: int) -> list[Payment]:
    chance = random.Random(seed)
    return [_any_payment(chance) for _ in range(number)]


def _any_payment(chance: random.Random) -> Payment:
    currency = chance.choice(list(PLACES))
    kind = chance.choices(KINDS, weights=(60, 15, 15, 5, 5))[0]
    units = chance.choice([0, 1, 5, chance.randrange(100), chance.randrange(10**5), chance.randrange(10**9)])
    # a receipt that is taken back is one below zero
    sign = -1 if chance.random() < 0.1 else 1
    amount = sign * Decimal(units).scaleb(-PLACES[currency])
    rate = Decimal(1) if currency == "GBP" else Decimal(chance.randrange(200_000, 200_000_000)).scaleb(-6)
    if currency != "GBP" and chance.random() < 0.2:
        amount, rate = _just_below_half_a_penny(chance, PLACES[currency])
    paid_at = FIRST + timedelta(seconds=chance.randrange(DAYS * 86_400))
    return Payment(next(_numbers), kind, amount, currency, rate, paid_at, chance.choice(list(METHODS)))


def _just_below_half_a_penny(chance: random.Random, places: int) -> tuple[Decimal, Decimal]:
    """Amount and rate that make less than half a penny, and half of one where six decimals are taken first."""
    half = Decimal(2 * chance.randrange(100, 2000) + 1).scaleb(-2) / 2
    amount = (half * chance.randrange(60, 190)).quantize(Decimal(1).scaleb(-places))
    return amount, (amount / half).quantize(Decimal("0.000001"), ROUND_UP)


@dataclass
class Ledger:
    """M3's ledger, and what is needed to post payments into it."""

    tenant: Tenant
    folder: Path

    def post(self, payments: Iterable[Payment]) -> RunSummary:
        """A run over these payments by a state database that knows of none; gives its summary."""
        run = next(_numbers)
        chain = Chain(
            FLOW, stream_schema(FLOW.source), self.folder / str(run), tables=load_lookups(FLOW, MAPPINGS)
        )
        self.tenant.intents = SqlIntents(open_engine(sqlite_url(self.folder, f"{run}.db")))
        return chain.go(FakeSource([each.line for each in payments]), self.tenant.sink(FLOW))

    def lines(self, payments: Iterable[Payment]) -> dict[int, list[dict[str, Any]]]:
        """Voucher lines of these payments, by the key at the beginning of their text."""
        found: dict[int, list[dict[str, Any]]] = {each.number: [] for each in payments}
        for row in self.tenant.rows("vouchers"):
            number = int(row["VTXT"].partition(" ")[0].removeprefix("BP"))
            if number in found:
                found[number].append(row)
        return found


@contextmanager
def _ledger(folder: Path) -> Iterator[Ledger]:
    with Sandbox(customers=2, products=1, orders=1, seed=1, until=FIRST + timedelta(days=DAYS)) as sandbox:
        yield Ledger(Tenant(sandbox, SqlIntents(open_engine(sqlite_url(folder)))), folder)


@pytest.fixture
def large_ledger(tmp_path: Path) -> Iterator[Ledger]:
    with _ledger(tmp_path) as ledger:
        yield ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with _ledger(tmp_path_factory.mktemp("ledger")) as ledger:
        yield ledger


def assert_books_are_right(payments: Sequence[Payment], lines: dict[int, list[dict[str, Any]]]) -> None:
    days: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for payment in payments:
        booked = lines[payment.number]
        assert_journal_is_right(payment, booked)
        for row in booked:
            if row["AIT1"] != CUSTOMERS:
                total = days[row["ACDT"], row["CUCD"]]
                total[0] += Decimal(row["CUAM"])
                total[1] += Decimal(row["ACAM"])
    paid: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for payment in payments:
        if payment.moved:
            total = paid[payment.day, payment.currency]
            total[0] += payment.moved
            total[1] += payment.in_pounds
    assert paid == days


def assert_journal_is_right(payment: Payment, booked: Sequence[dict[str, Any]]) -> None:
    if not payment.moved:
        assert [] == booked
        return
    money, customer = sorted(booked, key=lambda row: row["AIT1"] == CUSTOMERS)
    assert (METHODS[payment.method], CUSTOMERS) == (money["AIT1"], customer["AIT1"])
    assert (money["VONO"], payment.day, payment.currency) == (
        customer["VONO"], customer["ACDT"], customer["CUCD"],
    )  # fmt: skip
    # exact in the payment's currency, and rounded once in that of the accounts
    assert (payment.moved, payment.in_pounds) == (Decimal(money["CUAM"]), Decimal(money["ACAM"]))
    for name in ("CUAM", "ACAM"):
        assert Decimal(0) == Decimal(money[name]) + Decimal(customer[name])
    sides = ("D", "C") if payment.moved > 0 else ("C", "D")
    assert sides == (money["DBCR"], customer["DBCR"])


@pytest.mark.slow
def test_ten_thousand_payments_in_nine_currencies(large_ledger: Ledger) -> None:
    payments = any_payments(10_000, seed=20_260_722)
    assert set(PLACES) == {each.currency for each in payments}
    summary = large_ledger.post(payments)
    moved = sum(1 for each in payments if each.moved)
    assert (10_000, moved, 0) == (summary.counts.extracted, summary.counts.created, summary.counts.rejected)
    assert_books_are_right(payments, large_ledger.lines(payments))
    assert summary.calls.made["infor"] <= summary.calls.minimum["infor"] * 1.05

    money: dict[str, Decimal] = defaultdict(Decimal)
    for each in payments:
        money[each.currency] += each.amount
    for stage in ("extracted", "loaded"):
        assert money == summary.money[stage]


def test_a_repeat_after_the_state_is_lost_posts_nothing_again(ledger: Ledger) -> None:
    payments = any_payments(300, seed=2)
    ledger.post(payments)
    before = ledger.lines(payments)
    again = ledger.post(reversed(payments))
    assert again.counts.rejected == 0
    assert before == ledger.lines(payments)
    assert {f"BP{each.number}" for each in payments if each.moved} == {
        row["VTXT"].partition(" ")[0] for rows in before.values() for row in rows
    }


@st.composite
def _payments(draw: st.DrawFn) -> Payment:
    currency = draw(st.sampled_from(sorted(PLACES)))
    amount = draw(st.decimals(Decimal(-10) ** 7, Decimal(10) ** 7, places=PLACES[currency]))
    rate = draw(st.decimals("0.000001", "500", places=6)) if currency != "GBP" else Decimal(1)
    seconds = draw(st.integers(0, DAYS * 86_400 - 1))
    return Payment(
        next(_numbers), draw(st.sampled_from(KINDS)), amount, currency, rate, FIRST + timedelta(seconds=seconds),
        draw(st.sampled_from(sorted(METHODS))),
    )  # fmt: skip


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_payments(), min_size=1, max_size=12))
def test_any_payments_are_booked_to_the_digit(ledger: Ledger, payments: list[Payment]) -> None:
    summary = ledger.post(payments)
    assert summary.counts.rejected == 0, summary.reasons
    assert_books_are_right(payments, ledger.lines(payments))


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 400), st.sampled_from(["0.39", "0.48", "190.5", "66.66667", "3", "7"]))
def test_halves_of_a_penny_are_rounded_once_and_away_from_zero(ledger: Ledger, units: int, rate: str) -> None:
    amounts = [Decimal(units).scaleb(-PLACES[code]) for code in PLACES]
    payments = [
        Payment(next(_numbers), kind, amount, code, Decimal(rate), FIRST)
        for code, amount in zip(PLACES, amounts, strict=True)
        for kind in ("RECEIPT", "PAYMENT")
    ]
    assert ledger.post(payments).counts.rejected == 0
    assert_books_are_right(payments, ledger.lines(payments))
