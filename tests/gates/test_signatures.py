"""What the table takes, Great Expectations takes as well; so that only one of them says what is wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.gates.gx_library import arguments, classes, is_by_row
from airflow_provider_brightpearl.gates.rules import Rule, rules_of
from airflow_provider_brightpearl.gates.signatures import fits
from airflow_provider_brightpearl.gates.table import KNOWN
from tests.gates.test_expectations import Flow

pytestmark = pytest.mark.slow

TEXTS = st.sampled_from(
    ["", "a", "5", "5.5", "1e3", "1_000", " 5", "nan", "inf", "2024-01-05", "2024-1-5", "2024-02-30", "20240105",
     "2024-W01-1", "2024-01-05T10:00", "2024-01-05T10:00:00.5Z", "2024-01-05T10:00:00+25:00", "0000-01-01",
     "critical", "fatal", "neither", "never", "either_value_is_missing", "(", "[", "(?i", "true", "\\ud800"]
)  # fmt: skip
SCALARS = (
    TEXTS
    | st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([10**30, 10**400, -(10**18), 2**53, 1e308, float("nan"), float("inf"), 0.5, 5.0])
    | st.sampled_from([date(2024, 1, 5), datetime(2024, 1, 5, tzinfo=UTC)])
)
ANYTHING: st.SearchStrategy[Any] = (
    SCALARS | st.lists(SCALARS, max_size=3) | st.just({}) | st.just({"$PARAMETER": "x"})
)
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "column": st.just("a"),
    "column_A": st.just("a"),
    "column_B": st.just("b"),
    "column_list": st.lists(st.sampled_from(["a", "b", ""]), max_size=3),
    "value_set": st.lists(SCALARS, max_size=3),
}


@st.composite
def given_options(draw: st.DrawFn, name: str) -> dict[str, Any]:
    names = draw(
        st.lists(st.sampled_from([*KNOWN[name].takes.model_fields, "row_condition", "x"]), unique=True)
    )
    wanted = {field for field, info in KNOWN[name].takes.model_fields.items() if info.is_required()}
    chosen = wanted | set(names) if draw(st.booleans()) else set(names)
    return {each: draw(LIKELY.get(each, ANYTHING) | ANYTHING) for each in sorted(chosen)}


@pytest.mark.parametrize("name", KNOWN)
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_great_expectations_takes_what_the_table_takes(name: str, data: st.DataObject) -> None:
    options = data.draw(given_options(name))
    if fits(KNOWN[name].takes, options):
        classes()[name](**options)


@pytest.mark.parametrize("name", KNOWN)
def test_the_table_knows_only_arguments_that_there_are(name: str) -> None:
    kind = classes()[name]

    assert set(KNOWN[name].takes.model_fields) <= set(arguments(kind))
    assert KNOWN[name].by_row == is_by_row(kind)


def _refused(*rules: dict[str, dict[str, Any]]) -> str:
    with pytest.raises(Misconfigured) as refused:
        rules_of(Flow({"Order": list(rules)}))
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("values_to_be_nul", {"column": "a"}, "no expectation 'column_values_to_be_nul'; did you mean"),
        ("values_to_be_null", {"colum": "a"}, "no argument 'colum'; did you mean column?; known: column, condition_"),
        ("values_to_be_between", {"column": "a"}, "min_value and max_value cannot both be None"),
        ("values_to_be_null", {"column": "a", "mostly": 1.5}, "ensure this value is less than or equal to 1.0"),
        ("values_to_be_null", {"column": "a", "severity": "fatal"}, "permitted: 'critical', 'warning', 'info'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_great_expectations(name: str, options: dict[str, Any], said: str) -> None:
    assert said in _refused({f"column_{name}": options})


@pytest.mark.filterwarnings("ignore:.*deprecated as of GX Core")
@pytest.mark.parametrize(
    ("options", "in_sql"),
    [
        ({"column": "a", "max_value": 5}, True),
        ({"column": "a", "max_value": 5, "strict_max": True, "mostly": 0.5, "severity": "info"}, True),
        ({"column": "a", "max_value": "5"}, False),
        ({"column": "a", "max_value": 5, "mostly": "0.5"}, False),
        ({"column": "a", "max_value": 5, "strict_max": "yes"}, False),
        ({"column": "a", "max_value": 5, "row_condition": "a > 1", "condition_parser": "pandas"}, False),
    ],
)
def test_what_great_expectations_reads_its_own_way_is_left_to_it(
    options: dict[str, Any], in_sql: bool
) -> None:
    rules = rules_of(Flow({"Order": [{"column_value_lengths_to_be_between": options}]}))

    assert rules == {
        "Order": [
            Rule(
                "orders", "Order", 0, "column_value_lengths_to_be_between", options,
                KNOWN["column_value_lengths_to_be_between"], by_row=True, in_sql=in_sql,
            )
        ]
    }  # fmt: skip
