"""Two sides compared."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.compare import Entry, compare, differing_fields

ids = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6) | st.integers(0, 40).map(
    str
)
amounts = st.decimals(-9999, 9999, places=3) | st.integers(-9999, 9999).map(Decimal) | st.none()
entries = st.builds(Entry, ids, amounts, st.sampled_from(["GBP", "EUR", ""]))
sides = st.lists(entries, max_size=40)
unique = st.lists(entries, max_size=40, unique_by=lambda entry: entry.id)


def in_order(side: list[Entry]) -> list[Entry]:
    return sorted(side, key=lambda entry: entry.id)


@given(sides, sides)
def test_every_entry_of_both_sides_is_counted_once(source: list[Entry], target: list[Entry]) -> None:
    found = compare(in_order(source), in_order(target))
    both = found.matched + found.differing.count
    assert (len(source), len(target)) == (found.source.count, found.target.count)
    assert len(source) + len(target) == (
        2 * both + found.missing.count + found.extra.count + found.repeated.count
    )


@given(unique, unique)
def test_differences_are_those_of_the_sets_of_ids(source: list[Entry], target: list[Entry]) -> None:
    here, there = ({entry.id: entry for entry in side} for side in (source, target))
    found = compare(in_order(source), in_order(target))
    assert sorted(here.keys() - there.keys()) == found.missing.ids
    assert sorted(there.keys() - here.keys()) == found.extra.ids
    same = [name for name in here.keys() & there.keys() if _same(here[name], there[name])]
    assert len(same) == found.matched
    assert [] == found.repeated.ids


def _same(here: Entry, there: Entry) -> bool:
    if here.amount is None and there.amount is None:
        return True
    return (here.amount, here.currency) == (there.amount, there.currency)


@given(sides)
def test_a_side_equals_itself(side: list[Entry]) -> None:
    found = compare(in_order(side), in_order(side))
    assert (0, 0, 0) == (found.missing.count, found.extra.count, found.differing.count)
    assert found.source == found.target


@given(sides, sides)
def test_the_other_way_round_missing_is_extra(source: list[Entry], target: list[Entry]) -> None:
    one, other = compare(in_order(source), in_order(target)), compare(in_order(target), in_order(source))
    assert (one.missing, one.extra) == (other.extra, other.missing)
    assert (one.source, one.target) == (other.target, other.source)


@given(sides)
def test_sums_are_exact_per_currency(side: list[Entry]) -> None:
    sums: dict[str, Decimal] = {}
    for entry in side:
        if entry.amount is not None:
            sums[entry.currency] = sums.get(entry.currency, Decimal(0)) + entry.amount
    assert sums == compare(in_order(side), ()).source.money


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance", "differ"),
    [
        (Entry("1", Decimal("1.005"), "KWD"), Entry("1", Decimal("1.01"), "KWD"), "0.005", False),
        (Entry("1", Decimal("1.005"), "KWD"), Entry("1", Decimal("1.01"), "KWD"), "0.004", True),
        (Entry("1", Decimal("1.10"), "GBP"), Entry("1", Decimal("1.1"), "GBP"), "0", False),
        (Entry("1", Decimal("1"), "GBP"), Entry("1", Decimal("1"), "EUR"), "0", True),
        (Entry("1", Decimal("0"), "GBP"), Entry("1", None, "GBP"), "0", True),
        (Entry("1", None), Entry("1", None, "GBP"), "0", False),
    ],
)
def test_amounts_agree_within_the_tolerance_and_in_one_currency(
    ours: Entry, theirs: Entry, tolerance: str, differ: bool
) -> None:
    found = compare([ours], [theirs], tolerance=Decimal(tolerance))
    assert differ == bool(found.differing.count)
    assert 0 == compare([ours], [theirs], amounts=False).differing.count


def test_all_differences_are_counted_and_the_first_ones_kept() -> None:
    found = compare((Entry(f"{number:03}") for number in range(50)), (), keep=3)
    assert (50, ["000", "001", "002"]) == (found.missing.count, found.missing.ids)


@pytest.mark.parametrize(
    ("expected", "actual", "places"),
    [
        ('["a",1]', '["a",1]', []),
        ('["a",1]', '["b",2]', [0, 1]),
        ('[1.50,"x"]', '["1.5","x"]', []),
        ("[1.50,0]", '["1.51",""]', [0, 1]),
        ("[true,false]", '["True","false"]', []),
        ("[true,false]", '["false","x"]', [0, 1]),
        ('[null,""]', '["",null]', []),
        ('["a b\\nc"]', '["a b\\r\\nc "]', []),
        ('["2026-01-01T10:00:00Z"]', '["2026-01-01T11:00:00.000+0100"]', []),
        ('["2026-01-01T10:00:00Z"]', '["2026-01-01T10:00:01.000+0000"]', [0]),
        ('["2026-01-01"]', '["2026-01-02"]', [0]),
        ('["00123"]', '["123"]', [0]),
        ("[5]", '["five"]', [0]),
    ],
)
def test_values_are_the_same_in_whatever_words_the_target_has_for_them(
    expected: str, actual: str, places: list[int]
) -> None:
    assert places == differing_fields(expected, actual)
    found = compare([Entry("1", fields=expected)], [Entry("1", fields=actual)])
    assert (bool(places), places) == (bool(found.differing.count), sorted(found.fields))


def test_a_side_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="'1' comes after '2'"):
        compare([Entry("2"), Entry("1")], ())
