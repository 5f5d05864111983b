"""Money into Brightpearl: what is sent is stored to the last minor unit, or nothing is sent.

The figures expected are computed in whole hundredths here, from the reference alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.changes import Change, RecordChange, RowResult
from tests.systems.brightpearl.merchant import Merchant, flow, record, with_ids

SALES = {
    kind: flow(f"""
flow: {kind.lower()}_to_brightpearl
source: brightpearl.sales_orders
target: brightpearl
objects:
  {kind}:
    key: {{externalRef: id}}
    fields:
      {{contactId: a, currencyCode: b, priceModeCode: c, exchangeRate: i, net: d, tax: e, gross: f, placedOn: g,
      taxDate: h}}
  OrderRow:
    key: {{externalRef: id}}
    parent: {{of: {kind}}}
    fields: {{productId: a, name: f, quantity: b, taxCode: c, net: d, tax: e}}
""")
    for kind in ("SalesOrder", "SalesCredit")
}
INVOICES = flow("""
flow: invoices_to_brightpearl
source: brightpearl.sales_orders
target: brightpearl
objects:
  OrderInvoice:
    key: {invoice: id}
    fields: {orderId: a, taxDate: b, net: c, tax: d, gross: e}
""")
# rates in ten-thousandths of a percent, by tax code and the id of the code
RATES = {
    "T20": (2, 200_000),
    "T5": (3, 50_000),
    "Z": (1, 0),
    "DE19": (5, 88_750),
    "FR20": (6, 333_333),
    "IT22": (7, 77_001),
}
DECIMALS = {"GBP": 2, "USD": 2, "JPY": 0, "KWD": 3}
BATCHES = settings(max_examples=15)


@dataclass(frozen=True)
class Line:
    """A row: its net in thousandths, and its tax in hundredths, None where Brightpearl is to compute it."""

    kind: str
    quantity: Decimal
    net: int
    code: str
    tax: int | None

    @property
    def computed(self) -> int:
        """Tax in hundredths: net times rate, halves away from zero."""
        whole, rest = divmod(abs(self.net) * RATES[self.code][1], 10_000_000)
        cents = whole + (2 * rest >= 10_000_000)
        return cents if self.net >= 0 else -cents

    @property
    def fits(self) -> bool:
        return self.net % 10 == 0

    def fields(self) -> dict[str, Any]:
        return {
            **({"productId": 1001} if self.kind == "product" else {"name": self.kind}),
            "quantity": self.quantity,
            "taxCode": self.code,
            "net": Decimal(self.net).scaleb(-3),
            **({} if self.tax is None else {"tax": Decimal(self.tax).scaleb(-2)}),
        }


@dataclass(frozen=True)
class Sale:
    """A sale of the source, whose totals are ``off`` by so many hundredths from what its rows add up to."""

    kind: str
    currency: str
    mode: str
    lines: tuple[Line, ...]
    total: str
    off: int

    @property
    def sums(self) -> Mapping[str, int]:
        net = sum(line.net for line in self.lines) // 10
        tax = sum(line.computed if line.tax is None else line.tax for line in self.lines)
        return {"net": net, "tax": tax, "gross": net + tax}

    @property
    def fits(self) -> bool:
        return not self.off and all(line.fits for line in self.lines)

    def record(self, key: str) -> RecordChange:
        total = Decimal(self.sums[self.total] + self.off).scaleb(-2)
        head = {
            "contactId": 203,
            "currencyCode": self.currency,
            "priceModeCode": self.mode,
            self.total: total,
        }
        rows = [
            change("OrderRow", f"{key}-{number}", line.fields(), key)
            for number, line in enumerate(self.lines)
        ]
        return record(key, change(self.kind, key, head), *rows)


@st.composite
def lines(draw: st.DrawFn, decimals: int, *, own_tax: bool) -> Line:
    kind = draw(st.sampled_from(["product", "Discount", "Shipping"]))
    unit = 10 ** (3 - decimals)
    net = unit * draw(st.one_of(st.integers(0, 10_000), st.integers(0, 10**12)))
    if kind == "product":
        quantity = draw(st.decimals("0.0001", "99999", places=4))
    else:
        quantity = Decimal(1)
    if kind == "Discount":
        net = -net
    tax = draw(st.integers(0, abs(net) // 10)) if own_tax and draw(st.booleans()) else None
    return Line(kind, quantity, net, draw(st.sampled_from(sorted(RATES))), -tax if tax and net < 0 else tax)


@st.composite
def sales(draw: st.DrawFn, kind: str, *, own_tax: bool) -> Sale:
    currency = draw(st.sampled_from(sorted(DECIMALS)))
    return Sale(
        kind,
        currency,
        draw(st.sampled_from(["INC", "EXC"])),
        tuple(draw(st.lists(lines(DECIMALS[currency], own_tax=own_tax), min_size=1, max_size=5))),
        draw(st.sampled_from(["net", "tax", "gross"])),
        draw(st.sampled_from([0, 0, 0, 1, -1])),
    )


def plant_rates(merchant: Merchant) -> None:
    for number, rate in RATES.values():
        merchant.sandbox.control("PATCH", f"/brightpearl/tax-code/{number}", {"rate": rate / 10_000})


def stored(merchant: Merchant) -> dict[str, dict[str, Any]]:
    return {row["externalRef"]: row for row in merchant.rows("order").values() if row.get("externalRef")}


def hundredths(text: str) -> int:
    cents = Decimal(text) * 100
    assert cents == int(cents)
    return int(cents)


def refused(results: list[RowResult]) -> dict[str, str]:
    return {each.source_id: each.reason for each in results if each.refused}


def change(name: str, key: str, fields: Mapping[str, Any], parent: str = "") -> Change:
    """A row with its amounts as the numbers that a mapping gives."""
    payload = msgspec.json.Encoder(decimal_format="number").encode(fields).decode()
    return Change(name, key, payload, payload, parent)


class Keys:
    """Keys that no example before has used."""

    used = 0

    @classmethod
    def of(cls, batch: list[Sale]) -> dict[str, Sale]:
        cls.used += 1
        return {f"M{cls.used}-{number}": sale for number, sale in enumerate(batch)}


@pytest.mark.parametrize("kind", SALES)
@pytest.mark.parametrize("computed", [False, True])
def test_what_is_sent_is_stored_to_the_last_minor_unit(merchant: Merchant, kind: str, computed: bool) -> None:
    """Where the account computes tax, rows leave it to the account; elsewhere they bring it or leave it out."""
    plant_rates(merchant)
    merchant.switch(tax_computed=computed)

    @BATCHES
    @given(st.lists(sales(kind, own_tax=not computed), min_size=1, max_size=20))
    def holds(batch: list[Sale]) -> None:
        given_keys = Keys.of(batch)
        results = merchant.write(SALES[kind], [sale.record(key) for key, sale in given_keys.items()])
        there, reasons = stored(merchant), refused(results)
        for key, sale in given_keys.items():
            # whole or not at all, and nothing of what does not fit
            assert sale.fits == (key in there) == (key not in reasons), reasons.get(key)
            if not sale.fits:
                continue
            order = there[key]
            rows = {row["externalRef"]: row["rowValue"] for row in order["orderRows"].values()}
            for number, line in enumerate(sale.lines):
                value = rows[f"{key}-{number}"]
                assert 10 * hundredths(value["rowNet"]["value"]) == line.net
                assert hundredths(value["rowTax"]["value"]) == (
                    line.computed if line.tax is None else line.tax
                )
            total = order["totalValue"]
            assert sale.sums == {
                "net": hundredths(total["net"]),
                "tax": hundredths(total["taxAmount"]),
                "gross": hundredths(total["total"]),
            }

    holds()


def test_rows_changed_later_are_exact_as_well(merchant: Merchant) -> None:
    """A new net lets Brightpearl compute the tax; the source's own has to follow it."""
    plant_rates(merchant)

    @BATCHES
    @given(
        st.lists(
            st.tuples(lines(2, own_tax=True), st.integers(0, 10**9), st.integers(0, 10**9)),
            min_size=1,
            max_size=5,
        )
    )
    def holds(rows: list[tuple[Line, int, int]]) -> None:
        sale = Sale("SalesOrder", "GBP", "EXC", tuple(line for line, *_ in rows), "gross", 0)
        [key] = Keys.of([sale])
        first = merchant.write(SALES["SalesOrder"], [sale.record(key)])
        changed = replace(sale, lines=tuple(replace(line, net=10 * net, tax=tax) for line, net, tax in rows))
        again = merchant.write(SALES["SalesOrder"], [with_ids(changed.record(key), first)])
        assert {} == refused(first) == refused(again)
        total = stored(merchant)[key]["totalValue"]
        assert changed.sums == {
            "net": hundredths(total["net"]),
            "tax": hundredths(total["taxAmount"]),
            "gross": hundredths(total["total"]),
        }

    holds()


def test_an_invoice_has_the_totals_of_its_order_or_is_refused(merchant: Merchant) -> None:
    plant_rates(merchant)

    @BATCHES
    @given(
        st.lists(sales("SalesOrder", own_tax=True).filter(lambda sale: sale.fits), min_size=1, max_size=10),
        st.lists(st.sampled_from([0, 0, 1, -1]), min_size=10, max_size=10),
    )
    def holds(batch: list[Sale], off: list[int]) -> None:
        orders = Keys.of(batch)
        merchant.write(SALES["SalesOrder"], [sale.record(key) for key, sale in orders.items()])
        before = stored(merchant)
        invoices = {}
        for (key, sale), more in zip(orders.items(), off, strict=False):
            sums = {name: Decimal(each).scaleb(-2) for name, each in sale.sums.items()}
            fields = {"orderId": before[key]["id"], "taxDate": "2026-03-30", **sums}
            fields[sale.total] += Decimal(more).scaleb(-2)
            invoices[key] = record(key, change("OrderInvoice", key, fields))
        reasons = refused(merchant.write(INVOICES, list(invoices.values())))
        after = stored(merchant)
        for key, more in zip(orders, off, strict=False):
            assert bool(more) == (key in reasons)
            assert ("INVOICED" == after[key]["state"]["tax"]) == (not more)
            assert before[key]["totalValue"] == after[key]["totalValue"]

    holds()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("net", Decimal("1E+30"), "has more than 15 digits before the point"),
        ("quantity", Decimal("0.33333"), "has more than the four decimals that Brightpearl takes"),
        ("tax", Decimal("1.001"), "has more than the two decimals that Brightpearl takes"),
    ],
)
def test_what_brightpearl_would_round_is_not_sent(
    merchant: Merchant, field: str, value: Decimal, reason: str
) -> None:
    row = {"productId": 1001, "quantity": 1, "taxCode": "T20", "net": 1, "tax": 0, field: value}
    sent = record("B", change("SalesOrder", "B", {"contactId": 203}), change("OrderRow", "B-1", row, "B"))
    [result] = merchant.write(SALES["SalesOrder"], [sent])
    assert (reason, field, str(value)) == (result.reason, result.field, result.value)
    assert [] == merchant.sent


def test_a_tax_code_without_a_rate_has_none_to_pay(merchant: Merchant) -> None:
    merchant.sandbox.control("PATCH", "/brightpearl/tax-code/2", {"rate": None})
    row = {"productId": 1001, "quantity": 1, "taxCode": "T20", "net": 1}
    head = {"contactId": 203, "gross": 1}
    sent = record("B", change("SalesOrder", "B", head), change("OrderRow", "B-1", row, "B"))
    assert {} == refused(merchant.write(SALES["SalesOrder"], [sent]))
    assert "1.00" == stored(merchant)["B"]["totalValue"]["total"]


def plain(key: str, **head: Any) -> RecordChange:
    row = {"productId": 1001, "quantity": 1, "taxCode": "T20", "net": 1, "tax": Decimal("0.2")}
    fields = {"contactId": 203, **head}
    return record(key, change("SalesOrder", key, fields), change("OrderRow", f"{key}-1", row, key))


def test_an_exchange_rate_of_many_decimals_is_no_difference(merchant: Merchant) -> None:
    """Brightpearl keeps six of them."""
    head = {"currencyCode": "EUR", "exchangeRate": Decimal("1.123456789")}
    first = merchant.write(SALES["SalesOrder"], [plain("E", **head)])
    assert {} == refused(first)
    assert {} == refused(merchant.write(SALES["SalesOrder"], [with_ids(plain("E", **head), first)]))
    assert [] == merchant.sent
    other = {**head, "exchangeRate": Decimal("1.123459")}
    assert "exchangeRate" in {
        each.field for each in merchant.write(SALES["SalesOrder"], [with_ids(plain("E", **other), first)])
    }


@pytest.mark.parametrize(
    "zone", ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]
)
def test_times_are_those_of_the_source_whatever_the_clocks_do(merchant: Merchant, zone: str) -> None:
    """Around the changes of the account's clocks, instants stay instants and days stay days."""
    merchant.switch(time_zone=zone)
    merchant.sandbox.reset()
    turns = [
        datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 8), (3, 29), (4, 4), (10, 25), (11, 1))
    ]

    @BATCHES
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(turns),
                st.timedeltas(timedelta(hours=-36), timedelta(hours=36)),
                st.dates(date(2026, 1, 1), date(2026, 12, 31)),
            ),
            min_size=1,
            max_size=20,
        )
    )
    def holds(moments: list[tuple[datetime, timedelta, date]]) -> None:
        sent = {}
        for turn, shift, day in moments:
            Keys.used += 1
            placed = (turn + shift).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            sent[f"T{Keys.used}"] = {"placedOn": placed, "taxDate": day.isoformat()}
        spec = SALES["SalesOrder"]
        first = merchant.write(spec, [plain(key, **head) for key, head in sent.items()])
        assert {} == refused(first)
        there = stored(merchant)
        for key, head in sent.items():
            kept = datetime.fromisoformat(there[key]["placedOn"])
            assert datetime.fromisoformat(head["placedOn"]).replace(microsecond=0) == kept
            shown = datetime.fromisoformat(there[key]["invoices"][0]["taxDate"])
            assert head["taxDate"] == shown.astimezone(UTC).date().isoformat()
        # seen again, nothing differs
        records = {key: plain(key, **head) for key, head in sent.items()}
        by_key: dict[str, list[RowResult]] = {each.source_id: [] for each in first}
        for each in first:
            by_key[each.source_id].append(each)
        again = merchant.write(spec, [with_ids(each, by_key[key]) for key, each in records.items()])
        assert ({}, []) == (refused(again), merchant.sent)

    holds()


@pytest.mark.parametrize("value", ["2026-06-30T23:30:00.000Z", "2026-06-30T23:00:00Z"])
def test_an_instant_is_not_a_tax_date(merchant: Merchant, value: str) -> None:
    """In London it is the first of July."""
    [result] = merchant.write(SALES["SalesOrder"], [plain("D", taxDate=value)])
    assert "is not a date such as 2026-03-31; cast an instant, as in taxDate::DATE" == result.reason
    assert [] == merchant.sent
