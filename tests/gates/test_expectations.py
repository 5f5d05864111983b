from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_provider_brightpearl.core.ports.gate import GateResult
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.gates.expectations import ExpectationGate
from tests.gates.judgements import verdict_of


@dataclass(frozen=True)
class Flow:
    expect: dict[str, list[dict[str, dict[str, Any]]]]
    flow: str = "orders"
    root: str = "Order"
    objects: Mapping[str, object] = field(default_factory=lambda: {"Order": None, "OrderItem": None})


ORDERS = """
    SELECT 0 AS _pos, '1' AS _source_id, '' AS _row, 12.50::DECIMAL(18,4) AS _amount, 'EUR' AS _currency,
           'A1' AS AccountId, DATE '2024-01-05' AS EffectiveDate,
           TIMESTAMPTZ '2024-01-05 10:00:00+00' AS PlacedAt,
           '2024-01-05T10:00:00.000Z' AS SentAt
    UNION ALL SELECT 1, '2', '', 7, 'USD', NULL, DATE '2023-12-31', '2023-12-31 23:59:59+00',
           '2023-12-31T23:59:59.999Z'
    UNION ALL SELECT 2, '3', '', NULL, NULL, 'A3', NULL, NULL, NULL
"""
ITEMS = """
    SELECT 0 AS _pos, '1' AS _source_id, '11' AS _row, 'red' AS Color,
           0.1::DECIMAL(18,4) AS Quantity, 0.1::DECIMAL(9,2) AS Price
    UNION ALL SELECT 0, '1', '12', 'blue', 2, 1
    UNION ALL SELECT 1, '2', '21', 'pink', -1, NULL
    UNION ALL SELECT 1, '2', '22', NULL, NULL, 5
"""


@pytest.fixture
def part(tmp_path: Path) -> dict[str, Path]:
    paths = {"Order": tmp_path / "Order.parquet", "OrderItem": tmp_path / "OrderItem.parquet"}
    for name, query in (("Order", ORDERS), ("OrderItem", ITEMS)):
        duckdb.execute(f"COPY ({query} ORDER BY _source_id, _row) TO '{paths[name]}' (FORMAT parquet)")
    return paths


def both_ways(flow: Flow, *parts: Mapping[str, Path]) -> GateResult:
    """The verdict of DuckDB, where it can give one, which has to be that of Great Expectations."""
    verdict = verdict_of(ExpectationGate(flow), *parts)
    assert verdict_of(ExpectationGate(flow, sql_rows=0), *parts) == verdict
    return verdict


def judged(part: Mapping[str, Path], name: str, *expectations: dict[str, dict[str, Any]]) -> GateResult:
    return both_ways(Flow({name: list(expectations)}), part)


def rows(verdict: GateResult) -> list[tuple[str, str]]:
    return [(item.source_id, item.row) for item in verdict.rejections]


def test_a_bad_row_is_rejected_with_all_that_a_person_needs(part: dict[str, Path]) -> None:
    rule = {"column_values_to_be_between": {"column": "Quantity", "min_value": 0, "strict_min": True}}
    verdict = judged(part, "OrderItem", rule)

    assert verdict == GateResult(
        rejections=(
            Rejection(
                source_id="2",
                stage=Stage.GATE,
                reason="Quantity must be above 0 (column_values_to_be_between), got -1.0000",
                object="OrderItem",
                row="21",
                field="Quantity",
                value="-1.0000",
                amount=Decimal("7.0000"),
                currency="USD",
            ),
        ),
        batch_failures=(),
        evaluated=4,
    )


def test_null_is_null(part: dict[str, Path]) -> None:
    verdict = judged(part, "Order", {"expect_column_values_to_not_be_null": {"column": "AccountId"}})

    assert [(item.source_id, item.reason, item.value) for item in verdict.rejections] == [
        ("2", "AccountId must not be empty (column_values_to_not_be_null)", "")
    ]


@pytest.mark.parametrize(
    ("options", "failing"),
    [
        ({"min_value": 0.1}, ["21"]),
        ({"min_value": 0.1, "strict_min": True}, ["11", "21"]),
        ({"max_value": "0.1"}, ["12"]),
        ({"min_value": -1, "max_value": 2}, []),
    ],
)
@pytest.mark.slow
def test_a_tenth_is_a_tenth(part: dict[str, Path], options: dict[str, Any], failing: list[str]) -> None:
    verdict = judged(part, "OrderItem", {"column_values_to_be_between": {"column": "Quantity", **options}})

    assert [item.row for item in verdict.rejections] == failing


@pytest.mark.parametrize(
    ("rule", "failing"),
    [
        ({"column_values_to_be_in_set": {"column": "Quantity", "value_set": [0.1, 2, -1]}}, []),
        ({"column_values_to_be_in_set": {"column": "Color", "value_set": ["red", "blue"]}}, ["21"]),
        ({"column_values_to_match_regex": {"column": "Color", "regex": "^[a-o]"}}, ["11", "21"]),
        ({"column_value_lengths_to_be_between": {"column": "Color", "max_value": 3}}, ["12", "21"]),
        ({"column_values_to_be_unique": {"column": "Color"}}, []),
        ({"column_values_to_be_unique": {"column": "_source_id"}}, ["11", "12", "21", "22"]),
        (
            {"column_pair_values_a_to_be_greater_than_b": {
                "column_A": "Quantity", "column_B": "Price", "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            }},
            [],
        ),
        ({"compound_columns_to_be_unique": {"column_list": ["_source_id", "Color"]}}, []),
    ],
)  # fmt: skip
def test_rows_that_fail_are_found(part: dict[str, Path], rule: dict[str, Any], failing: list[str]) -> None:
    assert [item.row for item in judged(part, "OrderItem", rule).rejections] == failing


@pytest.mark.parametrize(
    ("column", "bound"),
    [
        ("EffectiveDate", "2024-01-01"),
        ("PlacedAt", "2024-01-01"),
        ("PlacedAt", "2024-01-01T00:00:00+00:00"),
        ("SentAt", "2024-01-01"),
    ],
)
def test_dates_and_instants_have_bounds(part: dict[str, Path], column: str, bound: str) -> None:
    verdict = judged(part, "Order", {"column_values_to_be_between": {"column": column, "min_value": bound}})

    assert [item.source_id for item in verdict.rejections] == ["2"]


def test_mostly_and_severity_let_rows_pass(part: dict[str, Path], tmp_path: Path) -> None:
    flow = Flow({
        "Order": [
            {"column_values_to_not_be_null": {"column": "AccountId", "mostly": 0.6}},
            {"column_values_to_not_be_null": {"column": "EffectiveDate", "severity": "warning"}},
            {"column_values_to_not_be_null": {"column": "SentAt", "mostly": 0.9}},
        ]
    })  # fmt: skip
    verdict = verdict_of(ExpectationGate(flow, tmp_path / "gate.html"), part)

    assert [(item.source_id, item.field) for item in verdict.rejections] == [("3", "SentAt")]
    assert verdict.rejections[0].reason == (
        "SentAt must not be empty in at least 90% of rows (column_values_to_not_be_null)"
    )
    assert "warned" in (tmp_path / "gate.html").read_text()


@pytest.mark.slow
def test_notes_say_why_to_whoever_reads_the_reason(part: dict[str, Path]) -> None:
    rule = {
        "column_values_to_be_between": {"column": "Quantity", "min_value": 0, "notes": "a credit is no order"}
    }
    (rejection,) = judged(part, "OrderItem", rule).rejections
    assert (
        "Quantity must be at least 0: a credit is no order (column_values_to_be_between), got -1.0000"
        == rejection.reason
    )


def test_whole_parts_fail_as_sentences(part: dict[str, Path]) -> None:
    flow = Flow({
        "OrderItem": [
            {"column_sum_to_be_between": {"column": "Quantity", "min_value": 5}},
            {"column_mean_to_be_between": {"column": "Price", "max_value": 1}},
            {"column_min_to_be_between": {"column": "Quantity", "min_value": -1}},
            {"column_stdev_to_be_between": {"column": "Quantity", "min_value": 0}},
            {"table_row_count_to_be_between": {"max_value": 3}},
            {"table_columns_to_match_set": {"column_set": ["Color", "Quantity", "Price"]}},
        ]
    })  # fmt: skip
    verdict = both_ways(flow, part, {"Order": part["Order"]})

    assert verdict.rejections == ()
    assert list(verdict.batch_failures) == [
        f"OrderItem: {said} in part 1 of 2"
        for said in (
            "the sum of Quantity must be at least 5 (column_sum_to_be_between), got 1.1",
            "the mean of Price must be at most 1 (column_mean_to_be_between), got 2.033333333333333",
            "the number of rows must be at most 3 (table_row_count_to_be_between), got 4",
        )
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expectation", "options", "said"),
    [
        (
            "Order",
            "values_not_null",
            {"column": "x"},
            "no expectation 'column_values_not_null'; did you mean",
        ),
        (
            "Orders",
            "values_to_be_null",
            {"column": "x"},
            r"expect\.Orders: no such object; did you mean Order",
        ),
        ("Order", "values_to_be_null", {"colum": "x"}, "no argument 'colum'; did you mean column"),
        ("Order", "values_to_be_null", {}, "column_values_to_be_null: column: field required"),
        (
            "Order",
            "values_to_be_null",
            {"column": "AcountId"},
            "no column 'AcountId'; did you mean AccountId",
        ),
        (
            "OrderItem",
            "values_to_be_between",
            {"column": "Quantity", "min_value": "few"},
            "not a valid float",
        ),
        (
            "OrderItem",
            "values_to_be_between",
            {"column": "Quantity", "min_value": "2024-01-01"},
            "does not fit",
        ),
        ("OrderItem", "values_to_be_between", {"column": "Color", "min_value": 1}, "cannot be evaluated"),
        ("OrderItem", "values_to_match_regex", {"column": "Color", "regex": "("}, "cannot be evaluated"),
    ],
)
def test_what_cannot_be_judged_stops(
    part: dict[str, Path], name: str, expectation: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(Misconfigured, match=said) as caught:
        judged(part, name, {f"column_{expectation}": options})

    assert "orders: expect." in str(caught.value)


def test_parts_are_judged_one_by_one(part: dict[str, Path]) -> None:
    flow = Flow({"Order": [{"column_values_to_not_be_null": {"column": "AccountId"}}], "OrderItem": []})
    verdict = both_ways(flow, part, part, {})

    assert rows(verdict) == [("2", ""), ("2", "")]
    assert verdict.evaluated == 6


@pytest.fixture
def without_rows(part: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    path = tmp_path / "empty.parquet"
    duckdb.execute(f"COPY (SELECT * FROM '{part['OrderItem']}' LIMIT 0) TO '{path}' (FORMAT parquet)")
    return {"OrderItem": path}


def test_no_rows_are_no_failure(part: dict[str, Path], without_rows: dict[str, Path]) -> None:
    flow = Flow({"OrderItem": [{"column_mean_to_be_between": {"column": "Quantity", "min_value": 5}}]})

    assert verdict_of(ExpectationGate(flow), without_rows) == GateResult((), (), 0)
    assert verdict_of(ExpectationGate(Flow({})), part) == GateResult((), (), 0)


@pytest.mark.parametrize("parts", [0, 1])
def test_where_no_rows_were_judged_nothing_passed(
    without_rows: dict[str, Path], tmp_path: Path, parts: int
) -> None:
    page = tmp_path / "gate.html"
    flow = Flow({"OrderItem": [{"column_values_to_not_be_null": {"column": "Color"}}]})
    verdict_of(ExpectationGate(flow, page), *[without_rows] * parts)

    assert "orders: no rows were judged" in page.read_text()
    assert "passed" not in page.read_text()


def test_expectations_without_rows_are_counted_apart(
    part: dict[str, Path], without_rows: dict[str, Path], tmp_path: Path
) -> None:
    page = tmp_path / "gate.html"
    flow = Flow({
        "Order": [
            {"column_values_to_not_be_null": {"column": "_source_id"}},
            {"column_values_to_not_be_null": {"column": "AccountId", "severity": "warning"}},
        ],
        "OrderItem": [{"column_values_to_not_be_null": {"column": "Color"}}],
    })  # fmt: skip
    verdict_of(ExpectationGate(flow, page), {"Order": part["Order"], **without_rows})

    assert "1 of 3 expectations passed, 1 warned, 1 had no rows" in page.read_text()
    assert "not judged" in page.read_text()


def test_it_is_quiet(
    part: dict[str, Path], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    judged(part, "Order", {"column_values_to_not_be_null": {"column": "AccountId"}})

    assert (capfd.readouterr(), caplog.records) == (("", ""), [])


def test_threads_have_a_gate_each(part: dict[str, Path]) -> None:
    found: list[GateResult] = []

    def judge() -> None:
        found.append(judged(part, "Order", {"column_values_to_not_be_null": {"column": "AccountId"}}))

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [rows(verdict) for verdict in found] == [[("2", "")]] * 4


def test_the_page_tells_it_all_and_needs_nothing_else(part: dict[str, Path], tmp_path: Path) -> None:
    duckdb.execute(
        f"COPY (SELECT * REPLACE ('<script>alert(1)</script>' AS Color) FROM '{part['OrderItem']}') "
        f"TO '{tmp_path / 'odd.parquet'}' (FORMAT parquet)"
    )
    page = tmp_path / "gate.html"
    flow = Flow({
        "OrderItem": [
            {"column_values_to_match_regex": {"column": "Color", "regex": "^red$"}},
            {"column_sum_to_be_between": {"column": "Quantity", "min_value": 5}},
            {"column_values_to_not_be_null": {"column": "_source_id"}},
        ]
    })  # fmt: skip
    verdict_of(ExpectationGate(flow, page, "manual__1"), {"OrderItem": tmp_path / "odd.parquet"})
    html = page.read_text()
    results = json.loads(page.with_suffix(".json").read_text())

    assert "2 of 3 expectations failed" in html
    assert "manual__1" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "got 1.1" in html
    for outside in ("<script", "http://", "https://", "<link"):
        assert outside not in html
    assert (results["flow"], results["run"], results["rows"]) == ("orders", "manual__1", 4)
    (validation,) = results["validations"]
    assert (validation["object"], validation["part"], validation["result"]["success"]) == (
        "OrderItem",
        1,
        False,
    )
    assert validation["result"]["results"][:2] == [
        {
            "success": False,
            "expectation_config": {
                "type": "expect_column_values_to_match_regex",
                "kwargs": {"column": "Color", "regex": "^red$"},
            },
            "result": {
                "element_count": 4,
                "missing_count": 0,
                "unexpected_count": 4,
                "unexpected_percent": 100.0,
                "unexpected_list": ["<script>alert(1)</script>"] * 4,
                "unexpected_index_list": [0, 1, 2, 3],
            },
        },
        {
            "success": False,
            "expectation_config": {
                "type": "expect_column_sum_to_be_between",
                "kwargs": {"column": "Quantity", "min_value": 5},
            },
            "result": {"observed_value": 1.1},
        },
    ]


def test_the_page_of_a_clean_run(part: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "gate.html"
    flow = Flow({"Order": [{"column_values_to_not_be_null": {"column": "_source_id"}}]})
    verdict_of(ExpectationGate(flow, page), part)

    assert "all 1 expectations passed" in page.read_text()
