"""A stage reads only what an earlier stage of the same run has left, as it left it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import Misconfigured, RunChanged
from airflow_provider_brightpearl.runtime.run import LOOKUPS
from tests.chain import Chain
from tests.fakes import FakeSink, FakeSource, MemoryLedger
from tests.mapping.bench import SCHEMA, flow, lookup

RECORD: dict[str, Any] = {"id": 1, "name": "n", "status": "a"}


@pytest.fixture
def stages(tmp_path: Path) -> Chain:
    spec = flow({"Status": "lookup('status', status)"})
    return Chain(spec, SCHEMA, tmp_path, tables={"status": lookup({"a": "A"})})


def staged(stages: Chain, name: str) -> Path:
    (found,) = stages.folder.rglob(name)
    return found


@pytest.mark.parametrize("name", [LOOKUPS, "00000.jsonl"])
def test_what_extract_left_cannot_be_edited(stages: Chain, name: str) -> None:
    (part,) = stages.extract(FakeSource([json.dumps(RECORD).encode()])).parts
    file = staged(stages, name)
    file.write_text(file.read_text().replace("a", "b"))
    with pytest.raises(RunChanged, match=f"{name} is not the one that was written.*clear the run from"):
        stages.transform(part)


def test_what_is_missing_says_what_to_clear(stages: Chain) -> None:
    (part,) = stages.extract(FakeSource([json.dumps(RECORD).encode()])).parts
    staged(stages, LOOKUPS).unlink()
    with pytest.raises(RunChanged, match=f"{LOOKUPS} does not exist.*clear the run from its task extract on"):
        stages.transform(part)


def test_another_state_database_is_refused_by_every_stage(stages: Chain) -> None:
    (part,) = stages.extract(FakeSource([json.dumps(RECORD).encode()])).parts
    mapped = stages.transform(part)
    judged = stages.evaluate([mapped])
    loaded = stages.load(mapped, judged, FakeSink())
    stages.ledger = MemoryLedger()
    later: list[Callable[[], object]] = [
        lambda: stages.transform(part),
        lambda: stages.evaluate([mapped]),
        lambda: stages.load(mapped, judged, FakeSink()),
        lambda: stages.settle([part], [mapped], judged, [loaded]),
    ]
    for stage in later:
        with pytest.raises(RunChanged, match="not the one that this run began with"):
            stage()
    assert stages.ledger.watermark(stages.flow.flow) is None


def test_an_older_copy_of_the_state_database_is_refused_by_every_stage(stages: Chain) -> None:
    assert isinstance(stages.ledger, MemoryLedger)
    (part,) = stages.extract(FakeSource([json.dumps(RECORD).encode()])).parts
    mapped = stages.transform(part)
    judged = stages.evaluate([mapped])
    loaded = stages.load(mapped, judged, FakeSink())
    stages.ledger.writes -= 1
    with pytest.raises(RunChanged, match="older copy of the one that this run began with"):
        stages.settle([part], [mapped], judged, [loaded])
    # also when it is tried again
    with pytest.raises(RunChanged, match="older copy"):
        stages.settle([part], [mapped], judged, [loaded])
    stages.ledger.writes = -1
    for stage in (lambda: stages.transform(part), lambda: stages.evaluate([mapped])):
        with pytest.raises(RunChanged, match="older copy"):
            stage()


def test_a_run_does_not_begin_on_an_older_copy_than_earlier_runs_have_seen(stages: Chain) -> None:
    assert isinstance(stages.ledger, MemoryLedger)
    stages.go(FakeSource([json.dumps(RECORD).encode()]), FakeSink())
    stages.ledger.writes -= 1
    with pytest.raises(Misconfigured, match="an older copy: runs have written to it 1 times more"):
        stages.go(FakeSource([]), FakeSink())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"writes": null}', "\x00"])
def test_a_mark_that_cannot_be_read_stops_nothing(
    stages: Chain, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    stages.go(FakeSource([json.dumps(RECORD).encode()]), FakeSink())
    staged(stages, "state-*.json").write_text(text)
    stages.go(FakeSource([]), FakeSink())
    assert "an older copy of the state database is not noticed" in caplog.text
