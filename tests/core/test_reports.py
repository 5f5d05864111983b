"""Reports pass from task to task as plain JSON, and come out as they went in."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from inspect import isclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.core import reports
from airflow_provider_brightpearl.core.records import PartRef, RawPart
from airflow_provider_brightpearl.core.reports import ExtractReport, Report, RunInfo, RunSummary
from airflow_provider_brightpearl.core.window import RunKind, Selection, Window

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
INFO = RunInfo("run 1", RunKind.SCHEDULED, Selection(Window(None, NOON)), "v1", NOON)
CLASSES = [
    each
    for each in vars(reports).values()
    if isclass(each) and issubclass(each, Report) and each is not Report
]
SOME = settings(max_examples=60, deadline=None)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(),
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    NoneType: st.none(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=ZONES),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that fields of reports have."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in LEAVES:
        return LEAVES[kind]
    if isclass(kind) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if isclass(kind) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{each.name: values_of(hints[each.name]) for each in fields(kind)})
    if origin in (Union, UnionType):
        return st.one_of(*map(values_of, inner))
    if origin is dict:
        return st.dictionaries(values_of(inner[0]), values_of(inner[1]), max_size=3)
    assert origin is tuple, f"no values are made up for {kind}"
    if inner[-1] is Ellipsis:
        return st.lists(values_of(inner[0]), max_size=3).map(tuple)
    return st.tuples(*map(values_of, inner))


def through_json(plain: dict[str, Any]) -> Any:
    return json.loads(json.dumps(plain))


@pytest.mark.parametrize("kind", CLASSES)
@SOME
@given(data=st.data())
def test_a_report_survives_xcom(kind: type[Report], data: st.DataObject) -> None:
    report = data.draw(values_of(kind))
    plain = report.as_dict()
    again = kind.from_dict(through_json(plain))
    assert report == again
    # 1.10 is 1.10, which equality of numbers does not say
    assert plain == again.as_dict()


@pytest.mark.parametrize(
    "part", [RawPart("raw/00000.jsonl", 5, "abc", PartRef("raw/00000.times.json", 1, "def"), 2)]
)
@pytest.mark.parametrize("window", [None, Window(None, NOON), Window(NOON - timedelta(hours=1), NOON)])
def test_a_report_is_plain_to_read(part: RawPart, window: Window | None) -> None:
    info = RunInfo("run 1", RunKind.MANUAL, Selection(window), "v1", NOON)
    plain = ExtractReport(info, (part,)).as_dict()
    times = {"path": "raw/00000.times.json", "records": 1, "digest": "def"}
    assert [{"path": "raw/00000.jsonl", "records": 5, "digest": "abc", "times": times, "due": 2}] == plain[
        "parts"
    ]
    assert ("run 1", "manual", "2026-03-31T12:00:00Z") == tuple(
        plain["run"][name] for name in ("run", "kind", "started_at")
    )
    assert window == RunInfo.from_dict(through_json(plain["run"])).selection.window


def required(kind: type[Report]) -> list[str]:
    return [each.name for each in fields(kind) if each.default is each.default_factory is MISSING]


@pytest.mark.parametrize("kind", [each for each in CLASSES if required(each)])
@SOME
@given(data=st.data())
def test_a_report_that_lacks_a_field_is_refused(kind: type[Report], data: st.DataObject) -> None:
    plain = data.draw(values_of(kind)).as_dict()
    name = data.draw(st.sampled_from(required(kind)))
    del plain[name]
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{name}`"):
        kind.from_dict(plain)


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        ({"start": None, "end": None}, "Expected `datetime`, got `null`"),
        ({"start": None}, "missing required field `end`"),
        ({"start": None, "end": "2026-03-31T12:00:00"}, "a window needs instants with a time zone"),
        ({"start": "2026-03-31", "end": "2026-03-31T12:00:00Z"}, "Invalid RFC3339 encoded datetime"),
    ],
)
def test_a_window_needs_an_end_and_time_zones(window: dict[str, Any], reason: str) -> None:
    plain = INFO.as_dict()
    plain["selection"]["window"] = window
    with pytest.raises(msgspec.ValidationError, match=reason):
        RunInfo.from_dict(plain)


def test_money_that_is_no_number_is_refused() -> None:
    plain = {"money": {"loaded": {"GBP": "12,50"}}}
    with pytest.raises(msgspec.ValidationError, match="Invalid decimal string"):
        RunSummary.from_dict(plain)


def test_a_run_that_begins_anew_keeps_its_id_and_is_another_attempt() -> None:
    again = RunInfo("run 1", RunKind.SCHEDULED, INFO.selection, "v1", NOON + timedelta(seconds=1))
    assert (INFO.run, False) == (again.run, INFO.attempt == again.attempt)
    assert INFO.attempt == RunInfo.from_dict(through_json(INFO.as_dict())).attempt
