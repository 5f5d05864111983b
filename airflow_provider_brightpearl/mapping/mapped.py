"""What mapping a part gives, and how mapped rows are read again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

import duckdb

from airflow_provider_brightpearl.core.records import Money, Rejection


@dataclass(frozen=True, slots=True)
class MapResult:
    """What became of one raw part: rows per object, rejected records with their line, money of all records.

    ``filtered`` counts the records that the first object's ``where`` does not want; ``warnings`` counts what
    rejects nothing and should still be known.
    """

    records: int
    rows: dict[str, int]
    rejections: tuple[tuple[int, Rejection], ...]
    money: Money
    filtered: int
    filtered_money: Money
    warnings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MappedRow:
    """One row of a mapped part, ready to be written: ``payload`` is the JSON of its fields."""

    pos: int
    source_id: str
    key: str
    parent: str
    payload: str
    fingerprint: str
    amount: Decimal | None
    currency: str


@cache
def _reader(process: int) -> duckdb.DuckDBPyConnection:
    """One connection per process, since opening one takes longer than reading a part."""
    return duckdb.connect()


def read_mapped(path: Path) -> list[MappedRow]:
    """The rows of one mapped file, in source order."""
    with _reader(os.getpid()).cursor() as cursor:
        rows = cursor.execute(
            "SELECT _pos, _source_id, _key, _parent, _payload, _fingerprint, _amount, coalesce(_currency, '') "
            "FROM read_parquet($1)",
            [str(path)],
        ).fetchall()
    return [MappedRow(*row) for row in rows]
