"""The compiled form of a flow: the SQL of its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_brightpearl.core.schema import ListOf, MapOf, Path, Schema
from airflow_provider_brightpearl.mapping.expressions import Call, Check


@dataclass(frozen=True, slots=True)
class CompiledObject:
    """The SQL pieces of one object."""

    name: str
    rows: MapOf | ListOf | None
    rows_path: Path
    row_paths: tuple[Path, ...]
    where: str
    distinct_on: tuple[str, ...]
    key: str
    parent: str
    fields: Mapping[str, str]
    calls: tuple[Call, ...]
    checks: tuple[tuple[str, Check], ...]
    where_checks: tuple[Check, ...]
    warnings: tuple[tuple[str, Check], ...] = ()
    # those of ``where``, whose rows are mostly left out and are in no table then
    where_warnings: tuple[tuple[str, Check], ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledFlow:
    """All objects of a flow, and the part of the stream's schema they use."""

    objects: tuple[CompiledObject, ...]
    columns: Schema
    paths: tuple[Path, ...]
    amount: str
    currency: str


def column_name(prefix: str, path: Path) -> str:
    """The quoted name under which a path is a column."""
    return f'"{prefix}{".".join(path)}"'
