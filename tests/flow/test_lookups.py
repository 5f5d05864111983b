from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.lookups import load_lookups, lookup_digests
from airflow_provider_brightpearl.flow.spec import FlowSpec
from tests.mapping.bench import flow, lookup, run


def looking_up(**spec: Any) -> FlowSpec:
    return flow({"Name": "lookup('status', status)"}, lookups={"status": spec})


def read(folder: Path, content: str | bytes, **spec: Any) -> dict[str, str | None]:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "status.csv").write_bytes(data)
    return dict(load_lookups(looking_up(file="status.csv", **spec), folder)["status"].values)


def refusal(folder: Path, content: str | bytes, **spec: Any) -> str:
    with pytest.raises(Misconfigured) as caught:
        read(folder, content, **spec)
    return str(caught.value)


def test_a_file_gives_values_by_key(tmp_path: Path) -> None:
    text = '\ufeffkey,value,note\nNew,Draft,x\n "Ready, set" ,Go\n"Ready, set",Go,\nEmpty,\n"Zoë ☃"," Æ "\n'
    assert {"New": "Draft", '"Ready': 'set"', "Ready, set": "Go", "Empty": None, "Zoë ☃": "Æ"} == read(
        tmp_path, text
    )


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    assert {"1": "a"} == read(tmp_path, "id,name\r\n1,a\r\n", key="id", value="name")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("key,value\na,1\nb,2\na,3\n", "status.csv, line 4: duplicate key 'a'"),
        ("key,value\na,1\n a ,1\n", "status.csv, line 3: duplicate key 'a'"),
        ("key,val\na,1\n", "status.csv: no column 'value'; columns there: key, val"),
        ("key;value\na;1\n", "status.csv: no column 'key'; columns there: key;value"),
        ("", "status.csv: no column 'key'; columns there: none"),
        ("key,value\ncaf\xe9,1\n".encode("latin-1"), "status.csv is not UTF-8; save it as CSV UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert f"bench.yaml: lookups.status: {expected}" == refusal(tmp_path, content)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"lookups.status: gone.csv cannot be read: No such file"):
        load_lookups(looking_up(file="gone.csv"), tmp_path)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "give either file or query"),
        ({"file": "a.csv", "query": "SELECT 1"}, "give either file or query"),
        ({"file": "status.csv", "unknown": "default"}, "unknown: default needs a default"),
    ],
)
def test_a_lookup_has_one_origin_and_its_default(tmp_path: Path, spec: dict[str, str], expected: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_lookups(looking_up(**spec), tmp_path)
    assert f"bench.yaml: lookups.status: {expected}" == str(caught.value)


QUERY = {"query": "SELECT Id, Name FROM Book", "key": "Name", "value": "Id"}


def asked(rows: list[dict[str, Any]]) -> dict[str, str | None]:
    return dict(load_lookups(looking_up(**QUERY), Path(), lambda soql: rows)["status"].values)


def test_a_query_gives_values_by_key() -> None:
    rows: list[dict[str, Any]] = [
        {"Name": "A", "Id": "1"},
        {"Name": "B", "Id": None},
        {"Name": None, "Id": "3"},
        {"Name": 4, "Id": 5},
    ]
    assert {"A": "1", "B": None, "4": "5"} == asked(rows)


def test_the_query_is_the_flows() -> None:
    asked_for: list[str] = []

    def query(soql: str) -> list[dict[str, Any]]:
        asked_for.append(soql)
        return []

    load_lookups(looking_up(**QUERY), Path(), query)
    assert [QUERY["query"]] == asked_for


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"Nam": "A", "Id": "1"}], "the query returns no 'Name'; it returns: Nam, Id"),
        ([{"Name": "A", "Id": "1"}, {"Name": "A", "Id": "2"}], "the query returns two values for key 'A'"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(rows: list[dict[str, Any]], expected: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        asked(rows)
    assert f"bench.yaml: lookups.status: {expected}" == str(caught.value)


def test_without_a_query_the_targets_tables_are_empty() -> None:
    assert {} == load_lookups(looking_up(**QUERY), Path())["status"].values


def test_a_changed_file_has_another_digest(tmp_path: Path) -> None:
    spec = looking_up(file="status.csv")
    read(tmp_path, "key,value\na,1\n")
    before = lookup_digests(spec, tmp_path)
    read(tmp_path, "key,value\na,2\n")
    assert (["status"], True) == (list(before), before != lookup_digests(spec, tmp_path))


@pytest.mark.parametrize(
    ("unknown", "default", "expected"),
    [
        ("reject", None, {"1": "A", "3": None, "4": None}),
        ("empty", None, {"1": "A", "2": None, "3": None, "4": None}),
        ("keep", None, {"1": "A", "2": "nope", "3": None, "4": None}),
        ("default", "it's", {"1": "A", "2": "it's", "3": "it's", "4": None}),
    ],
)
@pytest.mark.parametrize(
    "expression",
    ["lookup('status', status)", "join_rows(tags, lookup('status', row.name), ',')"],
    ids=["joined", "in rows"],
)
def test_a_key_that_is_not_in_the_table_meets_the_lookups_policy(
    unknown: str, default: str | None, expected: dict[str, str | None], expression: str
) -> None:
    statuses = {1: "a", 2: "nope", 3: None, 4: "void"}
    records = [{"id": n, "status": text, "tags": [{"name": text}]} for n, text in statuses.items()]
    table = lookup({"a": "A", "void": None}, unknown, default)
    mapped = run(flow({"Name": expression}), records, lookups={"status": table})
    found = {row["_id"]: row["Name"] or None for row in mapped.rows["Thing"]}
    assert expected == found
    unknowns = {} if unknown != "reject" else {"2": ("Name", "nope", "Name: 'nope' is not in lookup status")}
    assert unknowns == mapped.reasons
