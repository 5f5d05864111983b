"""Two systems that are both edited agree after two rounds, whatever was edited and whoever ran first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.merge import Conflict, Rule, Value, candidates, merge, normal

NAMES = ("name", "phone", "street")
START = datetime(2026, 1, 1, tzinfo=UTC)
OTHER = {Rule.SOURCE: Rule.TARGET, Rule.TARGET: Rule.SOURCE}


def one(which: Rule) -> dict[str, Value]:
    """What is written where both changed one field, the target last."""
    at, later = START, START + timedelta(hours=1)
    return merge({"x": "a"}, {"x": "b"}, {"x": "c"}, lambda _: which, at, later).write


def test_the_rule_decides_a_conflict() -> None:
    assert [one(each) for each in Rule] == [{"x": "b"}, {}, {}, {}]


def test_a_conflict_names_all_values_and_the_winner() -> None:
    found = merge({"x": "a"}, {"x": "b"}, {"x": "c"}, lambda _: Rule.TARGET)
    assert found.conflicts == (Conflict("x", "a", "b", "c", Rule.TARGET),)


def test_a_conflict_for_a_person_stays_open_until_both_agree() -> None:
    first = merge({"x": "a"}, {"x": "b"}, {"x": "c"}, lambda _: Rule.MANUAL)
    assert (first.base, first.conflicts[0].winner) == ({"x": "a"}, None)
    agreed = merge(first.base, {"x": "c"}, {"x": "c"}, lambda _: Rule.MANUAL)
    assert (agreed.base, agreed.conflicts, agreed.write) == ({"x": "c"}, (), {})


def test_only_what_the_source_changed_is_a_candidate() -> None:
    assert candidates({"x": "a", "y": "b"}, {"x": "a ", "y": "c", "z": 1}) == ["y", "z"]


def test_an_edit_of_the_target_alone_stays() -> None:
    assert merge({"x": "a"}, {"x": "a"}, {"x": "c"}, lambda _: Rule.SOURCE).write == {}


def test_equal_edits_are_no_conflict_and_no_write() -> None:
    found = merge({"x": "a"}, {"x": "b"}, {"x": " b"}, lambda _: Rule.SOURCE)
    assert (found.write, found.conflicts, found.base) == ({}, (), {"x": "b"})


@pytest.mark.parametrize("which", list(Rule))
def test_on_first_sight_an_empty_value_claims_nothing(which: Rule) -> None:
    found = merge(None, {"x": None, "y": "ours"}, {"x": "theirs", "y": ""}, lambda _: which)
    assert (found.write, found.conflicts) == ({"y": "ours"}, ())


@pytest.mark.parametrize(("text", "same"), [("a  b ", "a b"), ("", None), (Decimal("1.50"), 1.5), (2, 2.0)])
def test_reformatted_values_are_equal(text: Value, same: Value) -> None:
    assert normal(text) == normal(same)


@pytest.mark.parametrize(
    ("ours", "theirs", "differ"),
    [
        (Decimal("1.5"), "1.500", False),
        ("0.250000", Decimal("0.25"), False),
        (Decimal("1.5"), "1,5", True),
        (Decimal(0), "", True),
        # texts are compared as text: a phone number is none
        ("0117", "117", True),
    ],
)
def test_a_number_equals_the_text_that_a_system_has_of_it(ours: Value, theirs: Value, differ: bool) -> None:
    assert differ == bool(candidates({"x": theirs}, {"x": ours}))
    assert differ == bool(merge(None, {"x": ours}, {"x": theirs}, lambda _: Rule.SOURCE).write)


@dataclass
class Side:
    """One system with one record."""

    values: dict[str, Value]
    at: datetime = START

    def set(self, values: dict[str, Value], at: datetime) -> None:
        if values:
            self.values |= values
            self.at = at


@dataclass
class Pair:
    """Two systems, and a flow in each direction; both share the base."""

    rules: dict[str, Rule]
    one: Side
    other: Side
    base: dict[str, Value] | None = None
    now: datetime = START

    def edit(self, side: str, name: str, value: Value) -> None:
        self.now += timedelta(seconds=1)
        (self.one if side == "one" else self.other).set({name: value}, self.now)

    def run(self, way: str) -> int:
        """Runs one flow; returns how many fields it wrote."""
        there = way == "there"
        source, target = (self.one, self.other) if there else (self.other, self.one)
        rules = self.rules if there else {name: OTHER.get(each, each) for name, each in self.rules.items()}
        found = merge(self.base, dict(source.values), target.values, rules.__getitem__, source.at, target.at)
        self.now += timedelta(seconds=1)
        target.set(found.write, self.now)
        self.base = found.base
        return len(found.write)


values = st.sampled_from([None, "", "a", "b", " b", "c"])
edits = st.tuples(st.sampled_from(["one", "other"]), st.sampled_from(NAMES), values)
ways = st.sampled_from(["there", "back"])
records = st.fixed_dictionaries({name: values for name in NAMES})


@given(
    st.fixed_dictionaries({name: st.sampled_from([Rule.SOURCE, Rule.TARGET, Rule.NEWEST]) for name in NAMES}),
    records, records, st.lists(st.one_of(edits, ways), max_size=15), st.permutations(["there", "back"]),
)  # fmt: skip
def test_both_sides_agree_within_two_rounds_and_the_third_writes_nothing(
    rules: dict[str, Rule],
    mine: dict[str, Value],
    yours: dict[str, Value],
    steps: list[str | tuple[str, str, Value]],
    order: list[str],
) -> None:
    pair = Pair(rules, Side(mine), Side(yours))
    for step in steps:
        if isinstance(step, str):
            pair.run(step)
        else:
            pair.edit(*step)
    for way in [*order, *order]:
        pair.run(way)
    assert {name: normal(value) for name, value in pair.one.values.items()} == {
        name: normal(value) for name, value in pair.other.values.items()
    }
    assert [pair.run(way) for way in order] == [0, 0]
