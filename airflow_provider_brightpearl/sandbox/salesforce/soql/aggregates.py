"""GROUP BY and aggregate functions (reference, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ..errors import ApiError
from ..org import Org
from ..schema import Entity
from ..store import Row
from .conditions import Getter, getter
from .grammar import Column, Query

Reduce = Callable[[list[Row]], Any]
_FUNCTIONS = ("COUNT", "COUNT_DISTINCT", "SUM", "MIN", "MAX", "AVG")
MAX_RECORDS = 2000


def is_aggregate(query: Query) -> bool:
    """True if the query returns AggregateResult records."""
    bare_count = query.columns[0].function == "COUNT" and not query.columns[0].path
    functions = any(column.function in _FUNCTIONS for column in query.columns)
    return bool(query.group) or (functions and not (bare_count and len(query.columns) == 1))


def aggregate(org: Org, entity: Entity, query: Query, rows: list[Row]) -> list[Row]:
    """One record per group. Raises: ApiError for a column that is neither grouped nor aggregated."""
    keys = [getter(org, entity, path)[0] for path in query.group]
    grouped = {tuple(part.lower() for part in path) for path in query.group}
    columns = _columns(org, entity, query.columns, grouped)
    groups: dict[tuple[Any, ...], list[Row]] = {} if query.group else {(): rows}
    if query.group:
        for row in rows:
            groups.setdefault(tuple(key(row) for key in keys), []).append(row)
    if len(groups) > MAX_RECORDS:
        raise ApiError(
            "EXCEEDED_ID_LIMIT", "Aggregate query has too many rows for direct assignment, use LIMIT"
        )
    made = [
        {"attributes": {"type": "AggregateResult"}, **{name: value(members) for name, value in columns}}
        for members in _ordered(org, entity, query, list(groups.values()))
    ]
    return made


def _ordered(org: Org, entity: Entity, query: Query, groups: list[list[Row]]) -> list[list[Row]]:
    for term in reversed(query.order):
        aliased = next((c for c in query.columns if c.alias and (c.alias,) == term.column.path), term.column)
        value = _reducer(org, entity, aliased) if aliased.function else _first(org, entity, aliased)
        empty = [group for group in groups if value(group) is None]
        full = sorted((g for g in groups if value(g) is not None), key=value, reverse=term.descending)
        groups = full + empty if term.nulls_last else empty + full
    return groups


def _columns(
    org: Org, entity: Entity, columns: tuple[Column, ...], grouped: set[tuple[str, ...]]
) -> list[tuple[str, Reduce]]:
    found: list[tuple[str, Reduce]] = []
    unnamed = 0
    for column in columns:
        if column.function:
            name = column.alias or f"expr{unnamed}"
            unnamed += not column.alias
            found.append((name, _reducer(org, entity, column)))
            continue
        if tuple(part.lower() for part in column.path) not in grouped:
            path = ".".join(column.path)
            raise ApiError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {path}")
        found.append((column.alias or getter(org, entity, column.path)[1].name, _first(org, entity, column)))
    return found


def _first(org: Org, entity: Entity, column: Column) -> Reduce:
    get = getter(org, entity, column.path)[0]
    return lambda members: get(members[0]) if members else None


def _reducer(org: Org, entity: Entity, column: Column) -> Reduce:
    if column.function not in _FUNCTIONS:
        raise ApiError("MALFORMED_QUERY", f"unknown function: {column.function}")
    if not column.path:
        return len
    get, field = getter(org, entity, column.path)
    if column.function in ("SUM", "AVG") and field.type not in ("double", "currency", "int", "percent"):
        raise ApiError("MALFORMED_QUERY", f"field {field.name} does not support aggregate {column.function}")
    return lambda members: _reduce(column.function, _values(get, members))


def _values(get: Getter, members: list[Row]) -> list[Any]:
    return [value for row in members if (value := get(row)) is not None]


def _reduce(function: str, values: list[Any]) -> Any:
    if function == "COUNT":
        return len(values)
    if function == "COUNT_DISTINCT":
        return len(set(values))
    if not values:
        return None
    if function == "SUM":
        return sum(values)
    if function == "AVG":
        return sum(values) / Decimal(len(values))
    return min(values) if function == "MIN" else max(values)
