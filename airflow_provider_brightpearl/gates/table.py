"""The expectations with a SQL form: their arguments, their sentence, and their SQL.

All others, and all other arguments, go to Great Expectations, whose verdict DuckDB has to match. Some of it is
unexpected:

- ``mostly`` is a share of the rows that have a value; of all rows for ``to_be_null`` and ``to_not_be_null``, and of
  those that are not ignored for several columns. Where there are none, the expectation passes.
- Every row of a duplicate fails, the first one too. Among several columns NULL equals NULL.
- Of two columns, a row with one NULL fails, and with ``ignore_row_if: neither`` one with two as well: NULL is
  neither equal to NULL nor at least as great.
- A smallest value above the largest one cannot be evaluated for values, fails each text for lengths, and fails for
  aggregates.
- In a set for a BOOLEAN, 1 is true. Values of another type than the column's are never found.
- Lengths are counted in code points. Texts are compared by them.
- A DECIMAL is floating point as soon as it is an aggregate, ``min`` and ``max`` included, so 0.1 + 0.2 is above 0.3.
  Its sum takes NULL for 0.0. The sum of nothing is 0; the mean, median, smallest and largest of nothing fail.

In one thing they differ: two bounds of ``column_values_to_be_between`` on the same column that are equal as floating
point, such as 900000000000000000.05 and .06, are one to Great Expectations, which evaluates the first for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl.gates import aggregates, conditions, signatures
from airflow_provider_brightpearl.gates.aggregates import Aggregate
from airflow_provider_brightpearl.gates.columns import Column
from airflow_provider_brightpearl.gates.conditions import Condition
from airflow_provider_brightpearl.gates.phrases import bounded, equal, greater, listed, of_column

_BOUNDS = ("min_value", "max_value")


@dataclass(frozen=True, slots=True)
class Known:
    """One expectation.

    ``asks`` may raise ``NotInSql`` where the columns are of a type, or the arguments have values, for which DuckDB
    cannot give the verdict. ``typed`` names arguments whose values take the type of the column.
    """

    takes: type[signatures.Signature]
    says: Callable[[Mapping[str, Any]], str]
    asks: Callable[[Sequence[Column], Mapping[str, Any]], Condition | Aggregate]
    typed: tuple[str, ...] = ()

    @property
    def by_row(self) -> bool:
        return issubclass(self.takes, signatures.ByRow)


KNOWN = {
    "column_values_to_not_be_null": Known(
        signatures.Values, of_column("must not be empty"), conditions.is_null
    ),
    "column_values_to_be_null": Known(signatures.Values, of_column("must be empty"), conditions.is_not_null),
    "column_values_to_be_unique": Known(signatures.Values, of_column("must be unique"), conditions.repeated),
    "column_values_to_be_between": Known(
        signatures.Between, bounded("{column} must be {bounds}"), conditions.outside, _BOUNDS
    ),
    "column_value_lengths_to_be_between": Known(
        signatures.Lengths, bounded("{column} must have {bounds} characters"), conditions.length_outside
    ),
    "column_value_lengths_to_equal": Known(
        signatures.Length,
        lambda options: f"{options['column']} must have {options['value']} characters",
        conditions.other_length,
    ),
    "column_values_to_be_in_set": Known(
        signatures.InSet, of_column("must be one of ", "value_set"), conditions.not_in_set, ("value_set",)
    ),
    "column_values_to_not_be_in_set": Known(
        signatures.InSet, of_column("must be none of ", "value_set"), conditions.in_set, ("value_set",)
    ),
    "column_values_to_match_regex": Known(
        signatures.Regex, of_column("must match ", "regex"), conditions.not_found
    ),
    "column_values_to_not_match_regex": Known(
        signatures.Regex, of_column("must not match ", "regex"), conditions.found
    ),
    "column_pair_values_a_to_be_greater_than_b": Known(signatures.Greater, greater, conditions.not_greater),
    "column_pair_values_to_be_equal": Known(signatures.Pair, equal, conditions.unequal),
    "compound_columns_to_be_unique": Known(
        signatures.Compound,
        lambda options: f"{listed(options['column_list'])} together must be unique",
        conditions.repeated_together,
    ),
    "column_min_to_be_between": Known(
        signatures.Extreme, bounded("the smallest {column} must be {bounds}"), aggregates.smallest, _BOUNDS
    ),
    "column_max_to_be_between": Known(
        signatures.Extreme, bounded("the largest {column} must be {bounds}"), aggregates.largest, _BOUNDS
    ),
    "column_mean_to_be_between": Known(
        signatures.Statistic, bounded("the mean of {column} must be {bounds}"), aggregates.mean
    ),
    "column_median_to_be_between": Known(
        signatures.Statistic, bounded("the median of {column} must be {bounds}"), aggregates.median
    ),
    "column_sum_to_be_between": Known(
        signatures.Statistic, bounded("the sum of {column} must be {bounds}"), aggregates.total
    ),
    "table_row_count_to_be_between": Known(
        signatures.RowCount, bounded("the number of rows must be {bounds}"), aggregates.row_count
    ),
}
"""By name, without ``expect_``."""
