"""The CSV of bulk jobs, whatever the limit of the process on the length of a cell."""

from __future__ import annotations

import csv

import pytest

from airflow_provider_brightpearl.sandbox.salesforce.csv_format import Dialect

LONG = "x" * 200_000


@pytest.fixture
def usual_limit() -> object:
    before = csv.field_size_limit(131_072)
    yield before
    csv.field_size_limit(before)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end"])
def test_long_cells_among_usual_ones(usual_limit: object, end: str, last: str) -> None:
    lines = ["a,b", '"say ""hi"", you","two' + end + 'lines"', "", f'1,"{LONG}"', ",", f"{LONG},2", '"",""']
    text = end.join(lines) + (end if last == "end" else "")
    rows = list(Dialect().rows(text))
    assert rows == [
        ["a", "b"],
        ['say "hi", you', f"two{end}lines"],
        ["1", LONG],
        ["", ""],
        [LONG, "2"],
        ["", ""],
    ]
    assert csv.field_size_limit() == 131_072


def test_another_delimiter(usual_limit: object) -> None:
    rows = list(Dialect(delimiter="PIPE").rows(f"a|b\n{LONG}|1,5\n"))
    assert rows == [["a", "b"], [LONG, "1,5"]]
