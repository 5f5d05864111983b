"""The queries of a compiled flow: one per object and batch, with the checks that reject a row.

Queries read ``rec``: one row a record, with ``_pos``, ``_source_id``, and each path that the mapping uses as a
column of its own (``"totalValue.net"``), typed and, as ``"_raw_totalValue.net"``, as text: flat columns are cheap to
join, nested ones are not. They give ``_pos, _source_id, _version, _created, _row, _row_no, _key, _parent``, the
fields, and ``_bad`` where a check fails; what the checks say is a second query over the bad rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from airflow_provider_brightpearl.core.schema import (
    Column,
    ListOf,
    MapOf,
    Path,
    Schema,
    StreamSchema,
    decimals,
    find,
    inexact,
    sql_type,
)
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.mapping.compiled import CompiledFlow, CompiledObject, column_name
from airflow_provider_brightpearl.mapping.expressions import BOUND, SOURCE_OF, Call, Check
from airflow_provider_brightpearl.mapping.syntax import quoted

_OF_CALL = re.compile(r"\b_[kfcs](\d+)\b")
META = ("_pos", "_source_id", "_version", "_created", "_row", "_row_no", "_key", "_parent")


def _access(base: str, path: Path) -> str:
    for name in path:
        base = f"struct_extract({base}, '{name}')"
    return base


def raw_columns(compiled: CompiledFlow) -> dict[str, Column]:
    """The columns of the raw table by quoted name: each path that the mapping uses, its leaves as text."""
    return {column_name("_raw_", path): find(compiled.columns, path) for path in compiled.paths}


def maybe_rounded(column: Column, access: str, depth: int = 0) -> Iterator[str]:
    """SQL conditions under which a number or JSON of a raw column, at any depth, may have lost digits or would."""
    if isinstance(column, str):
        if inexact(column):
            # DuckDB reads 12345678901234.5678 as floating point, which holds 15 digits; money has at most six decimals.
            # The length is asked first, as few texts are long and expressions take time.
            text = f"CAST({access} AS VARCHAR)"
            yield f"(strlen({text}) > 10 AND regexp_matches({text}, '[0-9]{{10}}[.e]'))"
        if (places := decimals(column)) is not None:
            # a cast would round
            yield f"position('.' IN {access}) BETWEEN 1 AND strlen({access}) - {places + 1}"
            yield f"contains({access}, 'e-') OR contains({access}, 'E-')"
    elif isinstance(column, (MapOf, ListOf)):
        if conditions := list(maybe_rounded(column.entry, f"e{depth}", depth + 1)):
            entries = f"map_values({access})" if isinstance(column, MapOf) else access
            yield f"list_bool_or(list_transform({entries}, lambda e{depth}: {' OR '.join(conditions)}))"
    else:
        for name, child in column.items():
            yield from maybe_rounded(child, _access(access, (name,)), depth)


def raw_table(compiled: CompiledFlow) -> str:
    """SELECT list that takes the columns of the raw table from a JSON file's."""
    access = {path: _access(f'"{path[0]}"', path[1:]) for path in compiled.paths}
    return ", ".join(f"{sql} AS {column_name('_raw_', path)}" for path, sql in access.items())


def record_table(compiled: CompiledFlow, schema: StreamSchema) -> str:
    """SELECT list that turns the raw table into ``rec``."""
    raw_id = column_name("_raw_", tuple(schema.id_column.split(".")))
    parts = [f"*, rowid AS _pos, coalesce(nullif({raw_id}, ''), 'line ' || (rowid + 1)) AS _source_id"]
    parts.append(f"{_sortable(compiled, schema.version)} AS _version")
    parts.append(f"{_sortable(compiled, schema.created)} AS _created")
    parts += [
        _typed(column_name("_raw_", path), path, find(compiled.columns, path)) for path in compiled.paths
    ]
    return ", ".join(parts)


def _sortable(compiled: CompiledFlow, columns: Sequence[str]) -> str:
    """The first value of these columns as text that sorts by age; empty where there is none, or none that is valid."""
    cases = ""
    for name in columns:
        raw = column_name("_raw_", (name,))
        kind = sql_type(find(compiled.columns, (name,)), raw=False)
        text = {
            "TIMESTAMPTZ": f"strftime(TRY_CAST({raw} AS TIMESTAMPTZ) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')",
            "BIGINT": f"lpad(CAST(TRY_CAST({raw} AS BIGINT) AS VARCHAR), 20, '0')",
        }.get(kind, raw)
        # PostgreSQL, which keeps the versions, takes no NUL
        cases += f" WHEN {raw} <> '' AND NOT contains({raw}, chr(0)) THEN TRY({text})"
    return f"coalesce(CASE{cases} END, '')" if cases else "''"


def _typed(raw: str, path: Path, column: Column) -> str:
    kind = sql_type(column, raw=False)
    typed = raw if kind == sql_type(column, raw=True) else f"TRY_CAST({raw} AS {kind})"
    return f"{typed} AS {column_name('', path)}"


def base_query(item: CompiledObject, chosen: str) -> str:
    """Rows of one object before any call: the records ``chosen``, or one row per entry of their rows."""
    if item.rows is None:
        return f"SELECT *, '' AS _row, 0 AS _row_no FROM rec WHERE {chosen}"
    held = column_name("_raw_", item.rows_path)
    keys, entries = f"map_keys({held})", f"map_values({held})"
    if isinstance(item.rows, ListOf):
        keys, entries = f"list_transform(range(1, len({held}) + 1), lambda n: CAST(n AS VARCHAR))", held
    unnested = (
        f"SELECT *, unnest({keys}) AS row_id, unnest({entries}) AS _entry, "
        f"unnest(range(1, len({entries}) + 1)) AS row_no FROM rec WHERE {chosen}"
    )
    return (
        f"SELECT *{_row_columns(item, item.rows.entry)}, row_id AS _row, row_no AS _row_no FROM ({unnested})"
    )


def _row_columns(item: CompiledObject, entry: Schema) -> str:
    access = {path: _access("_entry", path[1:]) for path in item.row_paths}
    return "".join(
        f", {raw} AS {column_name('_raw_', path)}, {_typed(raw, path, find(entry, path[1:]))}"
        for path, raw in access.items()
    )


def layers(calls: Sequence[Call]) -> list[list[int]]:
    """The calls by index in the order in which they can be made: first those whose key needs no other call."""
    depths: list[int] = []
    for index, call in enumerate(calls):
        needed = [int(name) for name in _OF_CALL.findall(call.key) if int(name) < index]
        depths.append(max((depths[each] + 1 for each in needed), default=0))
    return [[i for i, each in enumerate(depths) if each == depth] for depth in sorted(set(depths))]


def levels(
    item: CompiledObject, tables: Mapping[int, str], lookups: Mapping[str, LookupTable], chosen: str
) -> list[str]:
    """The CTEs of an object: rows of the records ``chosen``, then for each layer of calls its keys and its joins.

    ``tables`` names the tables of what is looked up in the crosswalk.
    """
    ctes = [f"l AS ({base_query(item, chosen)})"]
    last = "l"
    for depth, indexes in enumerate(layers(item.calls)):
        keys = ", ".join(f"{_key(item.calls[index])} AS _k{index}" for index in indexes)
        ctes.append(f"k{depth} AS (SELECT *, {keys} FROM {last})")
        found = ", ".join(_found(index, item.calls[index], tables, lookups) for index in indexes)
        joins = " ".join(_join(index, item.calls[index], tables) for index in indexes)
        last = f"l{depth}"
        ctes.append(f"{last} AS (SELECT k{depth}.*, {found} FROM k{depth} {joins})")
    return ctes


def country_key(value: str) -> str:
    """SQL of a country's name without case, accents, punctuation and article; text of signs alone stays."""
    plain = f"upper(strip_accents(replace({value}, '.', '')))"
    words = f"trim(regexp_replace({plain}, '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"
    return f"coalesce(nullif(regexp_replace({words}, '^THE ', ''), ''), nullif(trim({value}), ''))"


def _key(call: Call) -> str:
    return country_key(call.key) if call.kind == "country" else call.key


def _join(index: int, call: Call, tables: Mapping[int, str]) -> str:
    if call.many:
        return ""
    table = {"lookup": f"lookup_{call.target}", "country": "country"}.get(call.kind) or tables[index]
    return f'LEFT JOIN "{table}" t{index} ON t{index}.key = _k{index}'


def _found(index: int, call: Call, tables: Mapping[int, str], lookups: Mapping[str, LookupTable]) -> str:
    if call.many:
        known = f'(SELECT list(key) FROM "{tables[index]}")'
        return f"coalesce(list_has_any(_k{index}, {known}), false) AS _f{index}"
    return _joined_value(index, call, lookups)


def _joined_value(index: int, call: Call, lookups: Mapping[str, LookupTable]) -> str:
    policy = lookups[call.target].unknown if call.kind == "lookup" else "reject"
    value, known = f"t{index}.value", f"t{index}.key IS NOT NULL"
    if policy in ("keep", "default"):
        other = f"_k{index}" if policy == "keep" else quoted(str(lookups[call.target].default))
        value = f"CASE WHEN {known} THEN {value} ELSE {other} END"
    found = known if policy in ("reject", "warn") else "true"
    several = f", t{index}.several AS _s{index}" if call.kind == SOURCE_OF else ""
    return f"{found} AS _f{index}, {value} AS _c{index}{several}"


def object_query(
    item: CompiledObject, ctes: list[str], compiled: CompiledFlow, *, fields: Mapping[str, str]
) -> str:
    """The whole query of an object, with the given SQL of its fields; ``_bad`` where a check fails."""
    listed = "".join(f', {sql} AS "{name}"' for name, sql in fields.items())
    warnings = _problems(item, item.warnings) if item.warnings else "NULL"
    return _query(
        item, ctes, compiled, f"{listed}, {_any(_all_checks(item))} AS _bad, {warnings} AS _warnings"
    )


def rows_query(fields: Mapping[str, str], mapped: str) -> str:
    """The rows of an object's query in the order of their source, each with the JSON of its fields and its md5."""
    listed = "".join(f', "{name}"' for name in fields)
    packed = "to_json({" + ", ".join(f"'{name}': \"{name}\"" for name in fields) + "})" if fields else "'{}'"
    return (
        f"SELECT {', '.join(META)}, _amount, _currency, _payload, md5(_payload) AS _fingerprint{listed}, "
        f"_bad, _warnings FROM (SELECT *, CAST({packed} AS VARCHAR) AS _payload FROM ({mapped})) "
        "ORDER BY _pos, _row_no"
    )


def where_warnings_query(item: CompiledObject, ctes: list[str]) -> str:
    """What the ``where`` of an object warns of, a row each, also for the rows that it leaves out."""
    last = f"l{len(layers(item.calls)) - 1}"
    found = _problems(item, item.where_warnings)
    return f"WITH {', '.join(ctes)} SELECT unnest({found}) AS w FROM {last} WHERE {_any(item.where_warnings)}"


def problems_query(item: CompiledObject, ctes: list[str], compiled: CompiledFlow) -> str:
    """What is wrong with the rows of an object: a list in ``_problems``, NULL where all is well."""
    return _query(item, ctes, compiled, f", {_problems(item, _all_checks(item))} AS _problems")


def _query(item: CompiledObject, ctes: list[str], compiled: CompiledFlow, more: str) -> str:
    last = f"l{len(layers(item.calls)) - 1}" if item.calls else "l"
    kept = " OR ".join(f"({sql})" for sql in (item.where, *(check.condition for check in item.where_checks)))
    keyed = f"SELECT *, {item.key} AS _key, {item.parent} AS _parent FROM {last} WHERE {kept}"
    if item.distinct_on:
        keyed += f" QUALIFY row_number() OVER (PARTITION BY _pos, {', '.join(item.distinct_on)} ORDER BY _row_no) = 1"
    return (
        f"WITH {', '.join(ctes)}, keyed AS ({keyed}) SELECT {', '.join(META)}, "
        f"{compiled.amount} AS _amount, {compiled.currency} AS _currency{more} FROM keyed"
    )


def _all_checks(item: CompiledObject) -> Sequence[tuple[str, Check]]:
    return [*(("where", check) for check in item.where_checks), *item.checks]


def _any(checks: Sequence[tuple[str, Check]]) -> str:
    return " OR ".join(f"coalesce({check.condition}, false)" for _, check in checks)


def _problems(item: CompiledObject, checks: Sequence[tuple[str, Check]]) -> str:
    found = ", ".join(
        f"CASE WHEN {check.condition} THEN {{'field': '{field}', 'value': CAST({check.value} AS VARCHAR), "
        f"'reason': {quoted(check.reason)}, 'waits': {_waits(item, check)}}} END"
        for field, check in checks
    )
    return f"CASE WHEN {_any(checks)} THEN list_filter([{found}], lambda p: p IS NOT NULL) ELSE NULL END"


def _waits(item: CompiledObject, check: Check) -> str:
    call = item.calls[check.call] if check.call is not None else None
    return quoted(call.target) if call and call.kind in BOUND else "NULL"
