"""Lookups and texts over the rows inside a record, and lookups that warn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.schema import ListOf, StreamSchema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.mapped import MapResult, read_mapped
from tests.fakes import NothingBound

SCHEMA = StreamSchema(
    "id",
    {
        "id": "BIGINT",
        "place": "VARCHAR",
        "shelves": ListOf({"house": "BIGINT", "count": "DECIMAL(18,4)"}),
        "notes": "JSON",
    },
)
HOUSES = {"1": "yes", "2": "no", "3": None}
SUM = "sum_rows(shelves, CASE WHEN lookup('house', row.house) = 'yes' THEN row.count ELSE 0 END)"


def mapped(
    folder: Path, expression: str, record: dict[str, Any], table: LookupTable
) -> tuple[Any, MapResult]:
    flow = FlowSpec(
        flow="f",
        source="s.t",
        target="t",
        lookups={"house": {"file": "x.csv"}},
        objects={"Thing": {"key": {"K": "id"}, "fields": {"F": expression}}},
    )
    raw = folder / "raw.jsonl"
    raw.write_text(json.dumps({"id": 1, **record}) + "\n")
    with Mapper(flow, SCHEMA, {"house": table}, NothingBound(), [folder]) as mapper:
        result = mapper.map_part(raw, folder)
    rows = read_mapped(folder / "Thing.parquet")
    return (json.loads(rows[0].payload, parse_float=str)["F"] if rows else None), result


def shelves(*pairs: tuple[int, int]) -> dict[str, Any]:
    return {"shelves": [{"house": house, "count": count} for house, count in pairs]}


def test_rows_are_looked_up_one_by_one(tmp_path: Path) -> None:
    value, result = mapped(tmp_path, SUM, shelves((1, 5), (2, 7), (1, 3), (3, 1)), LookupTable(HOUSES))
    assert ("8.0000", ()) == (value, result.rejections)


def test_a_key_of_a_row_that_is_unknown_rejects_the_record_and_is_named(tmp_path: Path) -> None:
    _, result = mapped(tmp_path, SUM, shelves((1, 5), (9, 7), (8, 1), (9, 2)), LookupTable(HOUSES))
    ((_, rejection),) = result.rejections
    assert "F: '8, 9' is not in lookup house" == rejection.reason


def test_or_warns_and_counts_nothing(tmp_path: Path) -> None:
    value, result = mapped(tmp_path, SUM, shelves((1, 5), (9, 7)), LookupTable(HOUSES, "warn"))
    assert ("5.0000", (), {"Thing.F: 9 is not in lookup house": 1}) == (
        value, result.rejections, dict(result.warnings),
    )  # fmt: skip


def test_a_row_that_its_condition_leaves_out_for_an_unknown_key_is_warned_of(tmp_path: Path) -> None:
    thing = {"key": {"K": "id"}, "fields": {}}
    shelf = {
        "rows": "shelves", "where": "lookup('house', row.house) = 'yes'", "key": {"K": "concat_ws('|', id, row_id)"},
        "fields": {"N": "lookup('house', row.house)"},
    }  # fmt: skip
    flow = FlowSpec(
        flow="f", source="s.t", target="t", lookups={"house": {"file": "x.csv"}},
        objects={"Thing": thing, "Shelf": shelf},
    )  # fmt: skip
    raw = tmp_path / "raw.jsonl"
    raw.write_text(
        "\n".join(json.dumps({"id": n, **shelves((1, 5), (2, 1), (9, 7))}) for n in range(3)) + "\n"
    )
    with Mapper(flow, SCHEMA, {"house": LookupTable(HOUSES, "warn")}, NothingBound(), [tmp_path]) as mapper:
        result = mapper.map_part(raw, tmp_path)
    assert (3, ()) == (result.rows["Shelf"], result.rejections)
    assert {"Shelf.where: 9 is not in lookup house": 3} == dict(result.warnings)


def test_a_lookup_of_the_record_itself_may_warn_too(tmp_path: Path) -> None:
    value, result = mapped(tmp_path, "lookup('house', place)", {"place": "9"}, LookupTable(HOUSES, "warn"))
    assert (None, {"Thing.F: 9 is not in lookup house": 1}) == (value, dict(result.warnings))


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (LookupTable(HOUSES, "empty"), "yes"),
        (LookupTable(HOUSES, "keep"), "yes;9"),
        (LookupTable(HOUSES, "default", "it's another"), "yes;it's another"),
    ],
)
def test_the_other_policies_hold_for_rows_as_well(tmp_path: Path, table: LookupTable, expected: str) -> None:
    expression = "join_rows(shelves, lookup('house', row.house), ';')"
    value, result = mapped(tmp_path, expression, shelves((1, 1), (9, 1)), table)
    assert (expected, ()) == (value, result.rejections)


def test_texts_of_rows_are_joined_and_empty_ones_left_out(tmp_path: Path) -> None:
    expression = "join_rows(shelves, CASE WHEN row.count > 1 THEN row.house || ': ' || row.count END, ', ')"
    value, _ = mapped(tmp_path, expression, shelves((1, 5), (2, 1), (3, 2)), LookupTable(HOUSES))
    assert "1: 5.0000, 3: 2.0000" == value


def test_an_entry_of_a_map_kept_as_json_is_read_by_key(tmp_path: Path) -> None:
    expression = "concat_ws('/', entry(notes, place, 'a'), entry(notes, 'x', 'a'))"
    record = {"place": "7", "notes": {"7": {"a": "seven"}}}
    value, _ = mapped(tmp_path, expression, record, LookupTable(HOUSES))
    assert "seven" == value


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum_rows(shelves, lookup('hose', row.house))", "unknown lookup 'hose'"),
        ("sum_rows(shelves, ref('f.Thing', row.house))", "ref cannot be used inside"),
        ("join_rows(shelves, row.house)", "use join_rows"),
        ("join_rows(place, row.house, ',')", "is neither"),
    ],
)
def test_what_cannot_be_is_said_when_the_flow_is_loaded(
    tmp_path: Path, expression: str, problem: str
) -> None:
    with pytest.raises(Misconfigured, match=problem):
        mapped(tmp_path, expression, {}, LookupTable(HOUSES))
