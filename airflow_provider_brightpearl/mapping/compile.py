"""A flow's objects as DuckDB SQL: one query per object and batch, with the checks that reject a row.

Queries read ``rec``: one row a record, with ``_pos``, ``_source_id``, and each path that the mapping uses as a
column of its own (``"totalValue.net"``), typed and, as ``"_raw_totalValue.net"``, as text: flat columns are cheap to
join, nested ones are not. They give ``_pos, _source_id, _row, _row_no, _key, _parent``, the fields, and ``_bad`` where
a check fails; what the checks say is a second query over the bad rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_brightpearl.core.schema import (
    Column,
    ListOf,
    MapOf,
    Path,
    Schema,
    StreamSchema,
    UnknownColumn,
    find,
    inexact,
    prune,
    sql_type,
)
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.expressions import (
    Call,
    Check,
    ExpressionError,
    Scope,
    compile_expression,
)
from airflow_provider_brightpearl.mapping.lookups import LookupTable
from airflow_provider_brightpearl.mapping.spec import FlowSpec, ObjectSpec

_OF_CALL = re.compile(r"\b_[kfc](\d+)\b")
META = ("_pos", "_source_id", "_row", "_row_no", "_key", "_parent")


@dataclass(frozen=True, slots=True)
class CompiledObject:
    """The SQL pieces of one object."""

    name: str
    rows: MapOf | ListOf | None
    rows_path: Path
    row_paths: tuple[Path, ...]
    where: str
    one_per: tuple[str, ...]
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


class _Flow:
    """Compiles the expressions of one flow, naming file and field in every error."""

    def __init__(self, flow: FlowSpec, schema: StreamSchema, lookups: Mapping[str, LookupTable]) -> None:
        self.flow = flow
        self.schema = schema
        self.lookups = frozenset(lookups)
        self.warning = {name for name, table in lookups.items() if table.unknown == "warn"}
        self.paths: set[Path] = {tuple(schema.id_column.split("."))}

    def compile(self) -> CompiledFlow:
        objects = tuple(self._object(name, spec) for name, spec in self.flow.objects.items())
        amount, currency = self._totals()
        columns = prune(self.schema.columns, sorted(self.paths))
        record_paths = sorted({_in_record(columns, path) for path in self.paths})
        return CompiledFlow(objects, columns, tuple(record_paths), amount, currency)

    def _totals(self) -> tuple[str, str]:
        totals = self.flow.totals
        if totals is None:
            return "CAST(NULL AS DECIMAL(18,4))", "''"
        scope = Scope(self.schema.columns)
        amount = self._field("totals.amount", totals.amount, scope)
        currency = self._field("totals.currency", totals.currency, scope)
        if scope.calls:
            raise Misconfigured(f"{self.flow.flow}.yaml: totals: lookup, ref and country cannot be used here")
        self.paths |= scope.paths
        # a total that raises must not take the whole part with it
        return f"TRY({amount})", f"coalesce(CAST(TRY({currency}) AS VARCHAR), '')"

    def _field(self, place: str, text: str, scope: Scope) -> str:
        try:
            return compile_expression(text, scope)
        except ExpressionError as error:
            raise Misconfigured(f"{self.flow.flow}.yaml: {place}: {error}\n    {text}") from error

    def _object(self, name: str, spec: ObjectSpec) -> CompiledObject:
        rows, path = self._rows(name, spec)
        scope = Scope(self.schema.columns, path, rows.entry if rows else None, self.lookups)
        place = f"objects.{name}"
        where = self._field(f"{place}.where", spec.where, scope) if spec.where else "true"
        of_where = scope.take_checks()
        where_checks = tuple(check for check in of_where if check.lookup not in self.warning)
        where_warnings = tuple(("where", check) for check in of_where if check.lookup in self.warning)
        checks: list[tuple[str, Check]] = []

        def field(label: str, text: str) -> str:
            sql = self._field(f"{place}.{label}", text, scope)
            taken = [(label.rpartition(".")[2], check) for check in scope.take_checks()]
            known = {check for _, check in checks}
            checks.extend(pair for pair in taken if pair[1] not in known)
            return sql

        one_per = tuple(field("one_per", text) for text in spec.one_per)
        key = f"CAST({field(f'key.{spec.key_field}', spec.key_expression)} AS VARCHAR)"
        parent = self._parent(spec, field)
        fields = {label: field(f"fields.{label}", text) for label, text in spec.fields.items()}
        checks.append((spec.key_field, Check("_key IS NULL OR _key = ''", "''", "the key has no value")))
        if name == self.flow.root:
            checks.extend(self._missing_maps())
        self.paths |= scope.paths
        row_paths = tuple(
            sorted(each[len(path) :] for each in scope.paths if rows and each[: len(path)] == path)
        )
        if rows and not row_paths:
            # the rows have to be read to be counted
            self.paths.add((*path, "row", next(iter(rows.entry))))
        warnings = tuple(pair for pair in checks if pair[1].lookup in self.warning)
        refusing = tuple(pair for pair in checks if pair not in warnings)
        return CompiledObject(
            name, rows, path, row_paths, where, one_per, key, parent, fields, tuple(scope.calls), refusing,
            where_checks, warnings, where_warnings,
        )  # fmt: skip

    def _missing_maps(self) -> Iterator[tuple[str, Check]]:
        """Checks for maps of rows that are not there: no rows is an empty map, while lists appear only when set."""
        found = dict.fromkeys(self._rows(*each)[1] for each in self.flow.objects.items() if each[1].rows)
        for path in found:
            if isinstance(find(self.schema.columns, path), MapOf):
                yield ".".join(path), Check(f"{_quoted_name('_raw_', path)} IS NULL", "''", "is missing")

    def _parent(self, spec: ObjectSpec, field: Callable[[str, str], str]) -> str:
        if not spec.parent:
            return "''"
        lookup_field, parent = next(iter(spec.parent.items()))
        return f"CAST({field(f'parent.{lookup_field}', self.flow.objects[parent].key_expression)} AS VARCHAR)"

    def _rows(self, name: str, spec: ObjectSpec) -> tuple[MapOf | ListOf | None, Path]:
        if spec.rows is None:
            return None, ()
        path = tuple(spec.rows.split("."))
        place = f"{self.flow.flow}.yaml: objects.{name}.rows"
        try:
            column = find(self.schema.columns, path)
        except UnknownColumn as error:
            raise Misconfigured(f"{place}: {error}") from error
        if not isinstance(column, (MapOf, ListOf)):
            raise Misconfigured(f"{place}: {spec.rows} does not hold rows")
        return column, path


def compile_flow(flow: FlowSpec, schema: StreamSchema, lookups: Mapping[str, LookupTable]) -> CompiledFlow:
    """The SQL of a flow over a stream.

    Raises:
        Misconfigured: an expression cannot be used; names file, field, expression, position and what is known.
    """
    return _Flow(flow, schema, lookups).compile()


def _in_record(columns: Schema, path: Path) -> Path:
    """The part of a path that leads to a column of the record: a path into rows ends at the rows."""
    column: Column = columns
    for depth, name in enumerate(path):
        if not isinstance(column, Mapping):
            return path[:depth]
        column = column[name]
    return path


def _quoted_name(prefix: str, path: Path) -> str:
    return f'"{prefix}{".".join(path)}"'


def _access(base: str, path: Path) -> str:
    for name in path:
        base = f"struct_extract({base}, '{name}')"
    return base


def raw_columns(compiled: CompiledFlow) -> dict[str, Column]:
    """The columns of the raw table by quoted name: each path that the mapping uses, its leaves as text."""
    return {_quoted_name("_raw_", path): find(compiled.columns, path) for path in compiled.paths}


def inexact_texts(column: Column, access: str, depth: int = 0) -> Iterator[str]:
    """SQL for the text of each DECIMAL and JSON in a raw column, at any depth."""
    if isinstance(column, str):
        if inexact(column):
            yield f"CAST({access} AS VARCHAR)"
    elif isinstance(column, (MapOf, ListOf)):
        if texts := list(inexact_texts(column.entry, f"e{depth}", depth + 1)):
            entries = f"map_values({access})" if isinstance(column, MapOf) else access
            joined = f"list_transform({entries}, lambda e{depth}: concat_ws(' ', {', '.join(texts)}))"
            yield f"array_to_string({joined}, ' ')"
    else:
        for name, child in column.items():
            yield from inexact_texts(child, _access(access, (name,)), depth)


def raw_table(compiled: CompiledFlow) -> str:
    """SELECT list that takes the columns of the raw table from a JSON file's."""
    access = {path: _access(f'"{path[0]}"', path[1:]) for path in compiled.paths}
    return ", ".join(f"{sql} AS {_quoted_name('_raw_', path)}" for path, sql in access.items())


def record_table(compiled: CompiledFlow, id_column: str) -> str:
    """SELECT list that turns the raw table into ``rec``."""
    raw_id = _quoted_name("_raw_", tuple(id_column.split(".")))
    parts = [f"*, rowid AS _pos, coalesce({raw_id}, 'line ' || (rowid + 1)) AS _source_id"]
    parts += [
        _typed(_quoted_name("_raw_", path), path, find(compiled.columns, path)) for path in compiled.paths
    ]
    return ", ".join(parts)


def _typed(raw: str, path: Path, column: Column) -> str:
    kind = sql_type(column, raw=False)
    typed = raw if kind == sql_type(column, raw=True) else f"TRY_CAST({raw} AS {kind})"
    return f"{typed} AS {_quoted_name('', path)}"


def base_query(item: CompiledObject, chosen: str) -> str:
    """Rows of one object before any call: the records ``chosen``, or one row per entry of their rows."""
    if item.rows is None:
        return f"SELECT *, '' AS _row, 0 AS _row_no FROM rec WHERE {chosen}"
    held = _quoted_name("_raw_", item.rows_path)
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
        f", {raw} AS {_quoted_name('_raw_', path)}, {_typed(raw, path, find(entry, path[1:]))}"
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

    ``tables`` names the tables of the refs.
    """
    ctes = [f"l AS ({base_query(item, chosen)})"]
    last = "l"
    for depth, indexes in enumerate(layers(item.calls)):
        keys = ", ".join(f"{_key(item.calls[index])} AS _k{index}" for index in indexes)
        ctes.append(f"k{depth} AS (SELECT *, {keys} FROM {last})")
        found = ", ".join(_joined_value(index, item.calls[index], lookups) for index in indexes)
        joins = " ".join(_join(index, item.calls[index], tables) for index in indexes)
        last = f"l{depth}"
        ctes.append(f"{last} AS (SELECT k{depth}.*, {found} FROM k{depth} {joins})")
    return ctes


def _key(call: Call) -> str:
    return f"nullif(upper(trim({call.key})), '')" if call.kind == "country" else call.key


def _join(index: int, call: Call, tables: Mapping[int, str]) -> str:
    table = {"lookup": f"lookup_{call.target}", "country": "country"}.get(call.kind) or tables[index]
    return f'LEFT JOIN "{table}" t{index} ON t{index}.key = _k{index}'


def _joined_value(index: int, call: Call, lookups: Mapping[str, LookupTable]) -> str:
    policy = lookups[call.target].unknown if call.kind == "lookup" else "reject"
    value, known = f"t{index}.value", f"t{index}.key IS NOT NULL"
    if policy in ("pass", "default"):
        other = f"_k{index}" if policy == "pass" else f"'{_quoted(str(lookups[call.target].default))}'"
        value = f"CASE WHEN {known} THEN {value} ELSE {other} END"
    found = known if policy in ("reject", "warn") else "true"
    return f"{found} AS _f{index}, {value} AS _c{index}"


def object_query(
    item: CompiledObject, ctes: list[str], compiled: CompiledFlow, *, fields: Mapping[str, str]
) -> str:
    """The whole query of an object, with the given SQL of its fields; ``_bad`` where a check fails."""
    listed = "".join(f', {sql} AS "{name}"' for name, sql in fields.items())
    warnings = _problems(item, item.warnings) if item.warnings else "NULL"
    return _query(
        item, ctes, compiled, f"{listed}, {_any(_all_checks(item))} AS _bad, {warnings} AS _warnings"
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
    if item.one_per:
        keyed += (
            f" QUALIFY row_number() OVER (PARTITION BY _pos, {', '.join(item.one_per)} ORDER BY _row_no) = 1"
        )
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
        f"'reason': '{_quoted(check.reason)}', 'waits': {_waits(item, check)}}} END"
        for field, check in checks
    )
    return f"CASE WHEN {_any(checks)} THEN list_filter([{found}], lambda p: p IS NOT NULL) ELSE NULL END"


def _waits(item: CompiledObject, check: Check) -> str:
    call = item.calls[check.call] if check.call is not None else None
    return f"'{_quoted(call.target)}'" if call and call.kind == "ref" else "NULL"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
