from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.systems.brightpearl import idset

ids = st.lists(st.integers(1, 400), max_size=120)


def test_neighbours_become_ranges() -> None:
    assert "1,2,5-10,44" == idset.compress([10, 9, 8, 7, 6, 5, 2, 1, 44, 44])


def test_nothing_is_an_empty_set() -> None:
    assert ("", []) == (idset.compress([]), list(idset.parse("")))


@given(ids)
def test_what_is_compressed_is_read_back(numbers: list[int]) -> None:
    assert sorted(set(numbers)) == list(idset.parse(idset.compress(numbers)))


@given(ids, st.integers(1, 50), st.integers(4, 60))
def test_batches_hold_every_id_once_within_both_limits(numbers: list[int], size: int, chars: int) -> None:
    groups = list(idset.batches(numbers, size, chars))
    assert sorted(set(numbers)) == [number for group in groups for number in group]
    assert all(len(group) <= size and len(idset.compress(group)) <= chars for group in groups)
