"""Mapped parts as data frames of plain Python values, so that a Decimal stays one and NULL is None."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from airflow_provider_brightpearl.gates.columns import Column
from airflow_provider_brightpearl.gates.rows import columns_of, rows_query


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows of one object in one part: the columns asked for, beside what identifies each row."""

    columns: Mapping[str, Column]
    source_ids: Sequence[str]
    rows: Sequence[str]
    values: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.source_ids)

    def exact(self) -> pd.DataFrame:
        """For evaluating rows: every column holds Python objects, on every version of pandas."""
        return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in self.values.items()})

    def numbers(self) -> pd.DataFrame:
        """For aggregates: DECIMAL and other numbers as floating point, which pandas can sum and divide."""
        frame = self.exact()
        for name in frame.columns:
            if self.columns[name].is_decimal:
                frame[name] = frame[name].astype(float)
        return frame


def load(
    connection: duckdb.DuckDBPyConnection, path: Path, kinds: Mapping[str, str], names: Iterable[str] | None
) -> Frame:
    """The frame of one Parquet file; without ``names`` all columns that a target would get."""
    columns = columns_of(kinds, names)
    found = list(zip(*connection.execute(rows_query(kinds, columns), [str(path)]).fetchall(), strict=True))
    source_ids, rows, *values = found or [()] * (2 + len(columns))
    by_name = {
        name: column.python(held) for (name, column), held in zip(columns.items(), values, strict=True)
    }
    return Frame(columns, source_ids, rows, by_name)
