"""Compiles WHERE to a function of a row, and finds candidates by index."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from ..computed_fields import read_field
from ..datetimes import canonical_date, canonical_instant, date_literal, day_start, stamp
from ..errors import ApiError, no_such_column
from ..fields import Field
from ..ids import full_id
from ..org import Org
from ..schema import Entity
from ..store import Row
from .grammar import Comparison, Literal, Logic, pattern_text, plain_text

Getter = Callable[[Row], Any]
Predicate = Callable[[Row], bool]

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS = ("double", "currency", "int", "percent")
_TEXTS = ("string", "textarea", "phone", "url", "email", "picklist")


def getter(org: Org, entity: Entity, path: tuple[str, ...]) -> tuple[Getter, Field]:
    """A function that reads a path such as `Account.Name` from a row, and the last field of the path."""
    if len(path) > 1:
        link = entity.relation(path[0])
        if link is None:
            own = path[0].lower() == entity.name.lower()
            if own:
                return getter(org, entity, path[1:])
            raise ApiError("INVALID_FIELD", f"Didn't understand relationship '{path[0]}' in field path.")
        inner, field = getter(org, org.schema.in_body(link.refers_to), path[1:])
        table = org.store[link.refers_to]
        link_of = _own_getter(org, link)

        def parent(row: Row) -> Row | None:
            wanted = link_of(row)
            return table.rows.get(wanted) or table.recycle_bin.get(wanted)

        return lambda row: None if (up := parent(row)) is None else inner(up), field
    found = entity.field(path[0])
    if found is None:
        raise no_such_column(path[0], entity.name)
    return _own_getter(org, found), found


def _own_getter(org: Org, field: Field) -> Getter:
    if field.computed or field.type == "boolean":
        return lambda row: read_field(org.store, field, row)
    name = field.name
    return lambda row: row.get(name)


def predicate(org: Org, entity: Entity, condition: Any) -> Predicate:
    """A condition as a function of a row. Raises: ApiError for unknown fields and values of the wrong type."""
    if isinstance(condition, Comparison):
        return _comparison(org, entity, condition)
    parts = [predicate(org, entity, part) for part in condition.parts]
    if condition.operator == "NOT":
        return lambda row: not parts[0](row)
    if len(parts) == 1:
        return parts[0]
    if condition.operator == "AND":
        return lambda row: all(part(row) for part in parts)
    return lambda row: any(part(row) for part in parts)


def _comparison(org: Org, entity: Entity, comparison: Comparison) -> Predicate:
    get, field = getter(org, entity, comparison.path)
    if field.type == "textarea" and field.length > 255:
        raise ApiError("INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
    if comparison.operator == "LIKE":
        return _like(get, field, comparison.values[0])
    if any(value.kind == "range" for value in comparison.values):
        return _in_range(org, get, field, comparison)
    wanted = [_wanted(field, value) for value in comparison.values]
    fold = field.type in _TEXTS
    if comparison.operator in ("IN", "=", "NOT IN", "!="):
        negate = comparison.operator in ("NOT IN", "!=")
        return _membership(get, frozenset(wanted), fold, negate)
    return _order(get, _ORDERED[comparison.operator], wanted[0], fold)


def _membership(get: Getter, wanted: frozenset[Any], fold: bool, negate: bool) -> Predicate:
    if fold:
        plain = get
        get = lambda row: None if (value := plain(row)) is None else str(value).lower()  # noqa: E731
    if negate:
        return lambda row: get(row) not in wanted
    return lambda row: get(row) in wanted


def _order(get: Getter, compare: Callable[[Any, Any], bool], wanted: Any, fold: bool) -> Predicate:
    def test(row: Row) -> bool:
        value = get(row)
        if value is None or wanted is None:
            return False
        return compare(str(value).lower() if fold else value, wanted)

    return test


def _like(get: Getter, field: Field, literal: Literal) -> Predicate:
    if field.type not in _TEXTS or literal.kind != "text":
        raise ApiError("INVALID_FIELD", f"invalid operator on {field.type} field: {field.name}")
    pieces = []
    for found in re.finditer(r"\\[%_]|.", pattern_text(literal), re.DOTALL):
        piece = found[0]
        pieces.append({"%": ".*", "_": "."}.get(piece) or re.escape(piece[-1]))
    pattern = re.compile("".join(pieces), re.IGNORECASE | re.DOTALL)
    return lambda row: (value := get(row)) is not None and pattern.fullmatch(str(value)) is not None


def _in_range(org: Org, get: Getter, field: Field, comparison: Comparison) -> Predicate:
    literal = comparison.values[0]
    days = date_literal(str(literal.value), literal.amount, org.clock.now())
    if days is None:
        raise ApiError("MALFORMED_QUERY", f"unexpected token: {literal.value}")
    if field.type not in ("date", "datetime"):
        raise _mismatch(field)
    as_text: Callable[[Any], str] = (
        (lambda day: str(day.isoformat())) if field.type == "date" else (lambda day: stamp(day_start(day)))
    )
    first, end = as_text(days[0]), as_text(days[1])
    tests: dict[str, Predicate] = {
        "=": lambda row: (v := get(row)) is not None and first <= v < end,
        "!=": lambda row: (v := get(row)) is None or not first <= v < end,
        "<": lambda row: (v := get(row)) is not None and v < first,
        "<=": lambda row: (v := get(row)) is not None and v < end,
        ">": lambda row: (v := get(row)) is not None and v >= end,
        ">=": lambda row: (v := get(row)) is not None and v >= first,
    }
    if comparison.operator not in tests:
        raise ApiError("MALFORMED_QUERY", f"a date literal cannot be used with {comparison.operator}")
    return tests[comparison.operator]


def _mismatch(field: Field) -> ApiError:
    quoted = " and should be enclosed in quotes" if field.type in (*_TEXTS, "id", "reference") else ""
    return ApiError(
        "INVALID_FIELD",
        f"value of filter criterion for field '{field.name}' must be of type {field.type}{quoted}",
    )


def _wanted(field: Field, literal: Literal) -> Any:
    """The literal, converted to the type of the field."""
    if literal.kind == "null":
        return None
    value = _converted(field, literal)
    if value is None:
        raise _mismatch(field)
    return value


def _converted(field: Field, literal: Literal) -> Any:
    kind = literal.kind
    if field.type in _TEXTS and kind == "text":
        return plain_text(literal).lower()
    if field.type in ("id", "reference") and kind == "text":
        return _wanted_id(field, plain_text(literal))
    if field.type in _NUMBERS and kind == "number":
        return Decimal(str(literal.value))
    if field.type == "boolean" and kind == "boolean":
        return literal.value
    if field.type == "date" and kind == "date":
        return canonical_date(str(literal.value))
    if field.type == "datetime" and kind == "datetime":
        return canonical_instant(str(literal.value))
    if field.type == "datetime" and kind == "date":
        return None if (day := canonical_date(str(literal.value))) is None else _midnight(day)
    return None


def _midnight(day: str) -> str:
    return stamp(day_start(datetime.fromisoformat(day).date()))


def _wanted_id(field: Field, text: str) -> str:
    found = full_id(text)
    if found is None:
        raise ApiError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}")
    return found


def candidates(org: Org, entity: Entity, condition: Any) -> list[str] | None:
    """Ids from an index that include all matches; None if a scan is needed."""
    if isinstance(condition, Logic):
        if condition.operator in ("OR", "NOT"):
            return None
        found = [candidates(org, entity, part) for part in condition.parts]
        return min((one for one in found if one is not None), key=len, default=None)
    if not isinstance(condition, Comparison) or condition.operator not in ("=", "IN"):
        return None
    field = entity.field(condition.path[0]) if len(condition.path) == 1 else None
    table = org.store[entity.name]
    if field is None or not table.is_indexed(field.name):
        return None
    if any(value.kind != "text" for value in condition.values):
        return None
    wanted = dict.fromkeys(_wanted(field, value) for value in condition.values)
    return [one for value in wanted for one in table.find(field.name, value)]
