"""Places that flows of both directions claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.disjoint import disjoint_problems
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec

OUT = """
flow: out
source: brightpearl.availability
target: infor
lookups: {place: {file: out.csv, key: here, value: there}}
objects: {Count: {key: {id: id}, fields: {}}}
"""
BACK = """
flow: back
source: infor.stock
target: brightpearl
lookups: {place: {file: back.csv, key: there, value: here}}
disjoint_lookups: {place: out.place}
objects: {Count: {key: {id: id}, fields: {}}}
"""


def texts(folder: Path, out: str, back: str, *flows: FlowSpec) -> list[str]:
    (folder / "out.csv").write_text(f"here,there\n{out}")
    (folder / "back.csv").write_text(f"there,here\n{back}")
    both = flows or (flow(OUT), flow(BACK))
    found = list(disjoint_problems(both, folder))
    assert not [each for each in found if each.flows != {"out", "back"}]
    return [each.text for each in found]


def flow(text: str) -> FlowSpec:
    return parse_flow(text, "test.yaml")


@pytest.mark.parametrize("back", ["A,\nB,2\n", "C,3\n", "A,\n"])
def test_places_of_one_side_each_are_fine(tmp_path: Path, back: str) -> None:
    assert [] == texts(tmp_path, "1,A\n2,\n", back)


@pytest.mark.parametrize(
    ("back", "claim"), [("A,1\n", "A and 1"), ("B,1\n", "B and 1"), ("A,7\n", "A and 7")]
)
def test_a_place_of_both_is_named_by_both(tmp_path: Path, back: str, claim: str) -> None:
    [text] = texts(tmp_path, "1,A\n2,\n", back)
    assert text.startswith(
        f"back.yaml: disjoint_lookups.place: {claim}, a line of back.csv, are claimed by out.yaml"
    )
    assert "by 1 and A, a line of out.csv" in text


def test_a_flow_that_is_not_there_claims_nothing(tmp_path: Path) -> None:
    assert [] == texts(tmp_path, "1,A\n", "A,1\n", flow(BACK))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("out.palce", "out.yaml has no lookup palce; did you mean place?"),
        ("back.place", "back is not a flow of the other direction"),
    ],
)
def test_what_cannot_be_compared_is_a_problem(tmp_path: Path, change: str, reason: str) -> None:
    (tmp_path / "out.csv").write_text("here,there\n")
    (tmp_path / "back.csv").write_text("there,here\n")
    back = flow(BACK.replace("out.place", change))
    [problem] = disjoint_problems([flow(OUT), back], tmp_path)
    assert f"back.yaml: disjoint_lookups.place: {reason}" == problem.text


def test_a_file_that_cannot_be_read_stops_both(tmp_path: Path) -> None:
    [text] = texts(tmp_path, "1,A\n1,B\n", "A,1\n")
    assert "cannot be compared: out.yaml: lookups.place: out.csv, line 3: duplicate key '1'" in text


def test_a_lookup_of_this_flow_has_to_be_there() -> None:
    with pytest.raises(Misconfigured, match=r"disjoint_lookups\.place: is not among lookups:"):
        flow(BACK.replace("{place: {file", "{other: {file"))
