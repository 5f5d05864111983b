"""Changes of a target's fields, and which of them a flow cannot go on with."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.drift import FieldSchema, Written, compare_fields

TEXT = FieldSchema("text", length=40)
NUMBER = FieldSchema("number", length=16, scale=2)
LIST = FieldSchema("picklist", length=255, values=("A", "B", "C"))
KEY = FieldSchema("text", length=80, key=True)
BEFORE = {"Name": TEXT, "Net__c": NUMBER, "Type": LIST, "Id__c": KEY, "Other": TEXT}
WRITTEN = Written({"Name": (), "Net__c": (), "Type": {"A", "B"}, "Id__c": ()}, "Id__c")


def change(field: FieldSchema, **more: object) -> FieldSchema:
    return msgspec.structs.replace(field, **more)


@pytest.mark.parametrize(
    ("name", "now", "text", "breaking"),
    [
        ("Name", None, "no longer exists, or this user may not see it", True),
        ("Name", change(TEXT, kind="number"), "was of type text and is of type number", True),
        ("Name", change(TEXT, length=20), "length was 40 and is 20", True),
        ("Name", change(TEXT, length=80), "length was 40 and is 80", False),
        ("Name", change(TEXT, length=0), "length was 40 and is unlimited", False),
        ("Name", change(TEXT, writable=False), "can no longer be written", True),
        ("Net__c", change(NUMBER, scale=0), "decimals was 2 and is unlimited", True),
        ("Net__c", change(NUMBER, scale=4), "decimals was 2 and is 4", False),
        ("Type", change(LIST, values=("A", "C")), "no longer takes B, which the mapping writes", True),
        ("Type", change(LIST, values=("A", "B")), "no longer takes C", False),
        ("Type", change(LIST, values=("A", "B", "C", "D")), "takes D too", False),
        ("Id__c", change(KEY, key=False), "is no longer a unique external id", True),
        (
            "Other",
            change(TEXT, required=True),
            "is required now, and the mapping does not write it",
            True,
        ),
        ("New__c", TEXT, "new in the target: New__c", False),
        (
            "New__c",
            change(TEXT, required=True),
            "is required now, and the mapping does not write it",
            True,
        ),
    ],
)
def test_one_change_is_one_drift(name: str, now: FieldSchema | None, text: str, breaking: bool) -> None:
    after = {**BEFORE, name: now}
    found = compare_fields(BEFORE, {key: each for key, each in after.items() if each}, WRITTEN)
    assert [(name, text, breaking)] == [(each.field, each.text, each.breaking) for each in found]


@pytest.mark.parametrize(
    ("name", "now"),
    [
        # written by the mapping, so it has a value
        ("Name", change(TEXT, required=True)),
        # of no matter to the flow
        ("Other", change(TEXT, length=1)),
        ("Other", None),
        # any value is taken
        ("Type", change(LIST, values=None)),
    ],
)
def test_what_stops_no_write_is_no_drift(name: str, now: FieldSchema | None) -> None:
    after = {**BEFORE, name: now}
    assert [] == compare_fields(BEFORE, {key: each for key, each in after.items() if each}, WRITTEN)


def test_a_list_that_takes_nothing_else_any_more_is_compared_with_what_the_mapping_names() -> None:
    before = {"Type": change(LIST, values=None)}
    fits, lacks = LIST, change(LIST, values=("B",))
    (fine,) = compare_fields(before, {"Type": fits}, WRITTEN)
    (bad,) = compare_fields(before, {"Type": lacks}, WRITTEN)
    assert (False, True) == (fine.breaking, bad.breaking)
    assert "takes only the values of its list now, without A, which the mapping writes" == bad.text


FIELDS = st.builds(
    FieldSchema,
    st.sampled_from(["text", "number", "picklist"]),
    length=st.integers(0, 300),
    scale=st.integers(0, 6),
    required=st.booleans(),
    key=st.booleans(),
    writable=st.booleans(),
    values=st.none() | st.lists(st.sampled_from("ABCDE"), unique=True).map(tuple),
)
SCHEMAS = st.dictionaries(st.sampled_from(["F1", "F2", "F3", "F4"]), FIELDS)
WRITES = st.builds(
    Written,
    st.dictionaries(st.sampled_from(["F1", "F2"]), st.sets(st.sampled_from("ABC"))),
    st.sampled_from(["F1", "F2"]),
)


@given(SCHEMAS, WRITES)
def test_what_is_as_it_was_has_not_drifted(schema: dict[str, FieldSchema], written: Written) -> None:
    assert [] == compare_fields(schema, dict(schema), written)
    kept = msgspec.json.decode(msgspec.json.encode(schema), type=dict[str, FieldSchema])
    assert [] == compare_fields(kept, schema, written)


@given(SCHEMAS, SCHEMAS, WRITES)
def test_breaking_changes_come_first_and_name_fields_that_matter(
    before: dict[str, FieldSchema], now: dict[str, FieldSchema], written: Written
) -> None:
    found = compare_fields(before, now, written)
    assert found == sorted(found, key=lambda each: not each.breaking)
    for each in found:
        assert each.field in {*before, *now}
        assert each.field in written.values or each.field in now
