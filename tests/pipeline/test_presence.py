"""A column that every record had, and none has any more, is a warning of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.window import Request, RunKind
from tests.fakes import FakeSink
from tests.pipeline.test_stages import Fixture, chain, record, source


@pytest.fixture
def stages(tmp_path: Path) -> Fixture:
    return chain(tmp_path)


def without(name: str, *numbers: int) -> list[dict[str, Any]]:
    return [{key: value for key, value in record(each).items() if key != name} for each in numbers]


def test_a_column_that_vanishes_is_named_once_a_day(stages: Fixture) -> None:
    first = stages.go(source(*(record(each) for each in range(1, 41))), FakeSink())
    assert () == first.warnings
    few = stages.go(source(*without("name", 50, 51)), FakeSink())
    assert () == few.warnings
    gone = stages.go(source(*without("name", *range(1, 21))), FakeSink())
    (warning,) = gone.warnings
    assert "Thing.Name: none of 20 records of " in warning
    assert "has name, which was there before: check the source" in warning
    again = stages.go(source(*without("name", *range(1, 21))), FakeSink())
    assert () == again.warnings


def test_records_that_somebody_names_say_nothing_of_the_source(stages: Fixture) -> None:
    stages.go(source(*(record(each) for each in range(1, 41))), FakeSink())
    named = Request(RunKind.MANUAL, ids=tuple(str(each) for each in range(1, 21)))
    assert () == stages.go(source(*without("name", *range(1, 21))), FakeSink(), named).warnings
