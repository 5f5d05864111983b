"""The result of mapping a part, and the reader of mapped rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import duckdb
import msgspec

from airflow_provider_brightpearl.core.records import Money, Rejection


@dataclass(frozen=True, slots=True)
class MapResult:
    """What became of one raw part: rows per object, rejected records with their line, money of all records.

    ``filtered`` counts the records that the first object's ``where`` does not want, ``filtered_lines`` holds
    their lines and ids;
    ``warnings`` counts problems that reject nothing, ``present`` the records with a value, by column that is read.
    """

    records: int
    rows: dict[str, int]
    rejections: tuple[tuple[int, Rejection], ...]
    money: Money
    filtered: int
    filtered_money: Money
    warnings: Mapping[str, int] = field(default_factory=dict)
    filtered_lines: tuple[tuple[int, str], ...] = ()
    present: Mapping[str, int] = field(default_factory=dict)

    @property
    def filtered_ids(self) -> list[str]:
        """The ids of those that are not wanted."""
        return [source_id for _, source_id in self.filtered_lines]


class PartMapper(Protocol):
    """The open mapping of one flow."""

    def __enter__(self) -> PartMapper: ...

    def __exit__(self, *_: object) -> None: ...

    def map_part(
        self, raw: Path, folder: Path, refused: Mapping[int, tuple[str, str]] = MappingProxyType({})
    ) -> MapResult:
        """Maps one file of raw records (JSON, one a line) to ``folder/<Object>.parquet`` per object.

        A record with a problem in any of its rows is rejected whole and is in no file. ``refused`` are records, by
        line, that are rejected whatever they hold: place and reason.
        """
        ...


class MappedRow(msgspec.Struct, frozen=True, gc=False):
    """One row of a mapped part, ready to be written: ``payload`` is the JSON of its fields, ``object`` what it is."""

    pos: int
    source_id: str
    key: str
    parent: str
    payload: str
    fingerprint: str
    amount: Decimal | None
    currency: str
    object: str = ""


_BATCH = 5_000


@cache
def _reader(process: int) -> duckdb.DuckDBPyConnection:
    """One connection per process, since opening one takes longer than reading a part."""
    return duckdb.connect()


def read_mapped(path: Path, object_name: str = "") -> list[MappedRow]:
    """The rows of one mapped file, in source order.

    Args:
        path: the file.
        object_name: what its rows are.
    """
    found: list[MappedRow] = []
    with _reader(os.getpid()).cursor() as cursor:
        cursor.execute(
            "SELECT _pos, _source_id, _key, _parent, _payload, _fingerprint, _amount, coalesce(_currency, ''), $2 "
            "FROM read_parquet($1)",
            [str(path), object_name],
        )
        # a few at a time: the garbage collector would visit every tuple of a whole part
        while rows := cursor.fetchmany(_BATCH):
            found += [MappedRow(*row) for row in rows]
    return found


def read_versions(path: Path) -> list[tuple[str, int, str, str]]:
    """Source id, line in the raw part, the source's version, and when it created the record (ISO), of a mapped file."""
    with _reader(os.getpid()).cursor() as cursor:
        cursor.execute("SELECT _source_id, _pos, _version, _created FROM read_parquet($1)", [str(path)])
        return list(cursor.fetchall())


def read_entries(path: Path) -> dict[str, str]:
    """Key to entry of a mapped file of an object with ``rows:``: the entry's key in a map, or its place from 1."""
    with _reader(os.getpid()).cursor() as cursor:
        cursor.execute("SELECT _key, _row FROM read_parquet($1)", [str(path)])
        return dict(cursor.fetchall())


def share_keys(paths: Sequence[Path]) -> bool:
    """Whether a key stands in more than one of these mapped files of one object, each of which holds a key once."""
    with _reader(os.getpid()).cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM read_parquet($1) GROUP BY _key HAVING count(*) > 1 LIMIT 1", [_texts(paths)]
        )
        return bool(cursor.fetchall())


def shared_keys(path: Path, others: Sequence[Path]) -> list[tuple[str, str]]:
    """Source id and key of the rows of a mapped file whose key stands in one of the other files too."""
    with _reader(os.getpid()).cursor() as cursor:
        cursor.execute(
            "SELECT _source_id, _key FROM read_parquet($1) "
            "WHERE _key IN (SELECT _key FROM read_parquet($2)) ORDER BY _key",
            [str(path), _texts(others)],
        )
        return list(cursor.fetchall())


def _texts(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]
