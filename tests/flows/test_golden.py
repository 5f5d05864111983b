"""Every field of every row that the shipped mappings make, against data that was read by a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.golden import CASES, MAPPINGS, case, made_again


@pytest.mark.parametrize("path", CASES, ids=str)
def test_a_record_becomes_the_rows_it_should(path: Path) -> None:
    assert case(path) == made_again(path)


def test_every_shipped_flow_has_golden_data() -> None:
    assert {path.stem for path in MAPPINGS.glob("*.yaml")} <= {path.parent.name for path in CASES}
