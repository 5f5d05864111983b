"""Compiles a flow file to the SQL of its objects; errors name file, field and expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from airflow_provider_brightpearl.core.raw import LONGEST_ID
from airflow_provider_brightpearl.core.schema import (
    Column,
    ListOf,
    MapOf,
    Path,
    Schema,
    StreamSchema,
    UnknownColumn,
    find,
    prune,
)
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec
from airflow_provider_brightpearl.mapping.compiled import CompiledFlow, CompiledObject, column_name
from airflow_provider_brightpearl.mapping.expressions import BOUND, Check, Scope, compile_expression
from airflow_provider_brightpearl.mapping.syntax import ExpressionError


class _Flow:
    """Compiles the expressions of one flow, naming file and field in every error."""

    def __init__(self, flow: FlowSpec, schema: StreamSchema, lookups: Mapping[str, LookupTable]) -> None:
        self.flow = flow
        self.schema = schema
        self.lookups = frozenset(lookups)
        self.warning = {name for name, table in lookups.items() if table.unknown == "warn"}
        self.paths: set[Path] = {(name,) for name in (*schema.version, *schema.created)}
        self.paths.add(tuple(schema.id_column.split(".")))

    def compile(self) -> CompiledFlow:
        amount, currency = self._totals()
        total = tuple(_missing_total(amount, currency)) if self.flow.totals else ()
        objects = tuple(
            self._object(name, spec, total if name == self.flow.root else ())
            for name, spec in self.flow.objects.items()
        )
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
            raise Misconfigured(
                f"{self.flow.flow}.yaml: totals: lookup, ref, source_of and country cannot be used here"
            )
        self.paths |= scope.paths
        # a total that raises must not fail the whole part
        return f"TRY({amount})", f"coalesce(CAST(TRY({currency}) AS VARCHAR), '')"

    def _field(self, place: str, text: str, scope: Scope) -> str:
        try:
            return compile_expression(text, scope)
        except ExpressionError as error:
            raise Misconfigured(f"{self.flow.flow}.yaml: {place}: {error}\n    {text}") from error

    def _object(
        self, name: str, spec: ObjectSpec, more_checks: Iterable[tuple[str, Check]]
    ) -> CompiledObject:
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

        distinct_on = tuple(field("distinct_on", text) for text in spec.distinct_on)
        key = f"CAST({field(f'key.{spec.key_field}', spec.key_expression)} AS VARCHAR)"
        # a key that waits for a row has no value yet
        waiting = [each.condition for _, each in checks if _waits(scope, each)]
        parent = self._parent(spec, field)
        fields = {label: field(f"fields.{label}", text) for label, text in spec.fields.items()}
        no_key = " AND ".join(["(_key IS NULL OR _key = '')", *(f"({each}) IS NOT TRUE" for each in waiting)])
        checks.append((spec.key_field, Check(no_key, "''", "the key has no value")))
        # PostgreSQL, which keeps the keys, takes no NUL
        checks.append(
            (spec.key_field, Check("contains(_key, chr(0))", "_key", "the key has a NUL character"))
        )
        too_long = f"the key has more than {LONGEST_ID} characters"
        checks.append((spec.key_field, Check(f"length(_key) > {LONGEST_ID}", "_key", too_long)))
        if name == self.flow.root:
            checks.extend(self._missing_maps())
        checks.extend(more_checks)
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
            name, rows, path, row_paths, where, distinct_on, key, parent, fields, tuple(scope.calls), refusing,
            where_checks, warnings, where_warnings,
        )  # fmt: skip

    def _missing_maps(self) -> Iterator[tuple[str, Check]]:
        """Checks for missing maps of rows: no rows are an empty map, while lists exist only when set."""
        found = dict.fromkeys(self._rows(*each)[1] for each in self.flow.objects.items() if each[1].rows)
        for path in found:
            if isinstance(find(self.schema.columns, path), MapOf):
                yield ".".join(path), Check(f"{column_name('_raw_', path)} IS NULL", "''", "is missing")

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


def _waits(scope: Scope, check: Check) -> bool:
    """Whether a row that fails a check waits for another one."""
    return check.call is not None and scope.calls[check.call].kind in BOUND


def _missing_total(amount: str, currency: str) -> Iterator[tuple[str, Check]]:
    """Checks for a record whose amount or currency is empty: it would be in none of the sums that are compared."""
    reason = "is empty or cannot be read: the total cannot be proved"
    yield "totals.amount", Check(f"({amount}) IS NULL", "''", reason)
    yield "totals.currency", Check(f"trim({currency}) = ''", "''", reason)


def compile_flow(flow: FlowSpec, schema: StreamSchema, lookups: Mapping[str, LookupTable]) -> CompiledFlow:
    """The SQL of a flow over a stream.

    Raises:
        Misconfigured: an expression cannot be used; names file, field, expression, position and what is known.
    """
    warning = frozenset(name for name, table in lookups.items() if table.unknown == "warn")
    by_value = (flow.model_dump_json(), repr(schema), frozenset(lookups), warning)
    return _compiled(_Question(by_value, flow, schema, lookups))


@dataclass(frozen=True, slots=True)
class _Question:
    """What is compiled; equal where all that counts of it is."""

    by_value: tuple[object, ...]
    flow: FlowSpec = field(compare=False)
    schema: StreamSchema = field(compare=False)
    lookups: Mapping[str, LookupTable] = field(compare=False)


# a process maps many parts of a flow, or runs it many times
@lru_cache(maxsize=64)
def _compiled(asked: _Question) -> CompiledFlow:
    return _Flow(asked.flow, asked.schema, asked.lookups).compile()


def _in_record(columns: Schema, path: Path) -> Path:
    """The part of a path that leads to a column of the record: a path into rows ends at the rows."""
    column: Column = columns
    for depth, name in enumerate(path):
        if not isinstance(column, Mapping):
            return path[:depth]
        column = column[name]
    return path
