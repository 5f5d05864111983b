"""Amounts from the text of a record to the text of a payload, exact to the digit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.mapping.engine import Mapper
from tests.mapping.bench import flow, map_with, opened

CURRENCIES = {"GBP": 2, "EUR": 2, "USD": 2, "JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3, "CLF": 4}
SOME = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))

amounts = st.decimals(
    min_value=Decimal("-99999999999999.9999"), max_value=Decimal("99999999999999.9999"), places=4,
    allow_nan=False, allow_infinity=False,
)  # fmt: skip
small = st.decimals(min_value=-(10**6), max_value=10**6, places=4, allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("money")


@pytest.fixture(scope="module")
def mapper(place: Path) -> Iterator[Mapper]:
    fields = {
        "Plain": "amount",
        "Listed": "price_at(more, 1)::DECIMAL(18,4)",
        "Sum": "sum_rows(lines, row.net)",
        "Rounded": "round_money(amount, currency)",
    }
    with opened(flow(fields, totals={"amount": "amount", "currency": "currency"}), [place]) as mapper:
        yield mapper


@pytest.fixture(scope="module")
def divider(place: Path) -> Iterator[Mapper]:
    fields = {
        "Ratio": "amount / price_at(more, 1)::DECIMAL(18,4)",
        "Converted": "convert_money(amount, 3::DECIMAL(18,6), currency)",
    }
    with opened(flow(fields), [place]) as mapper:
        yield mapper


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "number"])
@SOME
@given(values=st.lists(st.tuples(amounts, st.sampled_from(sorted(CURRENCIES))), min_size=1, max_size=20))
def test_amounts_are_exact_to_the_digit(
    mapper: Mapper, place: Path, as_text: bool, values: list[tuple[Decimal, str]]
) -> None:
    quote = '"' if as_text else ""
    lines = [
        f'{{"id":{n},"amount":{quote}{value:f}{quote},"currency":"{code}","more":{{"1":{quote}{value:f}{quote}}},'
        f'"lines":{{"1":{{"net":{quote}{value:f}{quote}}},"2":{{"net":"0.0001"}}}}}}'.encode()
        for n, (value, code) in enumerate(values)
    ]
    mapped = map_with(mapper, place, lines)
    assert {} == mapped.reasons
    with localcontext(prec=60):
        for (value, code), row in zip(values, mapped.rows["Thing"], strict=True):
            digits = Decimal(1).scaleb(-CURRENCIES[code])
            rounded = value.quantize(digits, ROUND_HALF_UP)
            assert (value, value, value + Decimal("0.0001"), rounded) == (
                row["Plain"], row["Listed"], row["Sum"], row["Rounded"],
            )  # fmt: skip
            # the digits themselves, not a number that looks like them
            assert f'"Plain":{value:.4f},' in row["_text"]
        expected: dict[str, Decimal] = {}
        for value, code in values:
            expected[code] = expected.get(code, Decimal(0)) + value
        assert expected == mapped.result.money


@SOME
@given(pairs=st.lists(st.tuples(small, small), min_size=1, max_size=20))
def test_division_rounds_half_up_at_six_places(
    divider: Mapper, place: Path, pairs: list[tuple[Decimal, Decimal]]
) -> None:
    records = [
        {"id": n, "amount": str(upper), "currency": "GBP", "more": {"1": str(lower)}}
        for n, (upper, lower) in enumerate(pairs)
    ]
    mapped = map_with(divider, place, records)
    found = {row["_id"]: (row["Ratio"], row["Converted"]) for row in mapped.rows["Thing"]}
    with localcontext(prec=60):
        for n, (upper, lower) in enumerate(pairs):
            if lower == 0:
                assert "cannot divide by zero" in mapped.rejections[str(n)].reason
                continue
            ratio = (upper / lower).quantize(Decimal("0.000001"), ROUND_HALF_UP)
            third = (upper / 3).quantize(Decimal("0.01"), ROUND_HALF_UP)
            assert (ratio, third) == found[str(n)]


def test_a_conversion_is_rounded_once(place: Path) -> None:
    """0.014999999… is 0.01; at six decimals first it would be 0.015, and 0.02."""
    fields = {"Converted": "convert_money(amount, price_at(more, 1)::DECIMAL(18,6), currency)"}
    lines = [
        {"id": n, "amount": amount, "currency": code, "more": {"1": rate}}
        for n, (amount, rate, code) in enumerate(
            [
                ("1", "66.66667", "GBP"),
                ("-1", "66.66667", "GBP"),
                ("7", "14.000001", "JPY"),
                ("1", "0.39", "KWD"),
            ]
        )
    ]
    with opened(flow(fields), [place]) as mapper:
        rows = map_with(mapper, place, lines).rows["Thing"]
    expected = ("0.010000", "-0.010000", "0.000000", "2.564000")
    assert [Decimal(text) for text in expected] == [row["Converted"] for row in rows]


def test_division_keeps_large_amounts_exact(divider: Mapper, place: Path) -> None:
    record = {"id": 1, "amount": "99999999999999.9999", "currency": "GBP", "more": {"1": "7"}}
    (row,) = map_with(divider, place, [record]).rows["Thing"]
    assert Decimal("14285714285714.285700") == row["Ratio"]


@pytest.mark.parametrize(
    "text",
    ["100000000000000", "1e30", "-1e15", "abc", "12,50", "£5", "", " ", "NaN", "Infinity", "1.2.3", "0x10"],
)
def test_what_is_no_amount_is_rejected(mapper: Mapper, place: Path, text: str) -> None:
    mapped = map_with(
        mapper,
        place,
        [{"id": 1, "amount": text, "currency": "GBP"}, {"id": 2, "amount": "1", "currency": "GBP"}],
    )
    field, value, _ = mapped.reasons["1"]
    assert (("Plain", text), ["2"]) == ((field, value), mapped.column("_id"))


@pytest.mark.parametrize(
    ("text", "expected"), [("1.5E2", "150"), ("-0.00", "0"), ("1.00000", "1"), (" 7 ", "7")]
)
def test_other_ways_to_write_an_amount_are_read(
    mapper: Mapper, place: Path, text: str, expected: str
) -> None:
    mapped = map_with(mapper, place, [{"id": 1, "amount": text, "currency": "GBP"}])
    assert [Decimal(expected)] == mapped.column("Plain")


def test_numbers_with_many_digits_survive_beside_others(mapper: Mapper, place: Path) -> None:
    lines = [
        b'{"id":1,"amount":12345678901234.5678,"currency":"GBP"}',
        b'{"id":2,"amount":0.1,"currency":"GBP"}',
    ]
    mapped = map_with(mapper, place, lines)
    assert [Decimal("12345678901234.5678"), Decimal("0.1")] == mapped.column("Plain")
    assert "12345678901234.5678" in json.dumps(mapped.column("_text")[0])
