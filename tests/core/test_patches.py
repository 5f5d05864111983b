"""Merge patches, places of records, and whether what a flow reads of a record is the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.patches import (
    EXACT,
    at,
    decode,
    difference,
    merged,
    patch_of,
    places,
    read_by,
)
from airflow_provider_brightpearl.core.schema import ListOf, MapOf, Schema

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)


@given(OBJECTS, OBJECTS, OBJECTS)
def test_two_patches_make_one(record: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> None:
    after = merged(merged(record, first), second)
    assert after == merged(record, difference(record, after))


@given(OBJECTS, OBJECTS)
def test_a_patch_twice_is_a_patch_once(record: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merged(record, patch)
    assert once == merged(once, patch)


def test_one_place_changes_and_all_else_stays() -> None:
    record = decode('{"id": 7, "rows": [{"n": 1.10}, {"n": 2, "m": 3}], "to": {"city": "Bath", "zip": "x"}}')
    for place, value in (
        ("rows.1.n", Decimal("2.50")),
        ("to.city", "Bristol"),
        ("to.zip", "BA1"),
        ("new.x", 1),
    ):
        patch = patch_of(record, place, value)
        changed = merged(record, patch)
        assert value == at(changed, place)
        assert record == merged(changed, patch_of(changed, place, at(record, place))) or "new" in place
    assert {"id", "rows"} == set(merged(record, patch_of(record, "to", None)))
    assert ["rows"] == places(patch_of(record, "rows.1.n", 1))
    assert ["to.city", "to.zip"] == places({"to": {"city": "x", "zip": None}})


@pytest.mark.parametrize(
    ("place", "said"), [("rows.2.n", "0 to 1, not 2"), ("id.x", "within the plain value 7")]
)
def test_a_place_that_cannot_be(place: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        patch_of({"id": 7, "rows": [{}, {}]}, place, 1)


def test_numbers_pass_as_they_were_written() -> None:
    text = '{"big":123456789012345678901234567890,"long":0.123456789012345678901,"money":10.10}'
    assert text == EXACT.encode(decode(text)).decode()


def test_what_a_flow_does_not_read_counts_for_nothing() -> None:
    columns: Schema = {
        "id": "BIGINT",
        "rows": MapOf({"n": "DECIMAL(9,2)"}),
        "tags": ListOf({"t": "VARCHAR"}),
        "j": "JSON",
    }
    record = {"id": 1, "rows": {"7": {"n": 1, "x": 1}}, "tags": [{"t": "a"}], "j": {"k": 1}, "status": 1}
    same = {**record, "status": 2, "rows": {"7": {"n": 1, "x": 2}}}
    assert read_by(record, columns) == read_by(same, columns)
    others: list[dict[str, Any]] = [
        {"rows": {"8": {"n": 1}}}, {"tags": []}, {"j": {"k": 2}}, {"id": None}, {"rows": "text"},
    ]  # fmt: skip
    for other in others:
        assert read_by(record, columns) != read_by({**record, **other}, columns)
    told = {**record, "j": {"k": 1, "PCF_M3": "7"}, "PCF_M3": "7"}
    assert read_by(record, columns) != read_by(told, columns)
    assert read_by(record, columns, {"PCF_M3"}) == read_by(told, columns, {"PCF_M3"})
