"""Both sides of a comparison on disk: what they are given, in the order of ids, joined."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.compare import Entry, compare
from airflow_provider_brightpearl.core.ports.sides import Sides, Span
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.stores.sides import SqlSides

ids = st.text(st.characters(codec="utf-8"), max_size=6) | st.integers(0, 40).map(str)
amounts = st.decimals(-9999, 9999, places=3) | st.none()
entries = st.builds(Entry, ids, amounts, st.sampled_from(["GBP", "EUR", ""]), st.sampled_from(["", '["a"]']))


def of(*names: str) -> list[tuple[Entry, str]]:
    return [(Entry(name), name) for name in names]


def test_the_store_is_the_port() -> None:
    port: Sides = SqlSides()
    with port:
        assert [] == list(port.source())


@given(st.lists(entries, max_size=40))
def test_a_side_gives_what_it_was_given_in_the_order_of_ids(side: list[Entry]) -> None:
    with SqlSides() as sides:
        sides.add_source((entry, entry.id) for entry in side)
        sides.add_target((entry, False) for entry in side)
        for kept in (list(sides.source()), list(sides.target())):
            assert Counter(side) == Counter(kept)
            assert sorted(entry.id for entry in side) == [entry.id for entry in kept]
        assert sorted(entry.id for entry in side) == [name for name, _ in sides.keys()]


def test_rows_of_the_target_go_by_the_id_of_the_record_whose_key_they_have() -> None:
    with SqlSides() as sides:
        sides.add_listed(["1", "2"])
        sides.add_source([(Entry("1"), "SKU-1"), (Entry("2"), "2")])
        sides.add_target([(Entry("SKU-1"), False), (Entry("2"), False), (Entry("SKU-9"), False)])
        assert ["1", "2", "SKU-9"] == [entry.id for entry in sides.target()]


def test_what_is_not_compared_is_missing_on_neither_side() -> None:
    with SqlSides() as sides:
        sides.add_listed(["1", "2", "3"])
        sides.add_source(of("1", "3"))
        # 2 is listed and not compared, 8 and 9 are not listed, 3 and 9 are retired
        sides.add_target((Entry(name), name in "39") for name in "12389")
        assert ["1", "3", "8"] == [entry.id for entry in sides.target()]


@pytest.mark.parametrize(
    ("names", "span"),
    [
        (("3", "20", "100"), Span(3, 100, 3)), (("3", "x"), None), (("",), None), ((), None),
        (("7", "7"), Span(7, 7, 2)),
    ],
)  # fmt: skip
def test_a_span_is_of_numbers(names: tuple[str, ...], span: Span | None) -> None:
    with SqlSides() as sides:
        sides.add_source(of(*names))
        assert span == sides.span()


def test_bound_ids_that_are_not_listed() -> None:
    with SqlSides() as sides:
        sides.add_listed(["5", "20", "DS7"])
        sides.add_bound((name, f"T{name}") for name in ("3", "5", "9", "10", "21", "x"))
        assert ["10", "21", "3", "9", "x"] == list(sides.unlisted(within=False))
        assert ["9", "10"] == list(sides.unlisted(within=True))
        assert {"9": "T9", "x": "Tx"} == sides.target_ids(["9", "x", "77"])


def test_without_numbers_nothing_lies_between() -> None:
    with SqlSides() as sides:
        sides.add_bound([("3", "T3")])
        assert [] == list(sides.unlisted(within=True))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_sides() -> None:
    tracemalloc.start()
    try:
        with SqlSides() as sides:
            sides.add_listed(str(number) for number in range(100_000))
            sides.add_source((Entry(str(number), Decimal("12.34"), "GBP"), "") for number in range(100_000))
            sides.add_target(
                (Entry(str(number), Decimal("12.34"), "GBP"), False) for number in range(100_000)
            )
            found = compare(sides.source(), sides.target())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 100_000 == found.matched
    assert peak < 2_000_000


def test_half_of_a_surrogate_pair_in_an_id_stops_no_comparison() -> None:
    with SqlSides() as sides:
        sides.add_source(of("a\ud800b", "c"))
        sides.add_target([(Entry("a\ud800b"), False), (Entry("c"), False)])
        found = compare(sides.source(), sides.target(), amounts=False)
    assert (2, 0, 0) == (found.matched, found.missing.count, found.extra.count)


def test_a_full_temporary_disk_is_named() -> None:
    with SqlSides() as sides:
        sides._connection.execute("PRAGMA max_page_count = 20")
        with pytest.raises(
            Unavailable, match="database or disk is full; free space on that disk, or set TMPDIR"
        ):
            sides.add_source(of(*map(str, range(5_000))))
