"""Two runs of one flow at the same time: the newer reading wins, in the target too."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.events import EventOutcome
from airflow_provider_brightpearl.core.ports.source import Read, ReadsInBatches
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.readings import ReadTimes
from airflow_provider_brightpearl.core.reports import GateReport, LoadReport, RunSummary, TransformReport
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import TooManyRefused
from airflow_provider_brightpearl.pipeline.extract import extract_parts
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.staging import FileStaging
from tests.chain import NOW, Chain
from tests.fakes import Crash, FakeSink, FakeSource, MemoryLedger, MemoryRecordEvents
from tests.mapping.bench import SCHEMA, flow

LINE = {
    "rows": "lines",
    "key": {"Row__c": "row_id"},
    "parent": {"ThingId": "Thing"},
    "fields": {"Sku": "row.sku"},
}
FLOW = flow({"Name": "name"}, rows={"Line": LINE})
VERSIONED = replace(SCHEMA, version=("at",))
MINUTE = timedelta(minutes=1)
OLD, NEW = "old", "new"


class OnlyNamed(FakeSource):
    """A source in which nothing has changed since: it gives what is asked for by id."""

    def read(self, selection: Selection) -> Iterator[Read]:
        return iter(())


class Stalled(FakeSource):
    """A source whose answer is processed after ``meanwhile``."""

    def __init__(self, lines: Sequence[bytes], meanwhile: Callable[[], None]) -> None:
        super().__init__(lines)
        self.meanwhile = meanwhile

    def read(self, selection: Selection) -> Iterator[Read]:
        answer = list(super().read(selection))
        self.meanwhile()
        yield from answer


class Batched(FakeSource):
    """A source that asks for two records at a time; each record takes a minute of ``place``."""

    def __init__(self, lines: Sequence[bytes], place: Place) -> None:
        super().__init__(lines)
        self.place, self.batches = place, 0

    def read(self, selection: Selection) -> Iterator[Read]:
        for number, pair in enumerate(super().read(selection)):
            self.batches += number % 2 == 0
            self.place.now += MINUTE
            yield pair


BATCHED: type[ReadsInBatches] = Batched


def thing(name: str, at: datetime | None = NOW, skus: Sequence[str] = ("a",)) -> dict[str, Any]:
    lines = {f"1-{number}": {"sku": sku} for number, sku in enumerate(skus)}
    return {"id": 1, "name": name, "at": at and at.isoformat(), "lines": lines}


def source(record: dict[str, Any], kind: type[FakeSource] = FakeSource) -> FakeSource:
    return kind([json.dumps(record).encode()])


class Turns:
    """Lets two threads act in a given order, one at a time; each holds its turn until it asks for the next."""

    def __init__(self, order: Sequence[str]) -> None:
        self.order = list(order)
        self.acting = ""
        self.ended: set[str] = set()
        self.condition = threading.Condition()

    def take(self, who: str) -> None:
        with self.condition:
            self._leave(who)
            assert self.condition.wait_for(lambda: self._is_next(who), timeout=60)
            self.acting = who
            if self.order:
                self.order.pop(0)

    def end(self, who: str) -> None:
        with self.condition:
            self.ended.add(who)
            self._leave(who)

    def _leave(self, who: str) -> None:
        if self.acting == who:
            self.acting = ""
        self.condition.notify_all()

    def _is_next(self, who: str) -> bool:
        while self.order and self.order[0] in self.ended:
            self.order.pop(0)
        return not self.acting and (not self.order or self.order[0] == who)


@dataclass
class Step(FakeSink):
    """A sink that writes row by row when it is its turn, each row twice: unfinished, then whole."""

    turns: Turns = field(default_factory=lambda: Turns(()))
    who: str = ""

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        for record in records:
            for unfinished in (True, False):
                self.turns.take(self.who)
                results = list(self._write(record))
                if unfinished:
                    for change in record.changes:
                        self.rows[change.object, change.key] = f"draft {change.payload}"
                results = [
                    RowResult(
                        each.source_id, each.object, each.key, each.outcome, each.target_id, unfinished=unfinished
                    )
                    for each in results
                    if unfinished or not each.removed
                ]  # fmt: skip
                yield results


class Paced(SqlCrosswalk):
    """A crosswalk whose calls wait for their turn."""

    def __init__(self, engine: Engine, pair: str, turns: Turns, who: str) -> None:
        super().__init__(engine, pair)
        self.turns, self.who = turns, who

    def of_records(self, flow: str, source_ids: Sequence[str]) -> list[Binding]:
        self.turns.take(self.who)
        return super().of_records(flow, source_ids)

    def bind(self, bindings: Sequence[Binding]) -> list[Binding]:
        self.turns.take(self.who)
        return super().bind(bindings)

    def unbind(self, bindings: Sequence[Binding]) -> list[Binding]:
        self.turns.take(self.who)
        return super().unbind(bindings)


class Place:
    """What the runs of one flow share."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.pair = engine, folder / uuid4().hex, uuid4().hex
        self.now = NOW
        self.letters = SqlDeadLetters(engine, lambda: self.now, self.pair)
        self.ledger, self.events = MemoryLedger(), MemoryRecordEvents()
        self.crosswalk = SqlCrosswalk(engine, self.pair)
        self.target: dict[tuple[str, str], str] = {}
        self.runs = 0

    def chain(self, crosswalk: SqlCrosswalk | None = None) -> Chain:
        return Chain(
            FLOW, VERSIONED, self.folder, crosswalk=crosswalk or self.crosswalk, letters=self.letters,
            ledger=self.ledger, events=self.events,
        )  # fmt: skip

    def go(self, record: dict[str, Any], kind: type[FakeSource] = FakeSource) -> tuple[RunSummary, FakeSink]:
        """A whole run, an hour later."""
        self.now += 60 * MINUTE
        self.runs += 1
        sink = FakeSink(rows=self.target)
        return self.chain().go(source(record, kind), sink, now=self.now, name=f"run {self.runs}"), sink

    def value(self) -> str:
        return str(json.loads(self.target["Thing", "1"])["Name"])


@dataclass
class Late:
    """A run that has read and judged, and has still to load and settle."""

    chain: Chain
    mapped: list[TransformReport]
    judged: GateReport
    parts: Any

    @classmethod
    def of(cls, chain: Chain, record: dict[str, Any], name: str, now: datetime) -> Late:
        extracted = chain.extract(source(record), name=name, now=now)
        mapped = [chain.transform(part) for part in extracted.parts]
        return cls(chain, mapped, chain.evaluate(mapped), extracted.parts)

    def load(self, sink: FakeSink) -> LoadReport:
        return self.chain.load(self.mapped[0], self.judged, sink)

    def settle(self, load: LoadReport) -> None:
        with suppress(TooManyRefused):
            self.chain.settle(self.parts, self.mapped, self.judged, [load])


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Place:
    return Place(engine, tmp_path)


def finish(late: Late, sink: Step, turns: Turns, who: str, failures: list[BaseException]) -> None:
    try:
        report = late.load(sink)
        turns.take(who)
        late.settle(report)
    except BaseException as error:
        failures.append(error)
    finally:
        turns.end(who)


ORDERS = st.permutations([OLD] * 9 + [NEW] * 9)


@pytest.mark.parametrize("known", [False, True])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=ORDERS, versioned=st.booleans(), read_late=st.booleans(), more_rows=st.booleans())
@example(order=[OLD, NEW, NEW, NEW, NEW, OLD], versioned=True, read_late=False, more_rows=False)
@example(order=[NEW, OLD, OLD, OLD, OLD, NEW], versioned=False, read_late=False, more_rows=True)
def test_after_the_next_run_the_target_holds_the_newest_value(
    engine: Engine,
    tmp_path: Path,
    *,
    known: bool,
    order: list[str],
    versioned: bool,
    read_late: bool,
    more_rows: bool,
) -> None:
    place, turns = Place(engine, tmp_path), Turns(order)
    if known:
        place.go(thing("first", NOW - MINUTE, ("a", "b")))
    records = {
        OLD: thing("old", NOW, ("a", "b") if more_rows else ("a",)),
        NEW: thing("new", NOW + MINUTE if versioned else NOW, ("a",) if more_rows else ("c", "b")),
    }
    # where the source says which version is newer, it may have been read earlier
    read = {OLD: place.now + MINUTE, NEW: place.now + (2 - 2 * (versioned and read_late)) * MINUTE}
    failures: list[BaseException] = []
    threads = []
    for who in (OLD, NEW):
        late = Late.of(place.chain(), records[who], who, read[who])
        late.chain.crosswalk = Paced(engine, place.pair, turns, who)
        sink = Step(rows=place.target, turns=turns, who=who)
        threads.append(threading.Thread(target=finish, args=(late, sink, turns, who, failures)))
    place.now += 10 * MINUTE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures

    place.go(records[NEW], OnlyNamed)
    assert "new" == place.value()
    lines = {key: json.loads(text)["Sku"] for (name, key), text in place.target.items() if name == "Line"}
    assert {key: line["sku"] for key, line in records[NEW]["lines"].items()} == lines
    assert set() == place.letters.waiting(FLOW.flow, ["1"])
    assert all(each.fingerprint for each in place.crosswalk.of_records(FLOW.flow, ["1"]))
    assert 0 == place.go(records[NEW])[0].counts.updated


def test_a_run_that_wakes_late_writes_nothing_and_says_so(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    zombie = Late.of(place.chain(), thing("old"), "zombie", place.now)
    place.go(thing("new", NOW + MINUTE))
    sink = FakeSink(rows=place.target)
    with caplog.at_level(logging.INFO):
        report = zombie.load(sink)
    assert ([], "new", 1) == (sink.log, place.value(), report.counts.unchanged)
    assert "1 record left out" in caplog.text
    found = {each.outcome: each for each in place.events.of_record(FLOW.flow, "1")}
    left_out = found[EventOutcome.SUPERSEDED]
    assert ("Thing", "T-Thing-1") == (left_out.object, left_out.target_id)


def test_what_a_newer_reading_found_unchanged_is_not_overwritten_by_an_older_one(place: Place) -> None:
    place.go(thing("right"))
    zombie = Late.of(place.chain(), thing("wrong", NOW + MINUTE), "zombie", place.now + MINUTE)
    assert 1 == place.go(thing("right", NOW + 2 * MINUTE))[0].counts.unchanged
    sink = FakeSink(rows=place.target)
    zombie.load(sink)
    assert ([], "right") == (sink.log, place.value())


@pytest.mark.parametrize("at", [None, NOW])
def test_of_readings_of_one_version_or_none_the_later_one_is_written(
    place: Place, at: datetime | None
) -> None:
    zombie = Late.of(place.chain(), thing("old", at), "zombie", place.now)
    place.go(thing("first", at))
    place.go(thing("joined data changed", at))
    sink = FakeSink(rows=place.target)
    zombie.load(sink)
    assert ([], "joined data changed") == (sink.log, place.value())


def test_an_answer_that_waits_is_no_newer_than_its_request(place: Place) -> None:
    place.go(thing("first"))
    stalled, sink = place.chain(), FakeSink(rows=place.target)

    def another_run() -> None:
        assert 1 == place.go(thing("joined data changed"))[0].counts.updated
        stalled.now = place.now + MINUTE

    late = Stalled([json.dumps(thing("old")).encode()], another_run)
    summary = stalled.go(late, sink, now=place.now + MINUTE, name="stalled")
    assert ([], "joined data changed", 1) == (sink.log, place.value(), summary.counts.unchanged)


def test_records_are_as_old_as_the_request_for_their_batch(place: Place, tmp_path: Path) -> None:
    lines = [json.dumps({"id": number}).encode() for number in range(5)]
    staging = FileStaging(tmp_path, FLOW.flow, "run")
    selection = Selection(None, full_resync=True)
    for kind, minutes in ((Batched(lines, place), [0, 0, 2, 2, 4]), (FakeSource(lines), [0] * 5)):
        place.now = NOW
        [part] = extract_parts(FLOW, selection, kind, staging, lambda: place.now).parts
        times = ReadTimes(staging.read_json(part.times))
        assert [NOW + each * MINUTE for each in minutes] == [times.at(line) for line in range(5)]


def test_a_version_that_is_not_valid_leaves_it_to_the_time_of_reading(place: Place) -> None:
    place.go(thing("first"))
    assert 1 == place.go({**thing("second"), "at": "yesterday"})[0].counts.updated
    assert "second" == place.value()


def test_a_letter_of_a_newer_reading_is_not_closed_by_an_older_one(place: Place) -> None:
    zombie = Late.of(place.chain(), thing("old"), "zombie", place.now)
    place.go({**thing("new", NOW + MINUTE), "lines": None})
    assert {"1"} == place.letters.waiting(FLOW.flow, ["1"])
    zombie.load(FakeSink(rows=place.target))
    assert {"1"} == place.letters.waiting(FLOW.flow, ["1"])


def test_a_run_that_settles_late_leaves_no_letter_of_what_a_newer_one_has_written(place: Place) -> None:
    zombie = Late.of(place.chain(), {**thing("bad"), "lines": None}, "zombie", place.now)
    place.go(thing("good", NOW + MINUTE))
    zombie.settle(zombie.load(FakeSink()))
    assert {"1"} == place.letters.waiting(FLOW.flow, ["1"])
    place.go(thing("good", NOW + MINUTE), OnlyNamed)
    assert set() == place.letters.waiting(FLOW.flow, ["1"])


def test_a_repeat_of_a_run_is_no_conflict(place: Place) -> None:
    late = Late.of(place.chain(), thing("new"), "run", place.now)
    sink = FakeSink(rows=place.target)
    assert late.load(sink).counts == late.load(sink).counts
    assert 1 == len(sink.log)
    assert ["created"] == [each.outcome for each in place.events.of_record(FLOW.flow, "1")]


class Killed(FakeSink):
    """A sink whose worker dies when it has answered the first row of each record."""

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        yield [next(self._write(msgspec.structs.replace(each, changes=each.changes[:1]))) for each in records]
        raise Crash


@pytest.mark.parametrize("known", [False, True])
def test_what_a_newer_run_has_only_begun_is_read_and_written_again(place: Place, *, known: bool) -> None:
    if known:
        place.go(thing("first", NOW - MINUTE, ("z",)))
    late = Late.of(place.chain(), thing("new"), "scheduled", place.now)
    by_hand = Late.of(place.chain(), thing("new"), "by hand", place.now + MINUTE)
    place.now += 2 * MINUTE
    with pytest.raises(Crash):
        by_hand.load(Killed(rows=place.target))
    sink = FakeSink(rows=place.target)
    report = late.load(sink)
    assert ([], 1, 0) == (sink.log, report.counts.rejected, report.counts.unchanged)
    late.settle(report)
    assert {"1"} == place.letters.waiting(FLOW.flow, ["1"])

    place.go(thing("new"), OnlyNamed)
    assert {"Sku": "a"} == json.loads(place.target["Line", "1-0"])
    assert set() == place.letters.waiting(FLOW.flow, ["1"])


def test_of_a_record_that_a_newer_run_has_written_whole_rows_it_left_alone_are_no_conflict(
    place: Place,
) -> None:
    place.go(thing("first", NOW - MINUTE))
    zombie = Late.of(place.chain(), thing("second"), "zombie", place.now)
    place.go(thing("third", NOW + MINUTE))
    report = zombie.load(FakeSink(rows=place.target))
    assert (0, 1, "third") == (report.counts.rejected, report.counts.unchanged, place.value())


class Moving(FakeSink):
    """A sink whose answer comes when another run has given the row to another record."""

    def __init__(self, rows: dict[tuple[str, str], str], meanwhile: Callable[[], object]) -> None:
        super().__init__(rows=rows)
        self.meanwhile = meanwhile

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        for results in super().write(records):
            self.meanwhile()
            yield results


@pytest.mark.parametrize("removed", [False, True])
def test_a_row_that_another_run_has_given_to_another_record_is_written_again_for_that_one(
    place: Place, *, removed: bool
) -> None:
    place.go(thing("first", NOW - MINUTE))

    def give_away() -> None:
        (line,) = (each for each in place.crosswalk.of_records(FLOW.flow, ["1"]) if each.object == "Line")
        place.crosswalk.bind([msgspec.structs.replace(line, source_id="2", written_run="other")])

    late = Late.of(place.chain(), thing("new", skus=() if removed else ("b",)), "late", place.now + MINUTE)
    report = late.load(Moving(place.target, give_away))
    assert 1 == report.counts.rejected
    late.settle(report)
    assert {"1", "2"} == place.letters.waiting(FLOW.flow, ["1", "2"])
    (line,) = place.crosswalk.of_records(FLOW.flow, ["2"])
    assert ("Line", "1-0", "") == (line.object, line.key, line.fingerprint)
