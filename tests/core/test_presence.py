"""A column has vanished where chance does not explain that no record has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.presence import Presence

COUNTS = st.integers(0, 100_000)


def test_what_every_record_had_is_missed_soon_and_what_few_had_late() -> None:
    assert Presence(100, 100).has_vanished(20)
    assert not Presence(100, 100).has_vanished(2)
    assert not Presence(1, 1).has_vanished(20)
    assert not Presence(1_000, 1).has_vanished(1_000)
    assert not Presence(1_000, 0).has_vanished(10_000)


@given(COUNTS, COUNTS, st.integers(0, 5_000))
def test_more_records_without_it_never_make_it_likelier(one: int, other: int, records: int) -> None:
    present, seen = sorted((one, other))
    if Presence(seen, present).has_vanished(records):
        assert Presence(seen, present).has_vanished(records + 1)


@given(st.lists(st.tuples(st.integers(1, 9_000), st.integers(0, 9_000)), min_size=1))
def test_counts_stay_small_and_add_up(runs: list[tuple[int, int]]) -> None:
    seen = Presence()
    for records, present in runs:
        seen = seen.with_run(records, min(records, present))
        assert 0 <= seen.present <= seen.records <= 10_000


def test_what_stays_away_is_forgotten_in_time() -> None:
    seen, runs = Presence(10_000, 10_000), 0
    while seen.has_vanished(100):
        seen, runs = seen.with_run(100, 0), runs + 1
    assert 0 < runs < 1_000
