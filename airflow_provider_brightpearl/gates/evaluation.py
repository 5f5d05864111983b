"""Chooses one of the two evaluators for the rows of an object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from airflow_provider_brightpearl.gates.columns import NotInSql
from airflow_provider_brightpearl.gates.outcome import Outcome
from airflow_provider_brightpearl.gates.rows import column_kinds, row_count
from airflow_provider_brightpearl.gates.rules import Rule
from airflow_provider_brightpearl.gates.sql import SqlEvaluator


class Evaluator:
    """DuckDB for at most ``sql_rows`` rows, if it can give the verdict on all expectations; else Great Expectations."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sql_rows: int) -> None:
        self._connection = connection
        self._sql_rows = sql_rows
        self._sql = SqlEvaluator(connection)

    def evaluate(self, rules: Sequence[Rule], path: Path) -> list[Outcome]:
        """The outcome of each rule over a Parquet file, in their order; empty if it has no rows."""
        kinds = column_kinds(self._connection, path)
        fitted = [rule.fitted(kinds) for rule in rules]
        rows = row_count(self._connection, path)
        if not rows:
            return []
        if rows <= self._sql_rows:
            try:
                return self._sql.evaluate(fitted, kinds, path, rows)
            except NotInSql:
                pass
        from airflow_provider_brightpearl.gates import frames, gx

        every = any(rule.needs_all_columns for rule in rules)
        names = None if every else [column for rule in rules for column in rule.columns]
        return gx.evaluate(fitted, frames.load(self._connection, path, kinds, names))
