"""When a gate closes, and what a closed one keeps out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.ports.notices import REMINDER
from airflow_provider_brightpearl.core.ports.source import Read
from airflow_provider_brightpearl.core.window import Request, RunKind, Selection
from airflow_provider_brightpearl.errors import GateClosed
from airflow_provider_brightpearl.flow.spec import GateSpec
from tests.chain import NOW
from tests.fakes import FakeSink, FakeSource, PassingGate
from tests.pipeline.test_stages import Fixture, chain, counts, keys, record, rejections, source

GOOD = [record(number) for number in range(1, 16)]
BAD = [record(number, status="?") for number in range(20, 26)]
QUARANTINE: dict[str, Any] = {"closed": "quarantine"}


class InWindow(FakeSource):
    """A source whose window holds ``fresh`` records alone; the others are read by their ids."""

    fresh = {str(each["id"]) for each in GOOD}

    def read(self, selection: Selection) -> Iterator[Read]:
        return (each for each in super().read(selection) if each[0] in self.fresh)


@pytest.fixture
def stages(tmp_path: Path) -> Fixture:
    return chain(tmp_path, gate=QUARANTINE)


def test_the_good_records_go_through_and_the_failed_ones_wait(stages: Fixture) -> None:
    stages.judge = PassingGate(*rejections("1"))
    sink = FakeSink()
    summary = stages.go(source(*GOOD, *BAD), sink)
    assert {"extracted": 21, "created": 14, "rejected": 7} == counts(summary)
    assert ("quarantine", True) == (summary.state, summary.news)
    said = "7 of 21 records failed, the flow allows 2%; these are kept out, the others are loaded"
    assert (said, said) == (summary.quarantine, summary.note)
    assert 14 == len(keys(sink))
    assert {"1", *(str(each["id"]) for each in BAD)} == set(stages.letters.kept)
    assert NOW - stages.flow.window.delay == stages.ledger.watermark("bench")


def test_it_is_announced_once_a_day_and_again_after_the_gate_was_open(stages: Fixture) -> None:
    fresh = itertools.count(100)

    def news(*records: dict[str, Any], after: timedelta = timedelta()) -> bool:
        # those that failed before say nothing new
        these = [{**each, "id": next(fresh)} if each in BAD else each for each in records]
        return stages.go(source(*these), FakeSink(), now=NOW + after).news

    assert news(*GOOD, *BAD)
    assert not news(*GOOD, *BAD, after=timedelta(minutes=15))
    # too few to judge by
    assert not news(*GOOD[:3], after=timedelta(minutes=30))
    assert not news(*GOOD, *BAD, after=timedelta(minutes=45))
    assert news(*GOOD, *BAD, after=REMINDER)
    assert not news(*GOOD, *(record(number) for number in range(30, 40)), after=REMINDER)
    assert news(*GOOD, *BAD, after=REMINDER + timedelta(minutes=15))


def test_a_failure_of_the_batch_stops_the_run_all_the_same(stages: Fixture) -> None:
    stages.judge = PassingGate(batch=["Thing: mean of Amount is 7"])
    sink = FakeSink()
    with pytest.raises(
        GateClosed, match="failed, and no record can be kept out for it; nothing was loaded\n"
    ):
        stages.go(source(*GOOD), sink)
    with pytest.raises(
        GateClosed, match="6 of 21 records failed, the flow allows 2%; nothing was loaded\nThing"
    ):
        stages.go(source(*GOOD, *BAD), sink)
    assert {} == sink.rows


def test_few_bad_records_close_no_gate(tmp_path: Path) -> None:
    stages = chain(tmp_path)
    summary = stages.go(source(*GOOD, *BAD[:4]), FakeSink())
    assert ("done", 4) == (summary.state, summary.counts.rejected)
    with pytest.raises(GateClosed):
        stages.go(source(*GOOD, *(record(number, status="?") for number in range(30, 35))), FakeSink())


def test_letters_that_are_due_again_close_no_gate(tmp_path: Path) -> None:
    """Their records say nothing of new ones; those that changed or are read again with their window do."""
    stages = chain(tmp_path, gate={"min_rejected": 1})
    with pytest.raises(GateClosed):
        stages.go(source(*GOOD, *BAD), FakeSink(), Request(RunKind.MANUAL))
    stages.version = "v2"
    reading = InWindow(json.dumps(each).encode() for each in (*GOOD, *BAD))
    summary = stages.go(reading, FakeSink(), now=NOW + timedelta(hours=1))
    assert ("done", 15, 6) == (summary.state, summary.counts.created, summary.counts.rejected)
    stages.version = "v3"
    with pytest.raises(GateClosed, match="6 of 21 records"):
        stages.go(source(*GOOD, *BAD), FakeSink(), now=NOW + timedelta(hours=2))


def test_what_the_gate_refuses_again_does_not_count_either(tmp_path: Path) -> None:
    stages = chain(tmp_path, gate={"min_rejected": 1, "max_rejected": "5%", "closed": "quarantine"})
    bad = [str(number) for number in range(40, 50)]
    stages.judge = PassingGate(*rejections(*bad))
    records = [*GOOD, *(record(int(number)) for number in bad)]
    assert "quarantine" == stages.go(source(*records), FakeSink()).state
    stages.version = "v2"
    stages.judge = PassingGate(*rejections(*bad, "1", "2"))
    reading = InWindow(json.dumps(each).encode() for each in (*records, *(record(n) for n in range(60, 70))))
    reading.fresh |= {str(number) for number in range(60, 70)}
    summary = stages.go(reading, FakeSink(), now=NOW + timedelta(hours=1))
    assert ("quarantine", 12) == (summary.state, summary.counts.rejected)
    assert summary.quarantine.startswith("2 of 25 records failed")


def test_what_a_settled_run_has_kept_does_not_count_in_the_window_of_the_next(tmp_path: Path) -> None:
    stages = chain(tmp_path)
    assert "done" == stages.go(source(*GOOD, record(16), *BAD[:4]), FakeSink()).state
    again = stages.go(source(*GOOD, *BAD[:4], *(record(n, status="?") for n in (40, 41))), FakeSink())
    assert ("done", 6) == (again.state, again.counts.rejected)
    # a run that stops opens no gate of its own, and leaves what was judged as it is
    many = [record(number, status="?") for number in range(50, 56)]
    for _ in range(2):
        with pytest.raises(GateClosed, match="^6 of 21 records failed.*\n4 others failed before"):
            stages.go(source(*GOOD, *BAD[:4], *many), FakeSink())
    assert "done" == stages.go(source(*GOOD, *BAD[:4], *many[:4]), FakeSink()).state
    # another record under the same id, or another mapping, is judged anew
    changed = [{**each, "status": "??"} for each in BAD[:4]]
    with pytest.raises(GateClosed, match="^5 of 20 records"):
        stages.go(source(*GOOD, *changed, record(60, status="?")), FakeSink())
    stages.version = "v2"
    with pytest.raises(GateClosed, match="^8 of 23 records"):
        stages.go(source(*GOOD, *BAD[:4], *many[:4]), FakeSink())


def test_what_a_run_with_too_few_records_has_kept_was_not_judged(tmp_path: Path) -> None:
    stages = chain(tmp_path)
    assert "done" == stages.go(source(*GOOD[:3], *BAD[:5]), FakeSink()).state
    with pytest.raises(GateClosed, match="^5 of 20 records"):
        stages.go(source(*GOOD, *BAD[:5]), FakeSink())


def test_what_the_gate_has_kept_out_does_not_count_again(tmp_path: Path) -> None:
    stages = chain(tmp_path, gate=QUARANTINE)
    records = [record(number) for number in range(1, 31)]
    stages.judge = PassingGate(*rejections("1", "2", "3", "4", "5"))
    assert "quarantine" == stages.go(source(*records), FakeSink()).state
    assert "done" == stages.go(source(*records), FakeSink()).state
    stages.judge = PassingGate(*rejections(*map(str, range(1, 11))))
    assert stages.go(source(*records), FakeSink()).quarantine.startswith("5 of 25 records failed")


SHARES = st.sampled_from(["0%", "1%", "2%", "50%", "100%"])
COUNTS = st.integers(0, 3_000)


@given(SHARES, st.integers(0, 50), st.none() | st.integers(1, 50), COUNTS, COUNTS)
def test_a_gate_closes_by_share_and_number(
    share: str, few: int, least: int | None, one: int, other: int
) -> None:
    gate = GateSpec(max_rejected=share, min_records=few, min_rejected=least)
    rejected, records = sorted((one, other))
    allowed = gate.allows(rejected, records)
    if not allowed:
        assert records >= few
        assert rejected > records * gate.max_rejected
        assert rejected >= (least or 1)
        # more bad ones among as many never open it
        assert not gate.allows(min(rejected + 1, records), records)
    elif records >= few and rejected > records * gate.max_rejected:
        assert rejected < (least or (5 if gate.max_rejected else 1))


@given(COUNTS)
def test_a_gate_of_nothing_closes_at_the_first(records: int) -> None:
    assert GateSpec(max_rejected=0).allows(0, records)
    assert not GateSpec(max_rejected=0, min_records=0).allows(1, records + 1)
