"""Odd records in a part of good ones: the good ones are mapped, each odd one is a letter under its own id."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.flow.load import load_flow
from tests.flows.golden import CASES, MAPPINGS, case, map_records
from tests.odd.odd import MASKS, VALUES, altered

FLOWS = sorted({path.parent.name for path in CASES})
# a mapping is opened for each
FEW = settings().max_examples // 33
TWINS = "another row of this run has the same key"


@cache
def records(name: str) -> list[dict[str, Any]]:
    """The records of a flow's golden data that are mapped, none of them twice."""
    found = [case(path) for path in CASES if path.parent.name == name and "rows" in case(path)]
    return list({json.dumps(each["record"], sort_keys=True): each["record"] for each in found}.values())


def test_a_long_text_where_a_part_is_expected_is_one_letter(tmp_path: Path) -> None:
    """DuckDB's message about it is cut inside a character."""
    for length in (299, 300):
        odd = {**records("shipments_to_infor")[0], "id": "7", "lines": "x" * (length % 2) + "ß" * length}
        flow = load_flow(MAPPINGS / "shipments_to_infor.yaml")
        result = map_records(flow, [records("shipments_to_infor")[0], odd], {}, tmp_path)
        assert [(1, "7")] == [(place, each.source_id) for place, each in result.rejections]


@pytest.mark.parametrize("name", FLOWS)
@settings(max_examples=FEW)
@given(odd=st.lists(st.tuples(MASKS, VALUES), min_size=1, max_size=12))
def test_good_records_pass_beside_odd_ones(name: str, odd: list[tuple[int, Any]]) -> None:
    good = records(name)
    bad = [altered(good[seed % len(good)], seed, value) for seed, value in odd]
    lines = [good[0], *(each for each in bad if isinstance(each, dict)), good[-1]]
    flow = load_flow(MAPPINGS / f"{name}.yaml")
    with TemporaryDirectory() as work:
        result = map_records(flow, lines, {}, Path(work))
    assert len(lines) == result.records
    for _, rejection in result.rejections:
        assert rejection.source_id
        assert rejection.reason
        assert "\n" not in rejection.reason
    # two of one key are both refused, since neither is known to be the right one; nothing is bound, so some wait
    rejected = {place: why.reason for place, why in result.rejections if not why.waits_for}
    assert all(TWINS in rejected[place] for place in (0, len(lines) - 1) if place in rejected)
