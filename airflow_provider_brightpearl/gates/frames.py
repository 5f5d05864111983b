"""Mapped parts as data frames of plain Python values, so that a Decimal stays one and NULL is None."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows of one object in one part: the columns asked for, beside what identifies each row."""

    kinds: dict[str, str]
    source_ids: tuple[str, ...]
    rows: tuple[str, ...]
    values: dict[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.source_ids)

    def exact(self) -> pd.DataFrame:
        """For judging rows: every column holds Python objects, on every version of pandas."""
        return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in self.values.items()})

    def numbers(self) -> pd.DataFrame:
        """For aggregates: DECIMAL and other numbers as floating point, which pandas can sum and divide."""
        frame = self.exact()
        for name in frame.columns:
            if self.kinds[name].startswith("DECIMAL"):
                frame[name] = frame[name].astype(float)
        return frame


def column_kinds(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """DuckDB's type by column name."""
    rows = connection.execute("DESCRIBE SELECT * FROM read_parquet($1)", [str(path)]).fetchall()
    return {row[0]: row[1] for row in rows}


def load(connection: duckdb.DuckDBPyConnection, path: Path, columns: Iterable[str] | None) -> Frame:
    """The frame of one Parquet file; without ``columns`` all that a target would get."""
    kinds = column_kinds(connection, path)
    wanted = [name for name in kinds if not name.startswith("_")] if columns is None else set(columns)
    chosen = [name for name in kinds if name in wanted]
    listed = "".join(f", {_selected(name, kinds[name])}" for name in chosen)
    row = "_row" if "_row" in kinds else "''"
    query = f"SELECT _source_id, {row}{listed} FROM read_parquet($1)"  # noqa: S608
    found = list(zip(*connection.execute(query, [str(path)]).fetchall(), strict=True))
    source_ids, rows, *values = found or [()] * (2 + len(chosen))
    by_name = {name: _python(kinds[name], column) for name, column in zip(chosen, values, strict=True)}
    return Frame(kinds, source_ids, rows, by_name)


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


def _selected(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    # fetching aware instants as such needs pytz, which nothing else here does
    return f"epoch_us({quoted})" if kind == "TIMESTAMP WITH TIME ZONE" else quoted


def _python(kind: str, values: Sequence[Any]) -> Sequence[Any]:
    if kind != "TIMESTAMP WITH TIME ZONE":
        return values
    return [None if value is None else _EPOCH + timedelta(microseconds=value) for value in values]
