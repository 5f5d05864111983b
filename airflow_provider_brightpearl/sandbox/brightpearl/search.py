"""Resource search: filtering, sorting, paging and metadata over any collection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..settings import int_setting
from .call import Call, ServiceError
from .collection import Collection, Record
from .search_columns import REFERENCES, Column
from .search_filters import Filter, bad_parameter, parse_filter

_RESERVED = {"columns", "sort", "pageSize", "firstResult", "lastResult", "countOnly"}


@dataclass(frozen=True, slots=True)
class Search:
    """One search: its collection, its columns, and how a record becomes a row."""

    collection: str
    columns: tuple[Column, ...]
    row: Callable[[Record], Record]
    only: Callable[[Record], bool] | None = None
    preset: dict[str, str] | None = None
    members: Callable[[Record], list[int]] | None = None  # what the reference of the first column lists
    refs: tuple[str, ...] = ()  # columns whose generated values end in the id of their record


def run(search: Search, call: Call) -> Record:
    """The response of a search. Raises: ServiceError."""
    known = {column.name: column for column in search.columns}
    filters = [
        parse_filter(call, known, name, value) for name, value in call.query.items() if name not in _RESERVED
    ]
    shown = _selected_columns(search, call, known)
    sorting = _parse_sorting(search, call, known)
    ids = _matching_ids(search, call, filters, sorting)
    return _result_page(search, call, ids, shown, sorting)


def metadata(search: Search, call: Call) -> Record:
    """The response of `/meta-data`: the columns and the default sort."""
    shown = [column for column in search.columns if column.shown]
    sorting = [(shown[0], "ASC")]
    return {"response": {"metaData": _metadata(shown, sorting)}}


def _selected_columns(search: Search, call: Call, known: dict[str, Column]) -> list[Column]:
    wanted = call.query.get("columns")
    if not wanted:
        return [column for column in search.columns if column.shown]
    for name in wanted.split(","):
        if name not in known or not known[name].shown:
            raise bad_parameter(f"Unknown column: {name}")
    return [known[name] for name in wanted.split(",")]


def _parse_sorting(search: Search, call: Call, known: dict[str, Column]) -> list[tuple[Column, str]]:
    found = []
    for part in filter(None, call.query.get("sort", "").split(",")):
        name, _, direction = part.replace("|", ".").partition(".")
        direction = (direction or "ASC").upper()
        if name not in known or not known[name].sortable or direction not in ("ASC", "DESC"):
            raise bad_parameter(f"Cannot sort by: {part}")
        found.append((known[name], direction))
    return found or [(search.columns[0], "ASC")]


def _matching_ids(
    search: Search, call: Call, filters: list[Filter], sorting: list[tuple[Column, str]]
) -> Any:
    """The sorted ids that match; the last few results are cached."""
    source = call.account.collections[search.collection]
    order = tuple((column.name, direction) for column, direction in sorting)
    key = (search.collection, search.columns[0].name, tuple(f.text for f in filters), order, source.version)
    memory = call.account.searches
    if key not in memory:
        while len(memory) >= 8:
            memory.pop(next(iter(memory)))
        memory[key] = _sort_ids(search, call, source, _filter_ids(search, call, source, filters), sorting)
    return memory[key]


def _filter_ids(search: Search, call: Call, source: Collection, filters: list[Filter]) -> Any:
    mask, rest = _mask_generated(search, source, filters)
    ids = source.generated.ids[mask]
    if rest or search.only:
        rest_only = search.only if not _preset_is_column(search, source) else None
        ids = np.array(
            [id for id in ids.tolist() if _record_matches(search, source, id, rest, rest_only)],
            dtype=np.int64,
        )
    own = [id for id in source.changed if _record_matches(search, source, id, filters, search.only)]
    return np.sort(np.concatenate([ids, np.array(own, dtype=np.int64)])) if own else ids


def _mask_generated(search: Search, source: Collection, filters: list[Filter]) -> tuple[Any, list[Filter]]:
    columns, rest = source.generated.columns, []
    mask = source.untouched()
    for column, value in (search.preset or {}).items():
        if column in columns:
            mask &= columns[column] == int(value)
    for number in filters:
        values = columns.get(number.column)
        if values is None and number.column == search.columns[0].name:
            values = source.generated.ids
        if values is not None and number.ranges is not None:
            mask &= np.logical_or.reduce([(values >= low) & (values <= high) for low, high in number.ranges])
        else:
            rest.append(number)
            if number.column in search.refs:
                mask &= _reference_mask(source, number.text)
    return mask, rest


def _reference_mask(source: Collection, text: str) -> Any:
    # A generated reference ends in the id of its order, so the order is found without generating all of them.
    tail = text.rsplit("-", 1)[-1]
    return source.generated.ids == (int(tail) if tail.isdigit() and len(tail) < 18 else -1)


def _preset_is_column(search: Search, source: Collection) -> bool:
    return bool(search.preset) and all(name in source.generated.columns for name in search.preset or {})


def _record_matches(
    search: Search, source: Collection, id: int, filters: list[Filter], only: Callable[[Record], bool] | None
) -> bool:
    record = source.get(id)
    if record is None or (only is not None and not only(record)):
        return False
    row = search.row(record)
    return all(number.test(row.get(number.column)) for number in filters)


def _sort_ids(
    search: Search, call: Call, source: Collection, ids: Any, sorting: list[tuple[Column, str]]
) -> Any:
    for column, direction in reversed(sorting):
        if column is search.columns[0]:
            values = ids
        else:
            values = _sort_values(search, call, source, ids, column)
        order = np.argsort(values, kind="stable")
        if direction == "DESC":  # stable as well: ties keep their order
            order = len(ids) - 1 - np.argsort(values[::-1], kind="stable")[::-1]
        ids = ids[order]
    return ids


def _sort_values(search: Search, call: Call, source: Collection, ids: Any, column: Column) -> Any:
    value = source.generated.columns.get(column.name)
    if value is not None and not source.changed:
        return value[np.searchsorted(source.generated.ids, ids)]
    found = [search.row(source.get(id) or {}).get(column.name) for id in ids.tolist()]
    if column.kind == "PERIOD":
        return np.array([call.account.zone.parse(value) or 0.0 for value in found])
    if all(isinstance(value, int | float) for value in found):
        return np.array(found)
    return np.array([str(value or "") for value in found])


def _positive_int(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdigit() or int(text) < 1:
        raise ServiceError(500, "CMNC-018", f"The parameter {name}={text} cannot be parsed as: INTEGER")
    return int(text)


def _result_page(
    search: Search, call: Call, ids: Any, shown: list[Column], sorting: list[tuple[Column, str]]
) -> Record:
    most = int_setting(call.account.settings, "page_max")
    size = min(_positive_int(call, "pageSize", most), most)
    first = _positive_int(call, "firstResult", 1)
    if call.query.get("countOnly") == "true":
        return {"response": {"metaData": {"resultsAvailable": len(ids)}}}  # INFERRED shape
    results = _result_rows(search, call, ids[first - 1 : first - 1 + size], shown)
    return {
        "response": {
            "results": results,
            "metaData": _page_counts(ids, first, results) | _metadata(shown, sorting),
        },
        "reference": _references(search, call, shown, results),
    }


def _result_rows(search: Search, call: Call, ids: Any, shown: list[Column]) -> list[list[Any]]:
    source = call.account.collections[search.collection]
    value = {search.columns[0].name: source.generated.ids, **source.generated.columns}
    arrays = [value.get(column.name) for column in shown]
    quick = all(array is not None for array in arrays)
    places = np.searchsorted(source.generated.ids, ids).tolist() if quick else [0] * len(ids)
    found = []
    for id, index in zip(ids.tolist(), places, strict=True):
        if quick and id not in source.changed:  # all columns are arrays: no need to generate the record
            cells = (array.item(index) for array in arrays if array is not None)
            found.append([_cell_value(call, column, cell) for column, cell in zip(shown, cells, strict=True)])
        else:
            row = search.row(source.get(id) or {})
            found.append([row.get(column.name) for column in shown])
    return found


def _cell_value(call: Call, column: Column, value: int) -> Any:
    if column.kind != "PERIOD":
        return value
    return call.account.zone.format(value) if value else None


def _page_counts(ids: Any, first: int, results: list[Any]) -> Record:
    last = first - 1 + len(results)
    found: Record = {
        "morePagesAvailable": last < len(ids) and bool(results),
        "resultsAvailable": len(ids),
        "resultsReturned": len(results),
    }
    return found | ({"firstResult": first, "lastResult": last} if results else {})


def _metadata(shown: list[Column], sorting: list[tuple[Column, str]]) -> Record:
    return {
        "columns": [column.described() for column in shown],
        "sorting": [{"filterable": column.described(), "direction": way} for column, way in sorting],
    }


def _references(search: Search, call: Call, shown: list[Column], results: list[list[Any]]) -> Record:
    """What the codes on a page mean: names by id, and the categories of each product."""
    found: Record = {}
    for index, column in enumerate(shown):
        if column.reference and search.members is not None:
            source = call.account.collections[search.collection]
            ids = [row[index] for row in results]
            found[column.reference] = {str(id): search.members(source.get(id) or {}) for id in ids}
        elif column.reference:
            names, value = REFERENCES[column.reference], {str(row[index]) for row in results}
            found[column.reference] = {key: name for key, name in names.items() if key in value}
    return found
