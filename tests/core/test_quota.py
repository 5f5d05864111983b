"""Grants of calls: never more in any period than allowed, whoever asks, and however long a call takes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.quota import (
    PERCENT,
    Asking,
    Counted,
    Decision,
    Limit,
    Share,
    calls_of_others,
    current_share,
    decide,
    drawing_on,
    settled,
    share_of,
)
from airflow_provider_brightpearl.core.window import RunKind

LIMIT = Limit(20, 60.0)


def asking(holder: str = "me", share: Share = Share.SCHEDULE, calls: int = 5, since: float = 0.0) -> Asking:
    return Asking(holder, share, calls, since)


class Account:
    """Plays processes that take grants and use them, and keeps when each call arrived."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.now = 0.0
        self.counted: list[Counted] = []
        self.arrived: list[float] = []

    def ask(self, share: Share, calls: int) -> int:
        decision = decide(self.limit, self.counted, [], asking(share=share, calls=calls), self.now)
        assert bool(decision.calls) != bool(decision.wait)
        return decision.calls

    def use(self, share: Share, delays: list[tuple[float, float]]) -> None:
        """Calls that arrive and are answered so long after the grant; what comes too late is not sent."""
        sent = [(at, took) for at, took in delays if at < self.limit.horizon]
        self.arrived += [self.now + at + took / 2 for at, took in sent]
        self.counted += settled(self.limit, [self.now + at + took for at, took in sent], share)

    def die(self, share: Share, delays: list[float]) -> None:
        """Calls of a process that does not live to report them."""
        self.arrived += [self.now + min(at, self.limit.horizon) for at in delays]
        until = self.limit.counts_until(self.now + self.limit.horizon + self.limit.flight)
        self.counted.append(Counted(len(delays), until, share))

    def fullest(self) -> int:
        return max(
            (
                sum(start <= each < start + self.limit.seconds for each in self.arrived)
                for start in self.arrived
            ),
            default=0,
        )


Step = tuple[float, Share, int, bool, list[tuple[float, float]]]
STEP = st.tuples(
    st.floats(0, 40), st.sampled_from(Share), st.integers(1, 12), st.booleans(),
    st.lists(st.tuples(st.floats(0, 6), st.floats(0, 130)), max_size=12),
)  # fmt: skip


@given(st.integers(1, 30), st.lists(STEP, max_size=60))
def test_no_period_ever_holds_more_calls_than_allowed(calls: int, steps: list[Step]) -> None:
    account = Account(Limit(calls, 60.0))
    for pause, share, wanted, dies, delays in steps:
        account.now += pause
        granted = account.ask(share, wanted)
        if dies:
            account.die(share, [at for at, _ in delays[:granted]])
        else:
            account.use(share, delays[:granted])
    assert account.fullest() <= calls


@given(
    st.lists(
        st.builds(Counted, st.integers(1, 5), st.floats(1, 70), st.sampled_from([*Share, None])), max_size=12
    ),
    st.lists(
        st.builds(
            Asking, st.sampled_from("abcdef"), st.sampled_from(Share), st.integers(1, 9), st.floats(0, 9)
        ),
        unique_by=lambda each: each.holder, min_size=1, max_size=6,
    ),
)  # fmt: skip
def test_those_who_wait_get_no_more_than_there_is_and_one_of_them_gets_it(
    counted: list[Counted], waiting: list[Asking]
) -> None:
    free = LIMIT.usable - sum(each.calls for each in counted)
    decisions = [decide(LIMIT, counted, waiting, each, 0.0) for each in waiting]
    assert sum(each.calls for each in decisions) <= max(0, free)
    assert free <= 0 or any(each.calls for each in decisions)
    assert all(each.wait > 0 for each in decisions if not each.calls)


def test_after_the_announced_wait_there_are_calls() -> None:
    counted = [Counted(15, 30.0, Share.SCHEDULE), Counted(5, 40.0, Share.SCHEDULE)]
    waiting = [asking("first", since=1.0, calls=15)]
    wait = decide(LIMIT, counted, waiting, asking(since=2.0), 10.0).wait
    assert 30.0 <= wait < 30.1
    assert Decision(5) == decide(LIMIT, counted, waiting, asking(since=2.0), 10.0 + wait)


def test_events_go_before_schedules_before_backfills() -> None:
    counted = [Counted(12, 60.0), Counted(2, 60.0, Share.BACKFILL)]
    waiting = [asking(share.value, share, 2, since=9.0 - place) for place, share in enumerate(Share)]
    granted = {each.holder: decide(LIMIT, counted, waiting, each, 0.0).calls for each in waiting}
    assert {"event": 2, "schedule": 2, "backfill": 2} == granted
    counted = [Counted(18, 60.0)]
    granted = {each.holder: decide(LIMIT, counted, waiting, each, 0.0).calls for each in waiting}
    assert {"event": 2, "schedule": 0, "backfill": 0} == granted


def test_a_backfill_gets_its_share_while_events_have_had_theirs() -> None:
    counted = [Counted(18, 60.0, Share.EVENT)]
    event, backfill = asking("event", Share.EVENT, 2, since=0.0), asking("back", Share.BACKFILL, 2, since=9.0)
    assert 2 == decide(LIMIT, counted, [event, backfill], backfill, 10.0).calls
    assert 0 == decide(LIMIT, counted, [event, backfill], event, 10.0).calls


def test_a_kind_uses_what_the_others_do_not_ask_for() -> None:
    counted = [Counted(17, 60.0, Share.BACKFILL)]
    assert 3 == decide(LIMIT, counted, [], asking(share=Share.BACKFILL), 0.0).calls


def test_shares_are_all_of_the_quota() -> None:
    assert 100 == sum(PERCENT.values())
    assert list(Share) == list(PERCENT)


def test_the_share_follows_from_how_a_run_came_about() -> None:
    found = Counter(share_of(kind) for kind in RunKind)
    assert {Share.BACKFILL: 1, Share.EVENT: 1, Share.SCHEDULE: len(RunKind) - 2} == found
    assert Share.SCHEDULE is current_share()
    with drawing_on(Share.BACKFILL):
        assert Share.BACKFILL is current_share()


def test_calls_that_are_answered_together_are_one_entry() -> None:
    found = settled(LIMIT, [100.1, 100.2, 103.0], Share.EVENT)
    assert [(2, 160.7), (1, 163.5)] == [(each.calls, round(each.until, 3)) for each in found]


@pytest.mark.parametrize(("remaining", "others"), [(15, 0), (20, 0), (14, 1), (0, 15)])
def test_calls_of_others_are_what_the_system_counts_beyond_ours(remaining: int, others: int) -> None:
    counted = [Counted(5, 60.0, Share.EVENT), Counted(9, 1.0)]
    assert others == calls_of_others(LIMIT, counted, remaining, 2.0)


def test_many_processes_take_little_each() -> None:
    limit = Limit(200, reserve=2)
    assert [9, 9, 1] == [limit.fair(limit.largest_grant, processes) for processes in (1, 10, 500)]
