"""Runs queries: selects and sorts rows, and renders them as records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...settings import int_setting
from ..errors import ApiError
from ..fields import Field
from ..org import Org
from ..schema import Entity
from ..store import Row
from .aggregates import aggregate, is_aggregate
from .conditions import Getter, candidates, getter, predicate
from .grammar import Column, Query, Sort, parse

Show = Callable[[Row, str], Row]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows of a query, with a function that renders one below the base path of a version."""

    rows: list[Row]
    total: int
    show: Show
    names: list[str]  # the columns in the order of the SELECT


def run_query(org: Org, text: str, include_deleted: bool) -> QueryResult:
    """Run a query. Raises: ApiError MALFORMED_QUERY, INVALID_TYPE or INVALID_FIELD."""
    query = parse(text)
    entity = org.schema.in_body(query.source)
    return run_parsed_query(org, entity, query, include_deleted, None)


def run_parsed_query(
    org: Org, entity: Entity, query: Query, include_deleted: bool, only: list[str] | None
) -> QueryResult:
    """Run a parsed query over all rows of an object, or over those with some ids."""
    if query.offset > int_setting(org.settings, "max_offset"):
        most = int_setting(org.settings, "max_offset")
        raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {most}")
    rows = _matching(org, entity, query, include_deleted, only)
    if is_aggregate(query):
        made = aggregate(org, entity, query, rows)
        cut = made[query.offset :][: query.limit]
        return QueryResult(cut, len(cut), lambda row, base: row, [])
    if len(query.columns) == 1 and query.columns[0].function == "COUNT" and not query.columns[0].path:
        total = len(rows) if query.limit is None else min(len(rows), query.limit)
        return QueryResult([], total, lambda row, base: row, [])
    columns = _expanded(entity, query)
    show = _renderer(org, entity, columns, include_deleted)
    rows = sort_rows(rows, [(getter(org, entity, s.column.path), s) for s in query.order])
    if query.offset or query.limit is not None:
        rows = rows[query.offset :][: query.limit]
    return QueryResult(rows, len(rows), show, [".".join(column.path) for column in columns])


def _matching(
    org: Org, entity: Entity, query: Query, include_deleted: bool, only: list[str] | None
) -> list[Row]:
    test = predicate(org, entity, query.where) if query.where is not None else None
    table = org.store[entity.name]
    near = candidates(org, entity, query.where) if only is None else only
    live: Iterable[Row]
    live = table.rows.values() if near is None else [table.rows[one] for one in near if one in table.rows]
    rows = list(live) if test is None else [row for row in live if test(row)]
    if include_deleted:
        binned = [row for row in table.recycle_bin.values() if only is None or row["Id"] in only]
        rows += [row for row in binned if test is None or test(row)]
    return rows


def _expanded(entity: Entity, query: Query) -> tuple[Column, ...]:
    columns: list[Column] = []
    for column in query.columns:
        if column.function != "FIELDS":
            if column.function:
                raise ApiError("MALFORMED_QUERY", f"unexpected token: {column.function}")
            columns.append(column)
            continue
        which = column.path[0].upper() if column.path else ""
        if which != "STANDARD" and (query.limit is None or query.limit > 200):
            raise ApiError("MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")
        for field in entity.fields.values():
            if which == "ALL" or (which == "CUSTOM") == field.custom:
                columns.append(Column((field.name,)))
    paths = [tuple(part.lower() for part in column.path) for column in columns if not column.child]
    if len(set(paths)) != len(paths):
        raise ApiError("INVALID_FIELD", "duplicate field selected")
    return tuple(columns)


def sort_rows(rows: list[Row], terms: list[tuple[tuple[Getter, Field], Sort]]) -> list[Row]:
    """Rows sorted by all terms; nulls are first unless the query says otherwise."""
    for (get, field), term in reversed(terms):
        empty = [row for row in rows if get(row) is None]
        full = [row for row in rows if get(row) is not None] if empty else rows
        text = field.type in ("string", "textarea", "picklist", "email", "phone", "url")
        key: Getter = (lambda row, get=get: str(get(row)).lower()) if text else get  # type: ignore[misc]
        full = sorted(full, key=key, reverse=term.descending)
        rows = full + empty if term.nulls_last else empty + full
    return rows


def _renderer(org: Org, entity: Entity, columns: Iterable[Column], include_deleted: bool) -> Show:
    own: list[tuple[str, Callable[[Row, str], Any]]] = []
    parents: dict[str, tuple[Field, list[Column]]] = {}
    for column in columns:
        if column.child is not None:
            own.append(_child(org, entity, column.child, include_deleted))
        elif len(column.path) == 1 or column.path[0].lower() == entity.name.lower():
            get, field = getter(org, entity, column.path)
            own.append((field.name, _plain(get)))
        else:
            link = entity.relation(column.path[0])
            if link is None:
                raise ApiError(
                    "INVALID_FIELD", f"Didn't understand relationship '{column.path[0]}' in field path."
                )
            wanted = parents.setdefault(link.relationship, (link, []))
            wanted[1].append(Column(column.path[1:]))
    for name, (link, inner) in parents.items():
        own.append((name, _parent(org, entity, link, inner, include_deleted)))
    prefix = f"/sobjects/{entity.name}/"

    def show(row: Row, base: str) -> Row:
        shown: Row = {"attributes": {"type": entity.name, "url": f"{base}{prefix}{row['Id']}"}}
        for name, value in own:
            shown[name] = value(row, base)
        return shown

    return show


def _plain(get: Getter) -> Callable[[Row, str], Any]:
    return lambda row, base: get(row)


def _parent(
    org: Org, entity: Entity, link: Field, inner: list[Column], include_deleted: bool
) -> Callable[[Row, str], Any]:
    target = org.schema.in_body(link.refers_to)
    show = _renderer(org, target, inner, include_deleted)
    get, _ = getter(org, entity, (link.name,))
    table = org.store[target.name]

    def parent(row: Row, base: str) -> Any:
        up = table.rows.get(get(row)) or (table.recycle_bin.get(get(row)) if include_deleted else None)
        return None if up is None else show(up, base)

    return parent


def _child(
    org: Org, entity: Entity, query: Query, include_deleted: bool
) -> tuple[str, Callable[[Row, str], Any]]:
    child, field = _relationship(org, entity, query.source)
    table = org.store[child.name]

    def related(row: Row, base: str) -> Any:
        if table.is_indexed(field.name):
            ids = table.find(field.name, row["Id"])
        else:
            ids = [one["Id"] for one in table.rows.values() if one.get(field.name) == row["Id"]]
        if include_deleted:
            ids += [one["Id"] for one in table.recycle_bin.values() if one.get(field.name) == row["Id"]]
        found = run_parsed_query(org, child, query, include_deleted, ids)
        records = [found.show(one, base) for one in found.rows]
        return {"totalSize": found.total, "done": True, "records": records} if records else None

    return field.children, related


def _relationship(org: Org, entity: Entity, name: str) -> tuple[Entity, Field]:
    for child, field in org.schema.children_of(entity.name):
        if field.children.lower() == name.lower():
            return child, field
    raise ApiError("INVALID_TYPE", f"Didn't understand relationship '{name}' in FROM part of query call.")
