"""The rows of mapped parts, as both evaluators read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import duckdb

from airflow_provider_brightpearl.gates.columns import Column


def column_kinds(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """DuckDB's type by column name."""
    rows = connection.execute("DESCRIBE SELECT * FROM read_parquet($1)", [str(path)]).fetchall()
    return {row[0]: row[1] for row in rows}


def row_count(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """How many rows a part has; read from its end."""
    counted = connection.execute("SELECT count(*) FROM read_parquet($1)", [str(path)]).fetchall()
    return int(counted[0][0])


def columns_of(kinds: Mapping[str, str], names: Iterable[str] | None) -> dict[str, Column]:
    """Columns by name, in the order of the part; without ``names`` all that a target would get."""
    wanted = [name for name in kinds if not name.startswith("_")] if names is None else set(names)
    chosen = [name for name in kinds if name in wanted]
    return {name: Column(f"c{place}", kinds[name]) for place, name in enumerate(chosen)}


def rows_query(kinds: Mapping[str, str], columns: Mapping[str, Column]) -> str:
    """Query of a part, whose path is its parameter: source id, row, and the columns."""
    row = "_row" if "_row" in kinds else "''"
    listed = "".join(f", {column.reading(name)} AS {column}" for name, column in columns.items())
    return f"SELECT _source_id AS source_id, {row} AS row_id{listed} FROM read_parquet(?)"  # noqa: S608


def money_of(
    connection: duckdb.DuckDBPyConnection, paths: Iterable[Path], source_ids: Sequence[str]
) -> dict[str, tuple[Decimal | None, str]]:
    """Total and currency of these records, from the first file that has them."""
    for path in paths:
        if {"_amount", "_currency"} <= set(column_kinds(connection, path)):
            query = (
                "SELECT _source_id, any_value(_amount), coalesce(any_value(_currency), '') "
                "FROM read_parquet($1) WHERE _source_id IN (SELECT unnest($2::VARCHAR[])) GROUP BY _source_id"
            )
            rows = connection.execute(query, [str(path), list(source_ids)]).fetchall()
            return {source_id: (amount, currency) for source_id, amount, currency in rows}
    return {}
