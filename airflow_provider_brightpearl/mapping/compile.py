"""A flow's objects as DuckDB SQL: one query per object and batch, with the checks that reject a row.

Queries read the table ``rec`` (one row a record: ``_pos``, ``_source_id``, each column typed and, as ``_raw_...``, as text)
and give ``_pos, _source_id, _row, _row_no, _key, _parent``, the fields, and ``_problems`` (a list, empty where all is well).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airflow_provider_brightpearl.core.schema import (
    ListOf,
    MapOf,
    Path,
    Schema,
    StreamSchema,
    UnknownColumn,
    find,
    leaves,
    prune,
    sql_type,
)
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.expressions import Call, Check, ExpressionError, Scope, compile_expression
from airflow_provider_brightpearl.mapping.lookups import LookupTable
from airflow_provider_brightpearl.mapping.spec import FlowSpec, ObjectSpec

META = ("_pos", "_source_id", "_row", "_row_no", "_key", "_parent")


@dataclass(frozen=True, slots=True)
class CompiledObject:
    """The SQL pieces of one object."""

    name: str
    rows: MapOf | ListOf | None
    rows_sql: tuple[str, str]
    where: str
    one_per: tuple[str, ...]
    key: str
    parent: str
    fields: Mapping[str, str]
    calls: tuple[Call, ...]
    checks: tuple[tuple[str, Check], ...]
    where_checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class CompiledFlow:
    """All objects of a flow, and the part of the stream's schema they use."""

    objects: tuple[CompiledObject, ...]
    columns: Schema
    amount: str
    currency: str


class _Flow:
    """Compiles the expressions of one flow, naming file and field in every error."""

    def __init__(self, flow: FlowSpec, schema: StreamSchema, lookups: Mapping[str, LookupTable]) -> None:
        self.flow = flow
        self.schema = schema
        self.lookups = frozenset(lookups)
        self.paths: set[Path] = {tuple(schema.id_column.split("."))}

    def compile(self) -> CompiledFlow:
        objects = tuple(self._object(name, spec) for name, spec in self.flow.objects.items())
        amount, currency = self._totals()
        return CompiledFlow(objects, prune(self.schema.columns, sorted(self.paths)), amount, currency)

    def _totals(self) -> tuple[str, str]:
        totals = self.flow.totals
        if totals is None:
            return "NULL", "NULL"
        scope = Scope(self.schema.columns)
        sql = self._field("totals.amount", totals.amount, scope), self._field("totals.currency", totals.currency, scope)
        if scope.calls:
            raise Misconfigured(f"{self.flow.flow}.yaml: totals: lookup, ref and country cannot be used here")
        self.paths |= scope.paths
        return sql

    def _field(self, place: str, text: str, scope: Scope) -> str:
        try:
            return compile_expression(text, scope)
        except ExpressionError as error:
            raise Misconfigured(f"{self.flow.flow}.yaml: {place}: {error}\n    {text}") from error

    def _object(self, name: str, spec: ObjectSpec) -> CompiledObject:
        rows, path = self._rows(name, spec)
        scope = Scope(self.schema.columns, spec.rows or "", rows.entry if rows else None, self.lookups)
        place = f"objects.{name}"
        where = self._field(f"{place}.where", spec.where, scope) if spec.where else "true"
        where_checks = tuple(scope.take_checks())
        checks: list[tuple[str, Check]] = []

        def field(label: str, text: str) -> str:
            sql = self._field(f"{place}.{label}", text, scope)
            taken = [(label.removeprefix("fields."), check) for check in scope.take_checks()]
            known = {check for _, check in checks}
            checks.extend(pair for pair in taken if pair[1] not in known)
            return sql

        one_per = tuple(field("one_per", text) for text in spec.one_per)
        key = f"CAST({field(f'key.{spec.key_field}', spec.key_expression)} AS VARCHAR)"
        parent = self._parent(spec, field)
        fields = {label: field(f"fields.{label}", text) for label, text in spec.fields.items()}
        checks.append((spec.key_field, Check("_key IS NULL OR _key = ''", "''", "the key has no value")))
        self.paths |= scope.paths
        rows_sql = (_access(path, ""), _access(path, "_raw_")) if path else ("", "")
        return CompiledObject(
            name, rows, rows_sql, where, one_per, key, parent, fields, tuple(scope.calls), tuple(checks), where_checks
        )

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
        self.paths.add((*path, "row", next(iter(column.entry))))
        return column, path


def compile_flow(flow: FlowSpec, schema: StreamSchema, lookups: Mapping[str, LookupTable]) -> CompiledFlow:
    """The SQL of a flow over a stream.

    Raises:
        Misconfigured: an expression cannot be used; names file, field, expression, position and what is known.
    """
    return _Flow(flow, schema, lookups).compile()


def _access(path: Path, prefix: str) -> str:
    sql = f'"{prefix}{path[0]}"'
    for name in path[1:]:
        sql = f"struct_extract({sql}, '{name}')"
    return sql


def record_table(compiled: CompiledFlow, id_column: str) -> str:
    """SELECT list that turns the raw table into ``rec``."""
    raw_id = _access(tuple(id_column.split(".")), "")
    parts = [f"rowid AS _pos, coalesce({raw_id}, 'line ' || (rowid + 1)) AS _source_id"]
    for name, column in compiled.columns.items():
        typed = sql_type(column, raw=False)
        plain = typed == sql_type(column, raw=True)
        parts.append(f'"{name}"' if plain else f'TRY_CAST("{name}" AS {typed}) AS "{name}"')
        if not plain or isinstance(column, (MapOf, ListOf)) or any(True for _ in leaves(column)):
            parts.append(f'"{name}" AS "_raw_{name}"')
    return ", ".join(parts)


def base_query(item: CompiledObject) -> str:
    """Rows of one object before any call: the records in ``[$lo, $hi)``, or one row per entry of their rows."""
    chosen = "FROM rec WHERE _pos >= $lo AND _pos < $hi"
    if item.rows is None:
        return f"SELECT *, '' AS _row, 0 AS _row_no {chosen}"
    typed, raw = item.rows_sql
    if isinstance(item.rows, MapOf):
        keys, typed, raw = f"map_keys({typed})", f"map_values({typed})", f"map_values({raw})"
    else:
        keys = f"list_transform(range(1, len({typed}) + 1), lambda n: CAST(n AS VARCHAR))"
    count = f"len({typed})"
    unnested = (
        f"SELECT *, unnest({keys}) AS row_id, unnest({typed}) AS \"row\", unnest({raw}) AS _raw_row, "
        f"unnest(range(1, {count} + 1)) AS row_no {chosen}"
    )
    return f"SELECT *, row_id AS _row, row_no AS _row_no FROM ({unnested})"


def levels(item: CompiledObject, tables: Mapping[int, str], lookups: Mapping[str, LookupTable]) -> list[str]:
    """The CTEs of an object: rows, then for each call its key and its join; ``tables`` names the refs' tables."""
    ctes = [f"l AS ({base_query(item)})"]
    last = "l"
    for index, call in enumerate(item.calls):
        key = f"upper(trim({call.key}))" if call.kind == "country" else call.key
        ctes.append(f"k{index} AS (SELECT *, {key} AS _k{index} FROM {last})")
        table = {"lookup": f"lookup_{call.target}", "country": "country"}.get(call.kind) or tables[index]
        value, found = _joined_value(index, call, lookups)
        ctes.append(
            f"l{index} AS (SELECT k{index}.*, {found} AS _f{index}, {value} AS _c{index} "
            f'FROM k{index} LEFT JOIN "{table}" t ON t.key = _k{index})'
        )
        last = f"l{index}"
    return ctes


def _joined_value(index: int, call: Call, lookups: Mapping[str, LookupTable]) -> tuple[str, str]:
    policy = lookups[call.target].unknown if call.kind == "lookup" else "reject"
    if policy == "pass":
        return f"CASE WHEN t.key IS NULL THEN _k{index} ELSE t.value END", "true"
    if policy == "default":
        default = str(lookups[call.target].default).replace("'", "''")
        return f"CASE WHEN t.key IS NULL THEN '{default}' ELSE t.value END", "true"
    return "t.value", "true" if policy == "empty" else "t.key IS NOT NULL"


def object_query(item: CompiledObject, ctes: list[str], compiled: CompiledFlow, *, fields: Mapping[str, str]) -> str:
    """The whole query of an object, with the given SQL of its fields."""
    last = f"l{len(item.calls) - 1}" if item.calls else "l"
    listed = "".join(f', {sql} AS "{name}"' for name, sql in fields.items())
    money = f", {compiled.amount} AS _amount, {compiled.currency} AS _currency"
    kept = " OR ".join(f"({sql})" for sql in (item.where, *(check.condition for check in item.where_checks)))
    keyed = f"SELECT *, {item.key} AS _key, {item.parent} AS _parent FROM {last} WHERE {kept}"
    if item.one_per:
        keyed += f" QUALIFY row_number() OVER (PARTITION BY _pos, {', '.join(item.one_per)} ORDER BY _row_no) = 1"
    return (
        f"WITH {', '.join(ctes)}, keyed AS ({keyed}) "
        f"SELECT {', '.join(META)}{listed}{money}, {_problems(item)} AS _problems FROM keyed"
    )


def _problems(item: CompiledObject) -> str:
    checks = [*(("where", check) for check in item.where_checks), *item.checks]
    bad = " OR ".join(f"coalesce({check.condition}, false)" for _, check in checks)
    found = ", ".join(
        f"CASE WHEN {check.condition} THEN {{'field': '{field}', 'value': CAST({check.value} AS VARCHAR), "
        f"'reason': '{_quoted(check.reason)}', 'waits': {_waits(item, check)}}} END"
        for field, check in checks
    )
    return f"CASE WHEN {bad} THEN list_filter([{found}], lambda p: p IS NOT NULL) ELSE NULL END"


def _waits(item: CompiledObject, check: Check) -> str:
    call = item.calls[check.call] if check.call is not None else None
    return f"'{_quoted(call.target)}'" if call and call.kind == "ref" else "NULL"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
