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
FEW = settings().max_examples // 25


@cache
def records(name: str) -> list[dict[str, Any]]:
    """The records of a flow's golden data that are mapped, none of them twice."""
    found = [case(path) for path in CASES if path.parent.name == name and "rows" in case(path)]
    return list({json.dumps(each["record"], sort_keys=True): each["record"] for each in found}.values())


@pytest.mark.parametrize("name", FLOWS)
@settings(max_examples=FEW)
@given(odd=st.lists(st.tuples(MASKS, VALUES), min_size=1, max_size=8))
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
    # one that is altered in nothing but values that the flow does not read is a twin of the good one
    rejected = {place for place, _ in result.rejections}
    alone = not any(_same_key(each, good[0]) or _same_key(each, good[-1]) for each in lines[1:-1])
    if alone and good[0] != good[-1]:
        assert not rejected & {0, len(lines) - 1}


def _same_key(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two records may get the same key of a row, at any depth."""
    return bool(set(_leaves(one)) & set(_leaves(other)) - {"None", "True", "False", ""})


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in (str(key), *_leaves(each))]
    if isinstance(value, list):
        return [text for each in value for text in _leaves(each)]
    return [str(value)]
