"""A locked DuckDB connection in which the expressions of one flow are checked, typed and ready to run.

No file or network access but the given folders, no extensions, settings frozen, memory bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb

from airflow_provider_brightpearl.core.schema import StreamSchema, sql_type
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec
from airflow_provider_brightpearl.mapping import functions
from airflow_provider_brightpearl.mapping.compile import compile_flow
from airflow_provider_brightpearl.mapping.compiled import CompiledFlow, CompiledObject
from airflow_provider_brightpearl.mapping.expressions import BOUND, value_macro
from airflow_provider_brightpearl.mapping.queries import (
    levels,
    object_query,
    problems_query,
    raw_columns,
    record_table,
    where_warnings_query,
)
from airflow_provider_brightpearl.mapping.syntax import quoted

_INEXACT = re.compile(r"\b(DOUBLE|FLOAT)\b")
_EXACT_NUMBER = re.compile(r"DECIMAL|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
_INSTANTS = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP")
_CONSTANT_KEY = {"Id": "'1'"}


class Session:
    """The connection of one mapping, with the SQL of its fields.

    Args: see ``Mapper``.

    Raises:
        Misconfigured: an expression cannot be used; names file, field and what is wrong.
    """

    def __init__(
        self,
        flow: FlowSpec,
        schema: StreamSchema,
        lookups: Mapping[str, LookupTable],
        folders: Sequence[Path],
        memory_limit: str,
    ) -> None:
        self.flow = flow
        self.schema = schema
        self.lookups = lookups
        self.compiled = compile_flow(flow, schema, lookups)
        # one thread: a second one costs a fifth more processor time, and parts are shared out among tasks
        config = {"memory_limit": memory_limit, "threads": 1, "temp_directory": str(folders[-1])}
        self.connection = duckdb.connect(config=config)
        try:
            self._prepare(folders)
            self._check_totals()
            self.fields = {item.name: self._typed_fields(item) for item in self.compiled.objects}
        except BaseException:
            self.connection.close()
            raise

    def query(self, item: CompiledObject, fields: Mapping[str, str]) -> str:
        """The query of one object with the given SQL of fields; takes ``$lo`` and ``$hi``."""
        return object_query(item, self.levels(item), self.compiled, fields=fields)

    def problems(self, item: CompiledObject, chosen: str) -> str:
        """The query for what is wrong with the rows of the records chosen by an SQL condition."""
        return problems_query(item, self.levels(item, chosen), self.compiled)

    def where_warnings(self, item: CompiledObject) -> str:
        """The query for what the ``where`` of an object warns of; takes ``$lo`` and ``$hi``."""
        return where_warnings_query(item, self.levels(item))

    def levels(self, item: CompiledObject, chosen: str = "_pos >= $lo AND _pos < $hi") -> list[str]:
        tables = {
            index: ref_table(item, index) for index, call in enumerate(item.calls) if call.kind in BOUND
        }
        return levels(item, tables, self.lookups, chosen)

    def keyed_table(self, name: str, values: Mapping[str, str | None]) -> None:
        """A table of value by key, to be joined."""
        self.connection.execute(
            f'CREATE OR REPLACE TEMP TABLE "{name}" AS '
            "SELECT unnest($1::VARCHAR[]) AS key, unnest($2::VARCHAR[]) AS value",
            [list(values), list(values.values())],
        )

    def bound_table(self, item: CompiledObject, index: int, found: Mapping[str, Sequence[str]]) -> None:
        """The table of what a call finds in the crosswalk; ``several`` lists what it finds where that is not one."""
        self.connection.execute(
            f'CREATE OR REPLACE TEMP TABLE "{ref_table(item, index)}" AS '
            "SELECT unnest($1::VARCHAR[]) AS key, unnest($2::VARCHAR[]) AS value, unnest($3::VARCHAR[]) AS several",
            [
                list(found),
                [values[0] for values in found.values()],
                [", ".join(values) if len(values) > 1 else None for values in found.values()],
            ],
        )

    def _prepare(self, folders: Sequence[Path]) -> None:
        run = self.connection.execute
        sql = self._all_sql()
        functions.register(self.connection, sql)
        for name, table in self.lookups.items():
            self.keyed_table(f"lookup_{name}", table.values)
            if value_macro(name).lower() in sql.lower():
                for macro in functions.lookup_macros(name, table):
                    run(macro)
        columns = ", ".join(
            f"{name} {sql_type(c, raw=True)}" for name, c in raw_columns(self.compiled).items()
        )
        run(f"CREATE TEMP TABLE raw ({columns})")
        run(f"CREATE TEMP VIEW rec AS SELECT {record_table(self.compiled, self.schema)} FROM raw")
        run(f"SET TimeZone = '{self.flow.timezone}'")
        run(f"SET allowed_directories = [{', '.join(literal(folder) for folder in folders)}]")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")

    def _all_sql(self) -> str:
        """The SQL of all objects and totals, to see what it calls."""
        queries = (
            self.query(item, item.fields) + self.problems(item, "true") for item in self.compiled.objects
        )
        return " ".join((*queries, self.compiled.amount, self.compiled.currency))

    def _check_totals(self) -> None:
        if self.flow.totals is None:
            return
        kind = self._total_kind("amount", self.compiled.amount, self.flow.totals.amount)
        self._total_kind("currency", self.compiled.currency, self.flow.totals.currency)
        if not _EXACT_NUMBER.match(kind):
            raise Misconfigured(
                f"{self.flow.flow}.yaml: totals.amount: is {kind}, not an exact number; "
                f"cast it, such as (...)::DECIMAL(18,4)\n    {self.flow.totals.amount}"
            )

    def _total_kind(self, name: str, sql: str, text: str) -> str:
        try:
            return str(self.connection.execute(f"DESCRIBE SELECT {sql} FROM rec").fetchall()[0][1])
        except duckdb.Error as error:
            raise Misconfigured(
                f"{self.flow.flow}.yaml: totals.{name}: {_reason(error)}\n    {text}"
            ) from error

    def _typed_fields(self, item: CompiledObject) -> dict[str, str]:
        for index, call in enumerate(item.calls):
            if call.kind in BOUND:
                self.bound_table(item, index, {})
        try:
            kinds = self._kinds(self.compiled, item)
        except duckdb.Error as error:
            raise next(
                self._unusable(item.name), Misconfigured(f"{self._place(item.name)}: {_reason(error)}")
            ) from error
        return {name: self._leaving(item.name, name, sql, kinds[name]) for name, sql in item.fields.items()}

    def _leaving(self, item: str, name: str, sql: str, kind: str) -> str:
        """SQL of a field in the form in which it leaves: instants as UTC text, nothing inexact."""
        if _INEXACT.search(kind):
            raise Misconfigured(
                f"{self._place(item, 'fields', name)}: gives floating point, which is not exact; "
                f"cast it, such as (...)::DECIMAL(18,4)\n    {self.flow.objects[item].fields[name]}"
            )
        if kind in _INSTANTS:
            return f"strftime(CAST({sql} AS TIMESTAMPTZ) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ')"
        return sql

    def _kinds(self, compiled: CompiledFlow, item: CompiledObject) -> dict[str, str]:
        query = object_query(item, self.levels(item), compiled, fields=item.fields)
        query = query.replace("$lo", "0").replace("$hi", "0")
        return {row[0]: row[1] for row in self.connection.execute(f"DESCRIBE {query}").fetchall()}

    def _unusable(self, name: str) -> Iterator[Misconfigured]:
        """The expressions of an object that the database refuses, each tried alone."""
        for place, text in expressions_of(self.flow.objects[name]):
            try:
                self._try_alone(name, text)
            except duckdb.Error as error:
                yield Misconfigured(f"{self._place(name, place)}: {_reason(error)}\n    {text}")

    def _try_alone(self, name: str, text: str) -> None:
        compiled = compile_flow(alone(self.flow, name, text), self.schema, self.lookups)
        item = next(each for each in compiled.objects if each.name == name)
        for index, call in enumerate(item.calls):
            if call.kind in BOUND:
                self.bound_table(item, index, {})
        self._kinds(compiled, item)

    def _place(self, *names: str) -> str:
        return f"{self.flow.flow}.yaml: objects.{'.'.join(names)}"


def alone(flow: FlowSpec, name: str, text: str) -> FlowSpec:
    """A flow in which an object has one expression and nothing else."""
    objects = {flow.root: ObjectSpec(key=_CONSTANT_KEY, fields={})}
    objects[name] = ObjectSpec(rows=flow.objects[name].rows, key=_CONSTANT_KEY, fields={"Alone": text})
    return flow.model_copy(update={"objects": objects, "totals": None})


def expressions_of(spec: ObjectSpec) -> Iterator[tuple[str, str]]:
    """Every expression of an object with its place."""
    if spec.where:
        yield "where", spec.where
    yield f"key.{spec.key_field}", spec.key_expression
    yield from (("distinct_on", text) for text in spec.distinct_on)
    yield from ((f"fields.{name}", text) for name, text in spec.fields.items())


def _reason(error: duckdb.Error) -> str:
    return str(error).split("LINE 1:")[0].strip().replace("\n", " ")


def ref_table(item: CompiledObject, index: int) -> str:
    """Name of the table with what a call finds in the crosswalk."""
    return f"ref_{item.name}_{index}"


def literal(path: Path) -> str:
    """A path as SQL text."""
    return quoted(str(path))
