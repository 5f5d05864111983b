from __future__ import annotations

import duckdb
import pytest

from airflow_provider_brightpearl.core.schema import (
    Column,
    ListOf,
    MapOf,
    Path,
    Schema,
    UnknownColumn,
    find,
    inexact,
    leaves,
    prune,
    sql_type,
)
from airflow_provider_brightpearl.systems.brightpearl.streams.table import STREAMS

LINE: Schema = {"sku": "VARCHAR", "net": {"value": "DECIMAL(18,4)"}}
SCHEMA: Schema = {
    "id": "BIGINT",
    "party": {"city": "VARCHAR", "place": {"lat": "DECIMAL(9,6)"}},
    "lines": MapOf(LINE),
    "tags": ListOf({"name": "VARCHAR"}),
    "more": "JSON",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("id",), "BIGINT"),
        (("party", "place", "lat"), "DECIMAL(9,6)"),
        (("party", "place"), {"lat": "DECIMAL(9,6)"}),
        (("lines",), MapOf(LINE)),
        ((), SCHEMA),
    ],
)
def test_a_path_leads_to_its_column(path: Path, expected: Column) -> None:
    assert expected == find(SCHEMA, path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("partty",), "unknown column partty; did you mean party? Known: id, party, lines, tags, more"),
        (("party", "cty"), "unknown column cty in party; did you mean city? Known: city, place"),
        (("party", "zzz"), "unknown column zzz in party. Known: city, place"),
        (("id", "x"), "id is a single BIGINT and has nothing below it"),
        (
            ("lines", "sku"),
            "lines holds many rows; use it as rows: of an object, or in sum_rows(lines, row....)",
        ),
        (
            ("tags", "name"),
            "tags holds many rows; use it as rows: of an object, or in sum_rows(tags, row....)",
        ),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there(path: Path, expected: str) -> None:
    with pytest.raises(UnknownColumn) as caught:
        find(SCHEMA, path)
    assert expected == caught.value.args[0]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], {}),
        ([("id",)], {"id": "BIGINT"}),
        ([("party", "city")], {"party": {"city": "VARCHAR"}}),
        ([("party",)], {"party": SCHEMA["party"]}),
        ([("party", "city"), ("party",)], {"party": SCHEMA["party"]}),
        ([("lines", "row", "sku")], {"lines": MapOf({"sku": "VARCHAR"})}),
        ([("lines", "row", "net"), ("lines", "row", "sku")], {"lines": MapOf(LINE)}),
        ([("lines",)], {"lines": MapOf(LINE)}),
        ([("lines", "row")], {"lines": MapOf(LINE)}),
        ([("tags", "row", "name"), ("id",)], {"id": "BIGINT", "tags": ListOf({"name": "VARCHAR"})}),
    ],
)
def test_a_pruned_schema_holds_what_is_used(paths: list[Path], expected: Schema) -> None:
    assert expected == prune(SCHEMA, paths)


def test_leaves_are_the_single_values_outside_rows() -> None:
    assert [
        (("id",), "BIGINT"),
        (("party", "city"), "VARCHAR"),
        (("party", "place", "lat"), "DECIMAL(9,6)"),
        (("more",), "JSON"),
    ] == list(leaves(SCHEMA))


@pytest.mark.parametrize(
    ("name", "typed", "raw"),
    [
        ("id", "BIGINT", "VARCHAR"),
        ("more", "JSON", "JSON"),
        ("party", 'STRUCT("city" VARCHAR, "place" STRUCT("lat" DECIMAL(9,6)))',
         'STRUCT("city" VARCHAR, "place" STRUCT("lat" VARCHAR))'),
        ("lines", 'MAP(VARCHAR, STRUCT("sku" VARCHAR, "net" STRUCT("value" DECIMAL(18,4))))',
         'MAP(VARCHAR, STRUCT("sku" VARCHAR, "net" STRUCT("value" VARCHAR)))'),
        ("tags", 'STRUCT("name" VARCHAR)[]', 'STRUCT("name" VARCHAR)[]'),
    ],
)  # fmt: skip
def test_columns_have_a_type_in_the_database(name: str, typed: str, raw: str) -> None:
    assert (typed, raw) == (sql_type(SCHEMA[name], raw=False), sql_type(SCHEMA[name], raw=True))


@pytest.mark.parametrize(
    ("name", "expected"), [("id", False), ("more", True), ("party", True), ("lines", True), ("tags", False)]
)
def test_numbers_with_a_point_stand_in_decimals_and_json(name: str, expected: bool) -> None:
    assert expected == inexact(SCHEMA[name])


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_every_streams_columns_are_known_to_the_database(name: str) -> None:
    schema = STREAMS[name].schema
    columns = ", ".join(f'"{column}" {sql_type(kind, raw=False)}' for column, kind in schema.columns.items())
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({columns})")
    assert isinstance(find(schema.columns, tuple(schema.id_column.split("."))), str)
