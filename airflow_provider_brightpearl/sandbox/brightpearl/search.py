"""Resource search: filters, sort, pages and metadata over any collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import id_sets
from .call import Call, Failure
from .collection import Collection, Record
from .search_columns import REFERENCES, Column

_RESERVED = {"columns", "sort", "pageSize", "firstResult", "countOnly"}
MOST = 500


@dataclass(frozen=True, slots=True)
class Search:
    """One search: what it looks through, which columns it has, and how a record reads as a row."""

    collection: str
    columns: tuple[Column, ...]
    row: Callable[[Record], Record]
    only: Callable[[Record], bool] | None = None
    preset: dict[str, str] | None = None
    refs: tuple[str, ...] = ()  # columns whose text ends with the id of a generated record


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter that was understood: by numeric ranges, or by a test of the value."""

    column: str
    ranges: tuple[tuple[float, float], ...] | None
    test: Callable[[Any], bool]
    text: str


def run(search: Search, call: Call) -> Record:
    """The answer of one search."""
    known = {column.name: column for column in search.columns}
    filters = [
        _filter(call, known, name, value) for name, value in call.query.items() if name not in _RESERVED
    ]
    shown = _shown(search, call, known)
    sorting = _sorting(search, call, known)
    ids = _found(search, call, filters, sorting)
    return _page(search, call, ids, shown, sorting)


def metadata(search: Search, call: Call) -> Record:
    """Only the columns and the default sort."""
    shown = [column for column in search.columns if column.shown]
    sorting = [(shown[0], "ASC")]
    return {"response": {"metaData": _meta(shown, sorting)}}


def _shown(search: Search, call: Call, known: dict[str, Column]) -> list[Column]:
    wanted = call.query.get("columns")
    if not wanted:
        return [column for column in search.columns if column.shown]
    for name in wanted.split(","):
        if name not in known or not known[name].shown:
            raise _unknown(f"Unknown column: {name}")
    return [known[name] for name in wanted.split(",")]


def _sorting(search: Search, call: Call, known: dict[str, Column]) -> list[tuple[Column, str]]:
    found = []
    for part in filter(None, call.query.get("sort", "").split(",")):
        name, _, direction = part.replace("|", ".").partition(".")
        direction = (direction or "ASC").upper()
        if name not in known or not known[name].sortable or direction not in ("ASC", "DESC"):
            raise _unknown(f"Cannot sort by: {part}")
        found.append((known[name], direction))
    return found or [(search.columns[0], "ASC")]


def _unknown(message: str) -> Failure:
    return Failure(400, "CMNC-017", message)  # INFERRED: the reference has no example of this error


def _filter(call: Call, known: dict[str, Column], name: str, value: str) -> Filter:
    column = known.get(name)
    if column is None or not column.filterable:
        raise _unknown(f"Unknown parameter: {name}")
    built = _built(call, column, value)
    if built is None:
        message = f"The filter {name}={value} cannot be parsed as: {column.kind}"
        raise Failure(500, "CMNC-018", message)
    return built


def _built(call: Call, column: Column, value: str) -> Filter | None:
    text = f"{column.name}={value}"
    if column.kind in ("IDSET", "INTEGER"):
        found = id_sets.parse(value) if column.kind == "IDSET" or value != "0" else [(0, 0)]
        if value == "0":
            found = [(0, 0)]
        return None if found is None else _numeric(column.name, found, text)
    if column.kind == "PERIOD":
        return _period(call, column.name, value, text)
    if column.kind == "BOOLEAN":
        if value not in ("true", "false"):
            return None
        return Filter(column.name, None, lambda is_set: bool(is_set) == (value == "true"), text)
    if column.kind == "STRING_SET":
        return Filter(column.name, None, lambda held: str(held) in value.split("."), text)
    if column.kind == "SEARCH_STRING":
        needle = value.casefold()
        return Filter(column.name, None, lambda held: _contains(held, needle), text)
    return Filter(column.name, None, lambda held: held is not None and str(held) == value, text)


def _numeric(name: str, ranges: Iterable[tuple[float, float]], text: str) -> Filter:
    spans = tuple(ranges)

    def test(held: Any) -> bool:
        values = held if isinstance(held, list) else [held]
        return any(
            first <= one <= last for one in values if isinstance(one, int | float) for first, last in spans
        )

    return Filter(name, spans, test, text)


def _contains(held: Any, needle: str) -> bool:
    values = held if isinstance(held, list) else [held]
    return any(needle in str(one).casefold() for one in values if one is not None)


def _period(call: Call, name: str, value: str, text: str) -> Filter | None:
    settings, zone = call.world.settings, call.world.zone
    if settings["encoded_slash"] == "reject" and "%2f" in call.raw_query.lower():
        return None
    found = zone.period(value)
    if found is None:
        return None
    # INFERRED, hence switchable: whether an instant exactly on a boundary belongs to the period.
    inch = 0.0005
    first, last = found
    low = 1.0 if first is None else first + (0 if settings["period_start_inclusive"] else inch)
    high = 4e18 if last is None else last - (0 if settings["period_end_inclusive"] else inch)
    if first is not None and first == last:
        low, high = first, first

    def test(held: Any) -> bool:
        instant = zone.read(held)
        return instant is not None and low <= instant <= high

    return Filter(name, ((low, high),), test, text)


def _found(search: Search, call: Call, filters: list[Filter], sorting: list[tuple[Column, str]]) -> Any:
    """Ascending or sorted ids of everything that passes; the last few results are remembered."""
    source = call.world.collections[search.collection]
    order = tuple((column.name, direction) for column, direction in sorting)
    key = (search.collection, search.columns[0].name, tuple(f.text for f in filters), order, source.version)
    memory = call.world.searches
    if key not in memory:
        while len(memory) >= 8:
            memory.pop(next(iter(memory)))
        memory[key] = _sorted(search, call, source, _passing(search, call, source, filters), sorting)
    return memory[key]


def _passing(search: Search, call: Call, source: Collection, filters: list[Filter]) -> Any:
    mask, rest = _masked(search, source, filters)
    ids = source.base.ids[mask]
    if rest or search.only:
        rest_only = search.only if not _typed(search, source) else None
        ids = np.array(
            [id for id in ids.tolist() if _passes(search, source, id, rest, rest_only)], dtype=np.int64
        )
    own = [id for id in source.changed if _passes(search, source, id, filters, search.only)]
    return np.sort(np.concatenate([ids, np.array(own, dtype=np.int64)])) if own else ids


def _masked(search: Search, source: Collection, filters: list[Filter]) -> tuple[Any, list[Filter]]:
    columns, rest = source.base.columns, []
    mask = source.untouched()
    for column, value in (search.preset or {}).items():
        if column in columns:
            mask &= columns[column] == int(value)
    for one in filters:
        values = columns.get(one.column)
        if values is None and one.column == search.columns[0].name:
            values = source.base.ids
        if values is not None and one.ranges is not None:
            mask &= np.logical_or.reduce([(values >= low) & (values <= high) for low, high in one.ranges])
        else:
            rest.append(one)
            if one.column in search.refs:
                mask &= _pointed(source, one.text)
    return mask, rest


def _pointed(source: Collection, text: str) -> Any:
    # A generated reference ends in the id of its order: no need to make every order to find it.
    tail = text.rsplit("-", 1)[-1]
    return source.base.ids == (int(tail) if tail.isdigit() and len(tail) < 18 else -1)


def _typed(search: Search, source: Collection) -> bool:
    return bool(search.preset) and all(name in source.base.columns for name in search.preset or {})


def _passes(
    search: Search, source: Collection, id: int, filters: list[Filter], only: Callable[[Record], bool] | None
) -> bool:
    record = source.get(id)
    if record is None or (only is not None and not only(record)):
        return False
    row = search.row(record)
    return all(one.test(row.get(one.column)) for one in filters)


def _sorted(
    search: Search, call: Call, source: Collection, ids: Any, sorting: list[tuple[Column, str]]
) -> Any:
    for column, direction in reversed(sorting):
        if column is search.columns[0]:
            values = ids
        else:
            values = _values(search, call, source, ids, column)
        order = np.argsort(values, kind="stable")
        if direction == "DESC":  # stable as well: ties stay in the order they had
            order = len(ids) - 1 - np.argsort(values[::-1], kind="stable")[::-1]
        ids = ids[order]
    return ids


def _values(search: Search, call: Call, source: Collection, ids: Any, column: Column) -> Any:
    held = source.base.columns.get(column.name)
    if held is not None and not source.changed:
        return held[np.searchsorted(source.base.ids, ids)]
    found = [search.row(source.get(id) or {}).get(column.name) for id in ids.tolist()]
    if column.kind == "PERIOD":
        return np.array([call.world.zone.read(value) or 0.0 for value in found])
    if all(isinstance(value, int | float) for value in found):
        return np.array(found)
    return np.array([str(value or "") for value in found])


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdigit() or int(text) < 1:
        raise Failure(500, "CMNC-018", f"The parameter {name}={text} cannot be parsed as: INTEGER")
    return int(text)


def _page(
    search: Search, call: Call, ids: Any, shown: list[Column], sorting: list[tuple[Column, str]]
) -> Record:
    size = min(_number(call, "pageSize", MOST), MOST)
    first = _number(call, "firstResult", 1)
    if call.query.get("countOnly") == "true":
        return {"response": {"metaData": {"resultsAvailable": len(ids)}}}  # INFERRED shape
    results = _results(search, call, ids[first - 1 : first - 1 + size], shown)
    return {
        "response": {"results": results, "metaData": _counts(ids, first, results) | _meta(shown, sorting)},
        "reference": _reference(shown, results),
    }


def _results(search: Search, call: Call, ids: Any, shown: list[Column]) -> list[list[Any]]:
    source = call.world.collections[search.collection]
    held = {search.columns[0].name: source.base.ids, **source.base.columns}
    arrays = [held.get(column.name) for column in shown]
    quick = all(array is not None for array in arrays)
    places = np.searchsorted(source.base.ids, ids).tolist() if quick else [0] * len(ids)
    found = []
    for id, place in zip(ids.tolist(), places, strict=True):
        if quick and id not in source.changed:  # every column is beside the ids: no need to make the record
            cells = (array.item(place) for array in arrays if array is not None)
            found.append([_cell(call, column, cell) for column, cell in zip(shown, cells, strict=True)])
        else:
            row = search.row(source.get(id) or {})
            found.append([row.get(column.name) for column in shown])
    return found


def _cell(call: Call, column: Column, value: int) -> Any:
    if column.kind != "PERIOD":
        return value
    return call.world.zone.text(value) if value else None


def _counts(ids: Any, first: int, results: list[Any]) -> Record:
    last = first - 1 + len(results)
    found: Record = {
        "morePagesAvailable": last < len(ids) and bool(results),
        "resultsAvailable": len(ids),
        "resultsReturned": len(results),
    }
    return found | ({"firstResult": first, "lastResult": last} if results else {})


def _meta(shown: list[Column], sorting: list[tuple[Column, str]]) -> Record:
    return {
        "columns": [column.described() for column in shown],
        "sorting": [{"filterable": column.described(), "direction": way} for column, way in sorting],
    }


def _reference(shown: list[Column], results: list[list[Any]]) -> Record:
    found = {}
    for place, column in enumerate(shown):
        if column.reference:
            names, held = REFERENCES[column.reference], {str(row[place]) for row in results}
            found[column.reference] = {key: name for key, name in names.items() if key in held}
    return found
