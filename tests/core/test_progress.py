"""What a stage says of its progress, by a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_brightpearl.core.progress import Progress, current, duration, reporting


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_how_far_it_is_and_how_long_it_takes_by_the_pace_so_far() -> None:
    clock = Clock(5)
    progress = Progress(clock)
    progress.begin("read", "orders", 12_000, lambda: 47)
    progress.advance(4_500)
    clock.now = 77
    assert "read 4,500 of 12,000 orders, 47 calls, about 2 minutes left" == progress.line()


def test_the_total_may_be_announced_later() -> None:
    announced: list[int] = []
    progress = Progress(Clock())
    progress.begin("read", "orders", lambda: sum(announced) or None)
    progress.advance(10)
    assert "read 10 orders" == progress.line()
    announced.append(1_000)
    assert "read 10 of 1,000 orders, about 10 seconds left" == progress.line()


def test_a_total_that_was_too_small_is_not_shown() -> None:
    progress = Progress(Clock())
    progress.begin("read", "orders", 10)
    progress.advance(11)
    assert "read 11 orders" == progress.line()


def test_a_step_that_counts_nothing_says_for_how_long_it_works() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.begin("mapping 20,000 records")
    clock.now = 75
    assert "mapping 20,000 records for 1 min 15 s" == progress.line()


def test_a_wait_is_named_with_what_is_left_of_it() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.begin("wrote", "rows", 100)
    with progress.waiting("the account's quota", 40):
        clock.now = 15
        assert "wrote 0 of 100 rows; waiting 25 s more: the account's quota" == progress.line()
    assert "wrote 0 of 100 rows" == progress.line()


def test_the_current_progress_is_that_of_the_innermost_stage() -> None:
    outer, inner = Progress(Clock()), Progress(Clock())
    with reporting(outer):
        with reporting(inner):
            assert inner is current()
        assert outer is current()
    # what works outside of a stage reports to nobody
    current().advance()


def test_durations_are_short() -> None:
    assert ["0 s", "59 s", "3 min 20 s", "2 h 5 min"] == [duration(each) for each in (0.2, 59, 200, 7_500)]
