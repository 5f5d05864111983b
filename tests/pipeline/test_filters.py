"""Dead letters of records that the filters of their flow leave out by now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.ports.source import NarrowsByFilters, Read, Unread
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.core.window import Request, RunKind, Selection
from tests.chain import Chain
from tests.fakes import FakeSink, FakeSource, MemoryLetters
from tests.mapping.bench import SCHEMA, flow


class Narrowed(FakeSource):
    """A source whose search finds some of its records; ``foreign`` ones are of another kind."""

    def __init__(self, ids: Iterable[int], found: Iterable[str], foreign: Iterable[str] = ()) -> None:
        super().__init__(json.dumps({"id": number, "name": "n"}).encode() for number in ids)
        self.found, self.foreign = set(found), set(foreign)
        self.asked: list[str] = []

    def read(self, selection: Selection) -> Iterator[Read]:
        yield from (pair for pair in super().read(selection) if pair[0] in self.found)

    def read_ids(self, ids: Sequence[str]) -> Iterator[Read]:
        for source_id, record in super().read_ids(ids):
            other = Unread("another kind", foreign=True)
            yield source_id, other if source_id in self.foreign else record

    def matching(self, ids: Sequence[str]) -> set[str]:
        self.asked += ids
        return self.found & set(ids)


NARROWS: type[NarrowsByFilters] = Narrowed


@pytest.fixture
def stages(tmp_path: Path) -> Chain:
    return Chain(flow({"Name": "name"}, filters={"brandId": "7"}), SCHEMA, tmp_path)


def keep(stages: Chain, *ids: str) -> None:
    letters = [(Rejection(source_id, Stage.LOAD, "refused"), b"{}") for source_id in ids]
    stages.letters.keep("bench", "before", "another version", letters)


def test_a_record_outside_of_the_filters_is_not_synced_and_its_letter_is_closed(stages: Chain) -> None:
    keep(stages, "1", "2", "3", "9")
    sink = FakeSink()
    summary = stages.go(Narrowed([1, 2, 3], found=["1"], foreign=["3"]), sink)
    assert {("Thing", "1")} == set(sink.rows)
    # what does not exist is missing, whatever the filters
    assert (2, 1, 1) == (summary.counts.extracted, summary.counts.created, summary.counts.rejected)
    assert {"9"} == stages.letters.waiting("bench", ["1", "2", "3", "9"])


def test_what_another_run_has_kept_since_is_not_closed(stages: Chain) -> None:
    class Overtaken(Narrowed):
        def matching(self, ids: Sequence[str]) -> set[str]:
            keep(stages, "2")
            return super().matching(ids)

    stages.letters = MemoryLetters(now=lambda: stages.now + timedelta(minutes=1))
    keep(stages, "2")
    stages.go(Overtaken([1, 2], found=["1"]), FakeSink())
    assert {"2"} == stages.letters.waiting("bench", ["2"])


def test_records_that_a_person_names_are_read_whatever_the_filters(stages: Chain) -> None:
    sink, source = FakeSink(), Narrowed([1, 2], found=["1"])
    stages.go(source, sink, Request(RunKind.MANUAL, ids=("2",)))
    assert ({("Thing", "2")}, []) == (set(sink.rows), source.asked)


def test_without_filters_or_letters_nothing_is_asked(stages: Chain, tmp_path: Path) -> None:
    source = Narrowed([1, 2], found=["1"])
    stages.go(source, FakeSink())
    plain = Chain(flow({"Name": "name"}), SCHEMA, tmp_path, letters=MemoryLetters())
    keep(plain, "2")
    plain.go(source, FakeSink())
    assert [] == source.asked
