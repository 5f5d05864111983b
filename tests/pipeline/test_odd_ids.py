"""Ids that the state database cannot keep: such a record is a letter, and the others go through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.source import Read
from airflow_provider_brightpearl.core.raw import kept_id
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from tests.chain import Chain
from tests.fakes import FakeSink, FakeSource
from tests.mapping.bench import SCHEMA, flow

FLOW = flow({"Name": "name"})


class Naming(FakeSource):
    """A source with one record under an id of its own."""

    def __init__(self, odd: str) -> None:
        super().__init__([json.dumps({"id": 1, "name": "A"}).encode()])
        self.odd = odd

    def _pairs(self) -> Iterator[Read]:
        yield self.odd, b'{"id": 2, "name": "B"}'
        yield from super()._pairs()


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ("x" * 6000, "the id has 6000 characters, and can have 400"),
        ("a\x00b", "has a NUL character"),
        ("a\ud800b", "half of a surrogate pair"),
    ],
    ids=["long", "NUL", "surrogate"],
)
def test_a_record_whose_id_cannot_be_kept_is_a_letter(
    engine: Engine, tmp_path: Path, odd: str, reason: str
) -> None:
    letters, events = SqlDeadLetters(engine), SqlRecordEvents(engine)
    chain = Chain(
        FLOW, SCHEMA, tmp_path, crosswalk=SqlCrosswalk(engine), letters=letters, events=events
    )  # fmt: skip
    counts = chain.go(Naming(odd), FakeSink()).counts
    assert (2, 1, 1) == (counts.extracted, counts.created, counts.rejected)
    kept = kept_id(odd)
    assert {kept} == letters.waiting(FLOW.flow, [kept, "1", "2"])
    [(told, _)] = letters.top_reasons(FLOW.flow)
    assert reason in told
    assert ["rejected"] == [each.outcome for each in events.of_record(FLOW.flow, kept)]


def test_ids_that_begin_alike_are_kept_apart() -> None:
    assert "7" == kept_id("7")
    assert 2 == len({kept_id("x" * 5000), kept_id("x" * 5001)})
