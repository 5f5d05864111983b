from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.records import (
    Calls,
    Counts,
    Outcome,
    Rejection,
    Stage,
    add_money,
)

amounts = st.decimals(-(10**12), 10**12, places=4)
totals = st.dictionaries(st.sampled_from(["GBP", "EUR", "JPY", ""]), amounts)
outcomes = st.lists(st.sampled_from(list(Outcome)))


@given(st.lists(totals))
def test_money_is_added_by_currency(some: list[dict[str, Decimal]]) -> None:
    found = add_money(some)
    for currency in {name for total in some for name in total}:
        assert sum((total.get(currency, Decimal(0)) for total in some), Decimal(0)) == found.pop(currency)
    assert {} == found


@given(totals, totals)
def test_adding_money_changes_neither_side(one: dict[str, Decimal], two: dict[str, Decimal]) -> None:
    before = dict(one), dict(two)
    assert add_money([one, two]) == add_money([two, one])
    assert before == (one, two)


@given(outcomes, outcomes)
def test_counts_add_up(one: list[Outcome], two: list[Outcome]) -> None:
    counts = Counts.of(one, len(one)) + Counts.of(two, len(two))
    assert Counts.of([*one, *two], len(one) + len(two)) == counts
    assert len(one) + len(two) == counts.extracted == counts.settled
    assert {outcome.value: (one + two).count(outcome) for outcome in Outcome} | {
        "extracted": counts.extracted
    } == asdict(counts)


def test_calls_add_up_by_system() -> None:
    one, two = Calls({"a": 1, "b": 2}, {"a": 1}), Calls({"b": 3, "c": 4}, {"c": 2})
    assert Calls({"a": 1, "b": 5, "c": 4}, {"a": 1, "c": 2}) == one + two


def test_what_waits_is_parked() -> None:
    waiting = Rejection("1", Stage.TRANSFORM, "", waits_for=("flow", "Object", "7"))
    assert (Outcome.PARKED, Outcome.REJECTED) == (waiting.outcome, Rejection("1", Stage.LOAD, "").outcome)
