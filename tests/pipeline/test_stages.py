"""The five stages over ports in memory: outcomes, counts, money, repeats and what moves the watermark."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from airflow_provider_brightpearl.core.changes import Change, RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.ports.target import NewRow
from airflow_provider_brightpearl.core.records import Counts, RawPart, Rejection, Stage
from airflow_provider_brightpearl.core.reports import GateReport, LoadReport, RunSummary, TransformReport
from airflow_provider_brightpearl.core.window import Request, RunKind, Window
from airflow_provider_brightpearl.errors import GateClosed, OutOfBalance, TooManyRefused
from airflow_provider_brightpearl.flow.spec import LoadSpec
from tests.chain import NOW, Chain
from tests.fakes import Crash, FakeSink, FakeSource, MemoryCrosswalk, MemoryLedger, MemoryLetters, PassingGate
from tests.mapping.bench import SCHEMA, flow, lookup

LINE = {
    "rows": "lines",
    "key": {"Row__c": "row_id"},
    "parent": {"ThingId": "Thing"},
    "fields": {"Sku": "row.sku"},
}
FIELDS = {"Name": "name", "Status": "lookup('status', status)", "Party": "ref('parties.Party', party.id)"}
TOTALS = {"amount": "amount", "currency": "currency"}
TABLES = {"status": lookup({"a": "A", "b": "B"})}


class Fixture(Chain):
    letters: MemoryLetters
    ledger: MemoryLedger
    crosswalk: MemoryCrosswalk


def chain(folder: Path, **more: Any) -> Fixture:
    spec = flow(FIELDS, rows={"Line": LINE}, totals=TOTALS, part_size=200, **more)
    return Fixture(spec, SCHEMA, folder, tables=TABLES)


@pytest.fixture
def stages(tmp_path: Path) -> Fixture:
    return chain(tmp_path)


def record(number: int, **more: Any) -> dict[str, Any]:
    lines = {str(number * 10 + n): {"sku": f"S{n}"} for n in (1, 2)}
    return {
        "id": number,
        "name": f"n{number}",
        "status": "a",
        "amount": "1.10",
        "currency": "GBP",
        "lines": lines,
        **more,
    }


def source(*records: dict[str, Any]) -> FakeSource:
    return FakeSource(json.dumps(each).encode() for each in records)


def counts(report: RunSummary | LoadReport) -> dict[str, int]:
    return {name: number for name, number in asdict(report.counts).items() if number}


def pounds(amount: str) -> dict[str, Decimal]:
    return {"GBP": Decimal(amount)}


def keys(sink: FakeSink, of: str = "Thing") -> list[str]:
    return sorted(key for name, key in sink.rows if name == of)


def written(sink: FakeSink) -> list[str]:
    return [each.source_id for each in sink.log]


def test_every_record_has_one_outcome_and_counts_and_money_add_up(stages: Fixture) -> None:
    sink = FakeSink()
    stages.go(source(record(1), record(2), record(3)), sink)
    again = FakeSink(rows=sink.rows, refuse={("Thing", "4"): "NO: not today"})
    summary = stages.go(
        source(
            record(1), record(2, name="other"), record(4), record(5, status="?"), record(6, party={"id": 9}),
            record(7, amount="x"), record(8),
        ),
        again,
    )  # fmt: skip
    assert {
        "extracted": 7, "created": 1, "updated": 1, "unchanged": 1, "rejected": 3, "parked": 1,
    } == counts(summary)  # fmt: skip
    assert {"4", "5", "6", "7"} == set(stages.letters.kept)
    assert "done" == summary.state
    assert {
        "extracted": pounds("6.6000"), "loaded": pounds("3.3000"), "rejected": pounds("3.3000"),
    } == summary.money  # fmt: skip
    assert "6.6000" == str(summary.money["extracted"]["GBP"])


@pytest.mark.parametrize(
    ("load", "records", "refused"),
    [
        ({"max_refused": "20%"}, 20, 5),
        ({"max_refused": 0.2}, 20, 5),
        ({"max_refused": 2}, 20, 3),
        ({"max_refused": 0}, 3, 1),
        ({"max_refused": "50%", "min_records": 2}, 3, 2),
    ],
)
def test_a_run_of_which_the_target_refuses_too_much_fails_after_all_others_are_written(
    stages: Fixture, load: dict[str, Any], records: int, refused: int
) -> None:
    stages.flow = stages.flow.model_copy(update={"load": LoadSpec.model_validate(load)})
    sink = FakeSink(refuse={("Thing", str(number)): "NO: not today" for number in range(refused)})
    everything = [record(number) for number in range(records)]
    with pytest.raises(TooManyRefused) as caught:
        stages.go(source(*everything), sink)
    assert f"c refused {refused} of {records} records, the flow allows" in str(caught.value)
    assert f"{refused} times: Thing.F: NO: not today" in str(caught.value)
    (entry,) = stages.ledger.runs("bench")
    assert ("too many refused", refused, records - refused) == (
        entry.state,
        entry.counts.rejected,
        entry.counts.created,
    )
    assert None is stages.ledger.watermark("bench")
    assert {str(number) for number in range(refused)} == set(stages.letters.kept)
    assert records - refused == len(keys(sink))
    sink.refuse.clear()
    again = stages.go(source(*everything), sink)
    assert ("done", refused, records - refused) == (again.state, again.counts.created, again.counts.unchanged)


@pytest.mark.parametrize("load", [{"max_refused": "20%"}, {"max_refused": 4}])
def test_a_run_of_which_the_target_refuses_what_is_allowed_goes_through(
    stages: Fixture, load: dict[str, Any]
) -> None:
    stages.flow = stages.flow.model_copy(update={"load": LoadSpec.model_validate(load)})
    sink = FakeSink(refuse={("Thing", str(number)): "NO: not today" for number in range(4)})
    assert "done" == stages.go(source(*(record(number) for number in range(20))), sink).state


def test_a_second_run_over_the_same_writes_nothing(stages: Fixture) -> None:
    sink = FakeSink()
    records = [record(1), record(2)]
    first, second = stages.go(source(*records), sink), stages.go(source(*records), sink)
    assert ({"extracted": 2, "created": 2}, {"extracted": 2, "unchanged": 2}) == (
        counts(first),
        counts(second),
    )
    assert ["1", "2"] == written(sink)


def test_a_sweep_writes_unchanged_rows_of_what_the_target_changes_by_itself(tmp_path: Path) -> None:
    spec = flow(FIELDS, rows={"Line": {**LINE, "resend_in_sweep": True}}, window={"sweep": "0 3 * * *"})
    stages = Fixture(spec, SCHEMA, tmp_path, tables=TABLES)
    sink = FakeSink()
    stages.go(source(record(1)), sink)
    stages.go(source(record(1)), sink, now=NOW + timedelta(hours=1))
    asked = stages.go(source(record(1)), sink, Request(RunKind.MANUAL, full_resync=True))
    assert (["1"], 1) == (written(sink), asked.counts.unchanged)
    (part,) = stages.extract(source(record(1)), now=NOW + timedelta(days=1)).parts
    mapped = stages.transform(part)
    verdict = stages.evaluate([mapped])
    for _ in ("a try", "its repeat"):
        stages.load(mapped, verdict, sink)
        assert ["1", "1"] == written(sink)
    assert [("Line", "11"), ("Line", "12")] == [(each.object, each.key) for each in sink.log[-1].changes]


def test_only_rows_that_changed_are_written(stages: Fixture) -> None:
    sink = FakeSink()
    stages.go(source(record(1), record(2)), sink)
    changed = record(1)
    changed["lines"]["11"]["sku"] = "other"
    summary = stages.go(source(changed, record(2)), sink)
    assert {"extracted": 2, "updated": 1, "unchanged": 1} == counts(summary)
    (change,) = sink.log[2:]
    assert [("Line", "11", "1")] == [(each.object, each.key, each.parent) for each in change.changes]


def test_rows_that_are_gone_are_removed_and_forgotten(stages: Fixture) -> None:
    sink = FakeSink()
    stages.go(source(record(1)), sink)
    summary = stages.go(source(record(1, lines={"12": {"sku": "S2"}})), sink)
    assert ({"extracted": 1, "updated": 1}, ["12"]) == (counts(summary), keys(sink, "Line"))
    assert [("Line", "11", "T-Line-11")] == [(r.object, r.key, r.target_id) for r in sink.log[-1].removals]
    assert {"extracted": 1, "unchanged": 1} == counts(
        stages.go(source(record(1, lines={"12": {"sku": "S2"}})), sink)
    )


def test_a_row_that_comes_back_is_created_again(stages: Fixture) -> None:
    sink = FakeSink()
    for lines in ({"11": {"sku": "S"}}, {}, {"11": {"sku": "S"}}):
        stages.go(source(record(1, lines=lines)), sink)
    assert ["11"] == keys(sink, "Line")


def test_rows_of_a_rejected_record_stay_as_they_are(stages: Fixture) -> None:
    sink = FakeSink()
    stages.go(source(record(1)), sink)
    summary = stages.go(source(record(1, status="?", lines={})), sink)
    assert ({"extracted": 1, "rejected": 1}, ["11", "12"]) == (counts(summary), keys(sink, "Line"))


def test_parts_are_as_large_as_the_flow_says(tmp_path: Path) -> None:
    stages = chain(tmp_path)
    everything = Request(RunKind.MANUAL, full_resync=True)
    parts = stages.extract(source(*(record(n) for n in range(450))), everything).parts
    assert [200, 200, 50] == [part.records for part in parts]
    assert ["raw/00000.jsonl", "raw/00001.jsonl", "raw/00002.jsonl"] == [part.path for part in parts]


def test_several_parts_make_one_run(stages: Fixture) -> None:
    sink = FakeSink(per_call=50)
    summary = stages.go(source(*(record(n) for n in range(1, 451))), sink)
    assert ({"extracted": 450, "created": 450}, 450) == (counts(summary), len(keys(sink)))
    assert pounds("495.0000") == summary.money["loaded"]
    assert 9 == summary.calls.made["c"]


def test_a_run_without_records_still_settles(stages: Fixture) -> None:
    summary = stages.go(source(), FakeSink())
    assert ({}, "done") == (counts(summary), summary.state)
    assert NOW - stages.flow.window.delay == stages.ledger.watermark("bench")


# repeats


@pytest.mark.parametrize("crash_after", [0, 2, 4])
def test_a_load_repeated_after_a_crash_writes_the_rest_and_counts_the_whole(
    stages: Fixture, crash_after: int
) -> None:
    sink = FakeSink()
    stages.go(source(record(1), record(2), record(3)), sink)
    records = [record(1, name="new"), record(2), record(3, name="new"), record(4), record(5), record(6)]
    parts = stages.extract(source(*records)).parts
    mapped = stages.transform(parts[0])
    verdict = stages.evaluate([mapped])
    sink.crash_after = crash_after
    with pytest.raises(Crash):
        stages.load(mapped, verdict, sink)
    done = len(sink.log) - 3
    sink.crash_after = None
    report = stages.load(mapped, verdict, sink)
    summary = stages.settle(parts, [mapped], verdict, [report])
    assert {"extracted": 6, "created": 3, "updated": 2, "unchanged": 1} == counts(summary)
    assert (crash_after, 5) == (done, len(set(written(sink)[3:])))
    assert 5 == len(written(sink)) - 3, "a record was written twice"


def test_a_repeat_knows_of_rows_that_were_removed(stages: Fixture) -> None:
    sink = FakeSink(per_call=1)
    stages.go(source(record(1), record(2)), sink)
    parts = stages.extract(source(record(1, lines={}), record(2, lines={}))).parts
    mapped = stages.transform(parts[0])
    verdict = stages.evaluate([mapped])
    sink.crash_after = 1
    with pytest.raises(Crash):
        stages.load(mapped, verdict, sink)
    sink.crash_after = None
    assert {"updated": 2} == counts(stages.load(mapped, verdict, sink))


def test_a_row_left_unfinished_is_written_again(stages: Fixture) -> None:
    class HalfDone(FakeSink):
        def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
            for results in super().write(records):
                yield [msgspec.structs.replace(each, unfinished=True) for each in results]
            raise Crash

    half = HalfDone()
    with pytest.raises(Crash):
        stages.go(source(record(1)), half, name="the run")
    sink = FakeSink(rows=half.rows)
    summary = stages.go(source(record(1)), sink, name="the run")
    assert ({"extracted": 1, "created": 1}, ["1"]) == (counts(summary), written(sink))
    assert {"extracted": 1, "unchanged": 1} == counts(stages.go(source(record(1)), sink))


class Silent(FakeSink):
    """Writes all, and leaves out what it is told of one row."""

    mute: tuple[str, str] = ("Line", "20-202")

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        for results in super().write(records):
            yield [each for each in results if (each.object, each.key) != self.mute]


def test_a_row_without_an_answer_is_neither_unchanged_nor_loaded(stages: Fixture) -> None:
    sink = Silent()
    keys = [change.key for change in _sent(stages, FakeSink(), record(1))]
    sink.mute = ("Line", keys[-1])
    stages.crosswalk.rows.clear()
    summary = stages.go(source(record(1), record(2)), sink)
    assert {"extracted": 2, "created": 1, "rejected": 1} == counts(summary)
    assert (pounds("1.1000"), pounds("1.1000")) == (summary.money["loaded"], summary.money["rejected"])
    letter = stages.letters.kept["1"][0]
    assert (True, "Line", keys[-1]) == (letter.passing, letter.object, letter.row)
    assert "gave no answer to this row" in letter.reason
    # looked for again, and then it is there
    assert {"extracted": 2, "updated": 1, "unchanged": 1} == counts(
        stages.go(source(record(1), record(2)), FakeSink(rows=sink.rows))
    )


def test_an_answer_to_a_row_that_was_not_sent_is_an_error(stages: Fixture) -> None:
    class Talkative(FakeSink):
        def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
            for results in super().write(records):
                yield [*results, msgspec.structs.replace(results[-1], key="another")]

    with pytest.raises(OutOfBalance, match="answered row 'another' of Line, record 1, which was not sent"):
        stages.go(source(record(1)), Talkative())


def test_two_records_are_never_one_row(stages: Fixture) -> None:
    sink = FakeSink()
    stages.go(source(record(1)), sink)
    thief = record(2) | {"lines": record(1)["lines"]}
    summary = stages.go(source(thief), sink)
    assert {"extracted": 1, "rejected": 1} == counts(summary)
    assert "is bound to record 1: two records cannot be one row" in stages.letters.kept["2"][0].reason
    # once the first record has given the rows up, the second gets them
    first = record(1) | {"lines": {}}
    assert {"extracted": 2, "updated": 1, "created": 1} == counts(stages.go(source(first, thief), sink))
    _holds(sink, stages, {"1": set(), "2": set(record(1)["lines"])})


def _holds(sink: FakeSink, stages: Fixture, lines: dict[str, set[str]]) -> None:
    """Target and crosswalk hold these lines by record."""
    bound = stages.crosswalk.rows.values()
    found = {
        name: {each.key for each in bound if (each.object, each.source_id) == ("Line", name)}
        for name in lines
    }
    assert lines == found
    assert set().union(*lines.values()) == set(keys(sink, "Line"))


class KeyedSink(FakeSink):
    """Rows have the ids that their names are; ``between`` happens while they are written."""

    between: Callable[[], None] = staticmethod(lambda: None)

    def new_rows(self, records: Sequence[RecordChange]) -> Iterator[NewRow]:
        for record in records:
            for change in record.changes:
                if change.object == "Thing" and change.target_id is None:
                    name = json.loads(change.payload)["Name"]
                    yield NewRow(record.source_id, change.object, change.key, name)

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        names = {(each.object, each.key): each.target_id for each in self.new_rows(records)}
        for results in super().write(records):
            self.between()
            yield [
                msgspec.structs.replace(each, target_id=names.get((each.object, each.key), each.target_id))
                for each in results
            ]


def test_two_records_are_never_one_row_of_a_target_that_takes_the_ids_of_the_source(stages: Fixture) -> None:
    summary = stages.go(source(record(1, name="same"), record(2, name="same"), record(3)), KeyedSink())
    assert {"extracted": 3, "created": 2, "rejected": 1} == counts(summary)
    assert "is that of record 1: two records cannot be one row" in stages.letters.kept["2"][0].reason


def test_two_records_that_become_one_row_in_two_parts_at_a_time_are_read_again(stages: Fixture) -> None:
    sink = KeyedSink()
    flow_name = stages.flow.flow
    other = Binding(flow_name, "Thing", "9", "9", "same", "f", "run0", "run0")
    sink.between = lambda: None if stages.crosswalk.rows.get((flow_name, "Thing", "9")) else bind()

    def bind() -> None:
        stages.crosswalk.bind([other])

    stages.go(source(record(1, name="same")), sink)
    letter = stages.letters.kept["1"][0]
    assert ("is that of record 9" in letter.reason, letter.passing) == (True, True)
    assert {"9": "same"} == stages.crosswalk.resolve(flow_name, "Thing", ["1", "9"])


@pytest.mark.parametrize("from_first", [True, False])
def test_a_row_that_moves_between_records_of_a_part_is_not_lost(stages: Fixture, from_first: bool) -> None:
    sink, full = FakeSink(), record(1)["lines"]
    bare: dict[str, Any] = {}
    here, there = ("1", "2") if from_first else ("2", "1")
    stages.go(source(record(int(here), lines=full), record(int(there), lines=bare)), sink)
    records = sorted(
        [record(int(here), lines=bare), record(int(there), lines=full)], key=lambda each: int(each["id"])
    )
    assert {"extracted": 2, "updated": 2} == counts(stages.go(source(*records), sink))
    _holds(sink, stages, {here: set(), there: set(full)})
    assert {"extracted": 2, "unchanged": 2} == counts(stages.go(source(*records), sink))


def test_records_that_exchange_their_rows_are_refused_and_nothing_is_lost(stages: Fixture) -> None:
    sink, one, two = FakeSink(), record(1)["lines"], record(2)["lines"]
    stages.go(source(record(1), record(2)), sink)
    before = dict(sink.rows)
    summary = stages.go(source(record(1, lines=two), record(2, lines=one)), sink)
    assert ({"extracted": 2, "rejected": 2}, before) == (counts(summary), sink.rows)
    assert "is bound to record 2, which gives it up" in stages.letters.kept["1"][0].reason


def test_rows_are_written_anew_where_the_key_of_their_parent_changes(tmp_path: Path) -> None:
    stages = chain(tmp_path, root={"key": {"Name__c": "currency"}, "fields": {"Name": "name"}})
    sink = FakeSink(per_call=1)
    stages.go(source(record(1), record(2, currency="EUR")), sink)
    del sink.log[:]
    changed = source(record(1, currency="USD"), record(2, currency="EUR"))
    assert {"extracted": 2, "created": 1, "unchanged": 1} == counts(stages.go(changed, sink))
    (sent,) = sink.log
    assert (["Thing", "Line", "Line"], {None}, {"USD"}) == (
        [each.object for each in sent.changes],
        {each.target_id for each in sent.changes},
        {each.parent for each in sent.changes[1:]},
    )


def test_a_repeat_writes_the_rows_of_a_new_parent_that_a_crash_has_left_out(tmp_path: Path) -> None:
    class Halfway(FakeSink):
        def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
            for results in super().write(records):
                yield [each for each in results if each.object == "Thing"]
                raise Crash

    stages = chain(tmp_path, root={"key": {"Name__c": "currency"}, "fields": {"Name": "name"}})
    sink = FakeSink()
    stages.go(source(record(1)), sink)
    with pytest.raises(Crash):
        stages.go(source(record(1, currency="USD")), Halfway(rows=sink.rows), name="again")
    del sink.log[:]
    stages.go(source(record(1, currency="USD")), sink, name="again")
    assert ["Line", "Line"] == [each.object for sent in sink.log for each in sent.changes]


def _sent(stages: Fixture, sink: FakeSink, *records: dict[str, Any]) -> list[Change]:
    """What a first run of these records sends."""
    stages.go(source(*records), sink)
    return [change for each in sink.log for change in each.changes]


def test_a_repeat_of_another_run_counts_as_unchanged(stages: Fixture) -> None:
    sink = FakeSink(crash_after=2)
    with pytest.raises(Crash):
        stages.go(source(record(1), record(2), record(3)), sink, name="first")
    sink.crash_after = None
    summary = stages.go(source(record(1), record(2), record(3)), sink, name="second")
    assert {"extracted": 3, "unchanged": 2, "created": 1} == counts(summary)


def test_what_a_load_that_fails_for_good_has_written_is_in_the_history(stages: Fixture) -> None:
    with pytest.raises(Crash):
        stages.go(source(record(1), record(2), record(3)), FakeSink(crash_after=2))
    found = [[each.outcome for each in stages.events.of_record("bench", name)] for name in ("1", "2", "3")]
    assert [["created"], ["created"], []] == found
    (row,) = stages.ledger.runs("bench")
    assert ("failed", {"created": 2}) == (row.state, counts(row))


def test_a_row_that_was_there_before_the_first_sync_is_an_update(stages: Fixture) -> None:
    sink = FakeSink(rows={("Thing", "1"): "{}"})
    assert {"extracted": 2, "created": 1, "updated": 1} == counts(
        stages.go(source(record(1), record(2)), sink)
    )


def wanting(stages: Fixture, where: str) -> None:
    """Narrows the first object of the flow, and that one only."""
    narrow = {"Thing": stages.flow.objects["Thing"].model_copy(update={"where": where})}
    stages.flow = stages.flow.model_copy(update={"objects": {**stages.flow.objects, **narrow}})
    stages.version = f"where {where}"


def test_rows_of_records_that_are_not_wanted_are_not_written_either(stages: Fixture) -> None:
    wanting(stages, "id <> 1")
    sink = FakeSink()
    summary = stages.go(source(record(1), record(2)), sink)
    assert {"extracted": 2, "created": 1, "unchanged": 1} == counts(summary)
    assert sorted(record(2)["lines"]) == keys(sink, "Line")


def test_a_letter_is_closed_once_its_record_is_no_longer_wanted(stages: Fixture) -> None:
    odd = source(record(1, status="?"), record(2, status="?"))
    stages.go(odd, FakeSink())
    assert {"1", "2"} == set(stages.letters.kept)
    wanting(stages, "id <> 1")
    assert {"extracted": 2, "unchanged": 1, "rejected": 1} == counts(stages.go(odd, FakeSink()))
    assert {"2"} == set(stages.letters.kept)


# the gate


def test_records_of_two_parts_are_never_one_row(stages: Fixture) -> None:
    sink, thief = FakeSink(), record(201, lines=record(1)["lines"])
    summary = stages.go(source(*(record(number) for number in range(1, 201)), thief), sink)
    assert {"extracted": 201, "created": 199, "rejected": 2} == counts(summary)
    assert {"1", "201"} == set(stages.letters.kept)
    (letter, raw) = stages.letters.kept["201"]
    assert (Stage.GATE, "key: another row of this run has the same key") == (letter.stage, letter.reason)
    assert thief == json.loads(raw)


def rejections(*source_ids: str) -> list[Rejection]:
    return [
        Rejection(each, Stage.GATE, "Name is too long, got x", object="Thing", field="Name", value="x")
        for each in source_ids
    ]


def test_what_the_gate_refuses_is_not_loaded(stages: Fixture) -> None:
    stages.judge = PassingGate(*rejections("2", "2"))
    sink = FakeSink()
    summary = stages.go(source(record(1), record(2), record(3)), sink)
    assert ({"extracted": 3, "created": 2, "rejected": 1}, ["1", "3"]) == (counts(summary), keys(sink))
    letter, raw = stages.letters.kept["2"]
    assert (Stage.GATE, Decimal("1.1"), "GBP", record(2)) == (
        letter.stage,
        letter.amount,
        letter.currency,
        json.loads(raw),
    )
    assert pounds("1.1000") == summary.money["rejected"]


def test_above_its_threshold_the_gate_closes_and_nothing_is_written(tmp_path: Path) -> None:
    stages = chain(tmp_path, gate={"max_rejected": "10%", "min_records": 5, "min_rejected": 3})
    stages.judge = PassingGate(*rejections("2", "3"))
    sink = FakeSink()
    with pytest.raises(GateClosed) as caught:
        stages.go(source(record(1, status="?"), *(record(n) for n in range(2, 12))), sink)
    lines = str(caught.value).splitlines()
    assert "3 of 11 records failed, the flow allows 10%; nothing was loaded" == lines[0]
    assert "2 times: Name is too long" == lines[1]
    assert len(lines) <= 10
    assert ({}, {"1", "2", "3"}) == (sink.rows, set(stages.letters.kept))
    (entry,) = stages.ledger.entries
    assert ("gate closed", 11, None) == (
        entry.state,
        entry.counts.extracted,
        stages.ledger.watermark("bench"),
    )


@pytest.mark.parametrize(("failing", "closes"), [(0, False), (1, False), (2, True)])
def test_the_share_counts_rejected_records_once_and_parked_ones_not(
    tmp_path: Path, failing: int, closes: bool
) -> None:
    stages = chain(tmp_path, gate={"max_rejected": "5%", "min_records": 20, "min_rejected": 1})
    bad = [record(n, status="?") for n in range(100, 100 + failing)]
    parked = [record(n, party={"id": 9}) for n in range(200, 205)]
    good = [record(n) for n in range(1, 20 - failing - 5 + 1 + 5)]
    stages.judge = PassingGate(*rejections(*(["1"] * 3 if failing == 2 else [])))
    records = [*bad, *parked, *good]
    if closes:
        with pytest.raises(GateClosed):
            stages.go(source(*records), FakeSink())
    else:
        assert len(good) == stages.go(source(*records), FakeSink()).counts.created


def test_few_records_are_not_judged_by_their_share(tmp_path: Path) -> None:
    stages = chain(tmp_path, gate={"max_rejected": "0%", "min_records": 4})
    few = stages.go(source(record(1), record(2, status="?"), record(3, status="?")), FakeSink())
    assert 1 == few.counts.created
    with pytest.raises(GateClosed):
        stages.go(source(record(1), record(6, status="?"), record(4), record(5)), FakeSink())


def test_a_failure_of_the_batch_closes_the_gate(stages: Fixture) -> None:
    stages.judge = PassingGate(batch=["Thing: mean of Amount is 7"])
    with pytest.raises(
        GateClosed, match="the batch as a whole failed; nothing was loaded\nThing: mean of Amount is 7"
    ):
        stages.go(source(record(1)), FakeSink())


def test_a_gate_with_much_to_say_says_ten_lines(stages: Fixture) -> None:
    stages.judge = PassingGate(batch=[f"Thing: rule {n}" for n in range(30)])
    with pytest.raises(GateClosed) as caught:
        stages.go(source(record(1)), FakeSink())
    assert 9 <= len(caught.value.message.splitlines()) <= 10


# balance and watermark


@dataclass(frozen=True)
class Reported:
    """What the stages of a run reported that is still to be settled."""

    parts: Sequence[RawPart]
    mapped: Sequence[TransformReport]
    judged: GateReport
    loads: Sequence[LoadReport]

    def settle(self, stages: Fixture) -> RunSummary:
        return stages.settle(self.parts, self.mapped, self.judged, self.loads)

    def with_part(self, records: int) -> Reported:
        return replace(self, parts=[replace(self.parts[0], records=records)])

    def with_mapped(self, **changes: Any) -> Reported:
        return replace(self, mapped=[replace(self.mapped[0], **changes)])

    def with_load(self, **changes: Any) -> Reported:
        return replace(self, loads=[replace(self.loads[0], **changes)])


def reported(stages: Fixture) -> Reported:
    parts = stages.extract(source(record(1), record(2), record(3, status="?"))).parts
    mapped = [stages.transform(part) for part in parts]
    verdict = stages.evaluate(mapped)
    return Reported(parts, mapped, verdict, [stages.load(each, verdict, FakeSink()) for each in mapped])


TAMPERED: list[tuple[Callable[[Reported], Reported], str]] = [
    (
        lambda run: run.with_load(counts=Counts(created=1)),
        "3 records were staged, 3 mapped and 2 accounted for",
    ),
    (
        lambda run: run.with_load(counts=Counts(created=3)),
        "3 records were staged, 3 mapped and 4 accounted for",
    ),
    (lambda run: run.with_mapped(records=2), "3 records were staged, 2 mapped and 3 accounted for"),
    (lambda run: run.with_part(records=4), "4 records were staged, 3 mapped and 3 accounted for"),
    (lambda run: replace(run, parts=[*run.parts, *run.parts]), "6 records were staged, 3 mapped"),
    (lambda run: replace(run, loads=[]), "3 records were staged, 3 mapped and 1 accounted for"),
    (
        lambda run: run.with_load(loaded_money=pounds("2.1999")),
        "3.3000 GBP were extracted, 3.2999 GBP loaded",
    ),
    (
        lambda run: run.with_load(loaded_money={**pounds("2.2000"), "EUR": Decimal("0.01")}),
        "0 EUR were extracted, 0.01 EUR loaded",
    ),
    (
        lambda run: run.with_mapped(rejected_money={}),
        "3.3000 GBP were extracted, 2.2000 GBP loaded",
    ),
    (
        lambda run: run.with_mapped(extracted_money={**pounds("3.3000"), "JPY": Decimal(5)}),
        "5 JPY were extracted, 0 JPY loaded",
    ),
]


def test_a_run_that_does_not_add_up_fails_and_leaves_the_watermark(stages: Fixture) -> None:
    honest = reported(stages)
    for change, problem in TAMPERED:
        stages.ledger = MemoryLedger(name=stages.ledger.name, writes=stages.ledger.writes)
        with pytest.raises(OutOfBalance) as caught:
            change(honest).settle(stages)
        assert problem in str(caught.value)
        (entry,) = stages.ledger.entries
        assert ("out of balance", None) == (entry.state, stages.ledger.watermark("bench"))
        assert problem in entry.note
        assert ["3"] == list(stages.letters.kept)


def test_a_run_that_adds_up_moves_the_watermark_to_the_end_of_its_window(stages: Fixture) -> None:
    reported(stages).settle(stages)
    assert NOW - stages.flow.window.delay == stages.ledger.watermark("bench")


HOUR = timedelta(hours=1)
INTERVAL = Window(NOW - 5 * HOUR, NOW - 4 * HOUR)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(RunKind.SCHEDULED, INTERVAL), INTERVAL.end - timedelta(minutes=2)),
        (Request(RunKind.BACKFILL, INTERVAL), None),
        (Request(RunKind.MANUAL, ids=("1",)), None),
        (Request(RunKind.MANUAL, full_resync=True), None),
        (Request(RunKind.MANUAL, start=NOW - HOUR, end=NOW), None),
        (Request(RunKind.MANUAL), NOW - timedelta(minutes=2)),
    ],
)
def test_only_a_run_that_leaves_no_hole_moves_the_watermark(
    stages: Fixture, request_: Request, expected: datetime | None
) -> None:
    stages.go(source(record(1)), FakeSink(), request_)
    assert expected == stages.ledger.watermark("bench")


def test_a_summary_tells_what_a_person_asks(stages: Fixture) -> None:
    summary = stages.go(source(record(1), record(2, status="?"), record(3, status="!")), FakeSink())
    assert ("bench", "run 1", "manual", "v1") == (
        summary.flow, summary.run, summary.kind, summary.mapping_version,
    )  # fmt: skip
    assert Window(None, NOW - timedelta(minutes=2)) == summary.window
    assert ({"a": 1, "c": 1}, {"a": 1, "c": 1}) == (summary.calls.made, summary.calls.minimum)
    assert 2 == sum(count for _, count in summary.reasons)


# letters


def test_due_letters_are_read_again_by_runs_that_move_the_watermark(stages: Fixture) -> None:
    said = [(Rejection(name, Stage.TRANSFORM, "no"), b"{}") for name in ("8", "9")]
    stages.letters.keep("bench", "an older run", "v0", said)
    end = datetime(2026, 3, 1, tzinfo=UTC)
    asked = source()
    stages.extract(asked, now=end + stages.flow.window.delay)
    stages.extract(asked, Request(RunKind.MANUAL, ids=("1",)))
    stages.extract(asked, Request(RunKind.MANUAL, end=NOW))
    assert [("8", "9"), ("1",), ()] == [each.ids for each in asked.selections]
    assert [Window(None, end), None, Window(None, NOW)] == [each.window for each in asked.selections]


def test_a_letter_is_closed_when_its_record_goes_through(stages: Fixture) -> None:
    sink = FakeSink()
    stages.go(source(record(1, status="?"), record(2, party={"id": 9})), sink)
    assert {"1": None, "2": ("parties", "Party", "9")} == {
        name: letter.waits_for for name, (letter, _) in stages.letters.kept.items()
    }
    stages.crosswalk.bind([Binding("parties", "Party", "9", "9", "T9", "", "", "")])
    assert {"extracted": 2, "created": 2} == counts(
        stages.go(source(record(1), record(2, party={"id": 9})), sink)
    )
    assert {} == stages.letters.kept
    assert '"Party":"T9"' in sink.rows["Thing", "2"]


def test_a_letter_holds_the_record_as_it_came(stages: Fixture) -> None:
    raw = b'{"lines":{}, "id": 1,"status":"?",  "name":"\xc3\xbc \\u0000","amount":1.10}'
    stages.go(FakeSource([raw]), FakeSink())
    assert raw == stages.letters.kept["1"][1]


def test_a_record_the_target_refuses_is_a_letter_with_field_and_value(stages: Fixture) -> None:
    summary = stages.go(source(record(1), record(2)), FakeSink(refuse={("Line", "21"): "NO: bad sku"}))
    letter, _ = stages.letters.kept["2"]
    assert ("NO: bad sku", "Line", "21", "F", "v", Stage.LOAD) == (
        letter.reason, letter.object, letter.row, letter.field, letter.value, letter.stage,
    )  # fmt: skip
    assert {"extracted": 2, "created": 1, "rejected": 1} == counts(summary)


# constants

CONSTANTS = [record(900, name="constant é")]


@pytest.mark.parametrize(
    ("request_", "watermark", "expected"),
    [
        (Request(RunKind.MANUAL), None, ["constant é", "n1"]),
        (Request(RunKind.MANUAL, full_resync=True), NOW, ["constant é", "n1"]),
        (Request(RunKind.MANUAL), NOW - HOUR, ["n1"]),
        (Request(RunKind.MANUAL, ids=("1",)), NOW, ["n1"]),
    ],
)
def test_constants_are_read_with_the_first_sync_and_full_sweeps(
    tmp_path: Path, request_: Request, watermark: datetime | None, expected: list[str]
) -> None:
    stages = chain(tmp_path, constants=CONSTANTS)
    if watermark:
        stages.ledger.marks["bench"] = watermark
    parts = stages.extract(source(record(1)), request_, "the run").parts
    staging = stages.staging("the run")
    lines = [line for part in parts for line in staging.read_lines(part)]
    assert expected == [json.loads(line)["name"] for line in lines]
