"""Evaluates expectations in DuckDB, which starts at once and is enough for a small part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from airflow_provider_brightpearl.gates.aggregates import Aggregate, within
from airflow_provider_brightpearl.gates.columns import Column, NotInSql
from airflow_provider_brightpearl.gates.conditions import FINDS, Condition
from airflow_provider_brightpearl.gates.outcome import FailedRow, Outcome
from airflow_provider_brightpearl.gates.rows import columns_of, rows_query
from airflow_provider_brightpearl.gates.rules import FittedRule


class SqlEvaluator:
    """Evaluates one object of one part at a time; the connection keeps its rows until the next one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._knows_regexes = False

    def evaluate(
        self, fitted: Sequence[FittedRule], kinds: Mapping[str, str], path: Path, rows: int
    ) -> list[Outcome]:
        """What each expectation makes of the rows of a Parquet file.

        Raises:
            NotInSql: one of them has to be evaluated by Great Expectations.
        """
        columns = columns_of(kinds, [name for each in fitted for name in each.rule.columns])
        asked = [(each, *_asked(each, columns)) for each in fitted]
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE part AS {rows_query(kinds, columns)}", [str(path)]
        )
        if any(question.unless and self._counted(question.unless) for _, question, _ in asked):
            raise NotInSql
        return [self._outcome(each, question, named, rows) for each, question, named in asked]

    def _outcome(
        self, fitted: FittedRule, question: Condition | Aggregate, columns: Sequence[Column], rows: int
    ) -> Outcome:
        if isinstance(question, Condition):
            return self._of_rows(fitted, question, columns, rows)
        observed = question.observed(self._one(f"SELECT {question.sql} FROM part"))
        return Outcome(fitted.rule, within(observed, fitted.options), rows, observed=observed)

    def _of_rows(
        self, fitted: FittedRule, condition: Condition, columns: Sequence[Column], rows: int
    ) -> Outcome:
        looked_at = self._counted(condition.among)
        failed = self._failed(condition, columns)
        share = (looked_at - len(failed)) / looked_at if looked_at else 1
        passed = share >= fitted.options.get("mostly", 1)
        return Outcome(fitted.rule, passed, rows, looked_at, failed)

    def _failed(self, condition: Condition, columns: Sequence[Column]) -> list[FailedRow]:
        if FINDS in condition.failing:
            self._learn_regexes()
        found = self._connection.execute(
            f"SELECT position, source_id, row_id, {', '.join(map(str, columns))} FROM ("
            f"SELECT *, rowid AS position, {condition.failing} AS failing FROM part WHERE {condition.among}"
            ") WHERE failing ORDER BY position",
            list(condition.values),
        ).fetchall()
        return [
            FailedRow(position, source_id, row, tuple(_python(columns, values)))
            for position, source_id, row, *values in found
        ]

    def _counted(self, condition: str) -> int:
        return int(self._one(f"SELECT count(*) FROM part WHERE {condition}"))

    def _one(self, query: str) -> Any:
        return self._connection.execute(query).fetchall()[0][0]

    def _learn_regexes(self) -> None:
        # DuckDB's own regexes are RE2's: other classes, another end of text, and some unknown
        if not self._knows_regexes:
            self._connection.create_function(FINDS, _finds, ["VARCHAR", "VARCHAR"], "BOOLEAN")
            self._knows_regexes = True


def _asked(
    fitted: FittedRule, columns: Mapping[str, Column]
) -> tuple[Condition | Aggregate, Sequence[Column]]:
    named = [columns[name] for name in fitted.rule.columns]
    known = fitted.rule.known
    if known is None or not fitted.rule.in_sql or not all(column.is_known for column in named):
        raise NotInSql
    return known.asks(named, fitted.options), named


def _python(columns: Sequence[Column], values: Sequence[Any]) -> list[Any]:
    return [column.python([value])[0] for column, value in zip(columns, values, strict=True)]


def _finds(regex: str, text: str) -> bool:
    return re.search(regex, text) is not None
