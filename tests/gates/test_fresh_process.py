"""What a small run loads: neither Great Expectations nor pandas, which take seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.gates.expectations import SQL_ROWS
from airflow_provider_brightpearl.gates.table import KNOWN
from tests.flows.golden import MAPPINGS
from tests.gates.test_expectations import ITEMS

ARGUMENTS: dict[str, dict[str, Any]] = {
    "column_values_to_not_be_null": {"column": "_source_id"},
    "column_values_to_be_null": {"column": "Color"},
    "column_values_to_be_unique": {"column": "_source_id", "mostly": 0.1},
    "column_values_to_be_between": {"column": "Quantity", "min_value": 0.1, "strict_min": True},
    "column_value_lengths_to_be_between": {"column": "Color", "min_value": 1, "max_value": 3},
    "column_value_lengths_to_equal": {"column": "Color", "value": 4},
    "column_values_to_be_in_set": {"column": "Color", "value_set": ["red", "blue"]},
    "column_values_to_not_be_in_set": {"column": "Quantity", "value_set": [0.1]},
    "column_values_to_match_regex": {"column": "Color", "regex": "^re"},
    "column_values_to_not_match_regex": {"column": "Color", "regex": r"(?=e)\\w+$"},
    "column_pair_values_a_to_be_greater_than_b": {"column_A": "Quantity", "column_B": "Price"},
    "column_pair_values_to_be_equal": {"column_A": "Quantity", "column_B": "Price"},
    "compound_columns_to_be_unique": {"column_list": ["_source_id", "Color"]},
    "column_min_to_be_between": {"column": "Quantity", "min_value": 0},
    "column_max_to_be_between": {"column": "Quantity", "max_value": "1.5"},
    "column_mean_to_be_between": {"column": "Quantity", "max_value": 1, "severity": "warning"},
    "column_median_to_be_between": {"column": "Price", "max_value": 1},
    "column_sum_to_be_between": {"column": "Price", "notes": "six"},
    "table_row_count_to_be_between": {"min_value": 4, "max_value": 4},
}

JUDGE = """
import json, sys
from pathlib import Path
from airflow_provider_brightpearl.gates.expectations import ExpectationGate
from tests.gates.test_expectations import Flow

path, rules, sql_rows = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
flow = Flow({"OrderItem": [{name: options} for name, options in rules.items()]})
gate = ExpectationGate(flow, Path(path).with_suffix(".html"), sql_rows=sql_rows)
list(gate.evaluate([{"OrderItem": Path(path)}]))
"""
CHECK = """
import sys
from airflow_provider_brightpearl.cli.app import main

sys.argv = ["brightpearl", "mapping", "check", *sys.argv[1:]]
try:
    main()
except SystemExit as done:
    assert not done.code, done
"""
LOADED = """
import sys
print([name for name in ("great_expectations", "pandas") if name in sys.modules])
"""


def loaded(program: str, *arguments: str) -> list[str]:
    """What of the heavy ones a program loads."""
    command = [sys.executable, "-c", program + LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    return found


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "items.parquet"
    duckdb.execute(f"COPY ({ITEMS}) TO '{file}' (FORMAT parquet)")
    return str(file)


@pytest.mark.slow
def test_a_small_part_is_judged_without_great_expectations(path: str) -> None:
    assert set(ARGUMENTS) == set(KNOWN)
    assert loaded(JUDGE, path, json.dumps(ARGUMENTS), "4") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "sql_rows"),
    [
        ({"column_values_to_not_be_null": {"column": "Color"}}, 3),
        ({"column_values_to_not_be_null": {"column": "Color"}}, 0),
        ({"column_values_to_not_be_null": {"column": "Color", "row_condition": "Price > 1",
                                           "condition_parser": "pandas"}}, 4),
        ({"column_stdev_to_be_between": {"column": "Quantity", "min_value": 0}}, 4),
    ],
)  # fmt: skip
def test_all_else_goes_to_great_expectations(path: str, rules: dict[str, Any], sql_rows: int) -> None:
    assert loaded(JUDGE, path, json.dumps(rules), str(sql_rows)) == ["great_expectations", "pandas"]


@pytest.mark.slow
def test_shipped_flows_are_checked_without_great_expectations() -> None:
    assert loaded(CHECK, *map(str, sorted(MAPPINGS.glob("*.yaml")))) == []


def test_the_gate_and_the_setting_have_the_same_default() -> None:
    assert str(SQL_ROWS) == settings.OPTIONS["gate_sql_rows"]["default"]
