"""Maps batches of raw records with DuckDB: one JSON file in, one Parquet file per object out, rejections beside them.

The connection is locked before it sees a mapping's expression: no file or network access but the staging folder, no
extensions, settings frozen, memory bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb

from airflow_provider_brightpearl.core.records import Money, Rejection, Stage
from airflow_provider_brightpearl.core.schema import StreamSchema, sql_type
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping import functions
from airflow_provider_brightpearl.mapping.compile import (
    META,
    CompiledObject,
    compile_flow,
    levels,
    object_query,
    record_table,
)
from airflow_provider_brightpearl.mapping.lookups import LookupTable
from airflow_provider_brightpearl.mapping.spec import FlowSpec

_INEXACT = ("DOUBLE", "FLOAT")
_INSTANTS = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP")


class Resolver(Protocol):
    """Target ids of keys already bound."""

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class MapResult:
    """What became of one raw part: rows per object, rejected records with their line, money of all records.

    ``left_out`` counts the records that the first object's ``where`` does not want.
    """

    records: int
    rows: dict[str, int]
    rejections: tuple[tuple[int, Rejection], ...]
    money: Money
    left_out: int
    left_out_money: Money


@dataclass(frozen=True, slots=True)
class MappedRow:
    """One row of a mapped part, ready to be written: ``payload`` is the JSON of its fields."""

    pos: int
    source_id: str
    key: str
    parent: str
    payload: str
    fingerprint: str
    amount: Decimal | None
    currency: str


class Mapper:
    """The compiled mapping of one flow, to be used for many parts.

    Args:
        flow: the flow file.
        schema: typed columns of the flow's stream.
        lookups: translation tables by name.
        resolver: finds target ids for ``ref``.
        folders: the only folders that may be read and written.
        memory_limit: DuckDB's, such as ``1GB``.

    Raises:
        Misconfigured: an expression cannot be used; names file, field and position.
    """

    def __init__(
        self,
        flow: FlowSpec,
        schema: StreamSchema,
        lookups: Mapping[str, LookupTable],
        resolver: Resolver,
        folders: Sequence[Path],
        memory_limit: str = "1GB",
    ) -> None:
        self.flow = flow
        self.schema = schema
        self.lookups = lookups
        self.resolver = resolver
        self.compiled = compile_flow(flow, schema, lookups)
        self.connection = duckdb.connect(config={"memory_limit": memory_limit, "threads": 2})
        self._prepare(folders)
        self.fields = {item.name: self._typed_fields(item) for item in self.compiled.objects}

    def __enter__(self) -> Mapper:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def _prepare(self, folders: Sequence[Path]) -> None:
        run = self.connection.execute
        functions.register(self.connection)
        for name, table in self.lookups.items():
            self._keyed_table(f"lookup_{name}", table.values)
        columns = ", ".join(f'"{name}" {sql_type(c, raw=True)}' for name, c in self.compiled.columns.items())
        run(f"CREATE TEMP TABLE raw ({columns})")
        run(f"CREATE OR REPLACE TEMP VIEW rec AS SELECT {record_table(self.compiled, self.schema.id_column)} FROM raw")
        run(f"SET TimeZone = '{self.flow.timezone}'")
        run(f"SET allowed_directories = [{', '.join(_literal(folder) for folder in folders)}]")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")

    def _keyed_table(self, name: str, values: Mapping[str, str | None]) -> None:
        self.connection.execute(
            f'CREATE OR REPLACE TEMP TABLE "{name}" AS '
            "SELECT unnest($1::VARCHAR[]) AS key, unnest($2::VARCHAR[]) AS value",
            [list(values), list(values.values())],
        )

    def _typed_fields(self, item: CompiledObject) -> dict[str, str]:
        for index, call in enumerate(item.calls):
            if call.kind == "ref":
                self._keyed_table(_ref_table(item, index), {})
        kinds = self._describe(item)
        fields = {}
        for name, sql in item.fields.items():
            if kinds[name] in _INEXACT:
                raise Misconfigured(
                    f"{self._place(item, name)}: gives floating point, which is not exact; "
                    "cast it, such as (...)::DECIMAL(18,4)"
                )
            if kinds[name] in _INSTANTS:
                sql = f"strftime(CAST({sql} AS TIMESTAMPTZ) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ')"
            fields[name] = sql
        return fields

    def _describe(self, item: CompiledObject) -> dict[str, str]:
        try:
            return self._types(item, item.fields)
        except duckdb.Error:
            for name, sql in item.fields.items():
                self._try_field(item, name, sql)
            self._try_field(item, "key, where or one_per", "''")
            raise

    def _try_field(self, item: CompiledObject, name: str, sql: str) -> None:
        try:
            self._types(item, {name: sql})
        except duckdb.Error as error:
            text = self.flow.objects[item.name].fields.get(name, "")
            reason = str(error).split("LINE 1:")[0].strip().replace("\n", " ")
            raise Misconfigured(f"{self._place(item, name)}: {reason}\n    {text}") from error

    def _types(self, item: CompiledObject, fields: Mapping[str, str]) -> dict[str, str]:
        query = self._query(item, fields).replace("$lo", "0").replace("$hi", "0")
        return {row[0]: row[1] for row in self.connection.execute(f"DESCRIBE {query}").fetchall()}

    def _place(self, item: CompiledObject, name: str) -> str:
        return f"{self.flow.flow}.yaml: objects.{item.name}.fields.{name}"

    def _query(self, item: CompiledObject, fields: Mapping[str, str]) -> str:
        return object_query(item, self._levels(item), self.compiled, fields=fields)

    def _levels(self, item: CompiledObject) -> list[str]:
        tables = {index: _ref_table(item, index) for index, call in enumerate(item.calls) if call.kind == "ref"}
        return levels(item, tables, self.lookups)

    def map_part(self, raw: Path, folder: Path) -> MapResult:
        """Maps one file of raw records (JSON, one a line) to ``folder/<Object>.parquet`` per object.

        A record with a problem in any of its rows is rejected whole and is in no file.
        """
        self._load(raw)
        records = self._one("SELECT count(*) FROM rec")
        unmappable: list[tuple[int, Rejection]] = []
        for item in self.compiled.objects:
            self._resolve_refs(item, records)
            self._map_object(item, 0, records, unmappable)
            self._mark_twins(item)
        rejections = self._rejections(unmappable)
        rows = {item.name: self._export(item, folder) for item in self.compiled.objects}
        unwanted = f'_pos NOT IN (SELECT _pos FROM "mapped_{self.flow.root}" UNION ALL SELECT _pos FROM bad)'
        left_out = self._one(f"SELECT count(*) FROM rec WHERE {unwanted}")
        return MapResult(records, rows, rejections, self._money("true"), left_out, self._money(unwanted))

    def _load(self, raw: Path) -> None:
        run = self.connection.execute
        run("DELETE FROM raw")
        types = {name: sql_type(column, raw=True) for name, column in self.compiled.columns.items()}
        listed = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
        options = f"format = 'newline_delimited', records = true, columns = {{{listed}}}"
        try:
            source = f"SELECT * FROM read_json($1, {options})"
            run(f"CREATE OR REPLACE TEMP TABLE raw AS {source}", [str(raw)])
        except duckdb.InvalidInputException:
            # some record has another shape than the stream declares: slower, and bad parts become NULL
            shape = ", ".join(f'"{name}": "{kind.replace(chr(34), "")}"' for name, kind in types.items())
            run(
                f"CREATE OR REPLACE TEMP TABLE raw AS SELECT unnest(json_transform(json, '{{{shape}}}')) "
                "FROM read_ndjson_objects($1)",
                [str(raw)],
            )

    def _one(self, query: str) -> int:
        row = self.connection.execute(query).fetchone()
        return int(row[0]) if row else 0

    def _resolve_refs(self, item: CompiledObject, records: int) -> None:
        for index, call in enumerate(item.calls):
            if call.kind != "ref":
                continue
            upto = [cte for cte in self._levels(item)][: 2 * index + 2]
            query = f"WITH {', '.join(upto)} SELECT DISTINCT _k{index} FROM k{index} WHERE _k{index} IS NOT NULL"
            keys = [row[0] for row in self.connection.execute(query, {"lo": 0, "hi": records}).fetchall()]
            flow, _, name = call.target.partition(".")
            self._keyed_table(_ref_table(item, index), self.resolver.resolve(flow, name, keys))

    def _map_object(self, item: CompiledObject, lo: int, hi: int, unmappable: list[tuple[int, Rejection]]) -> None:
        query = self._query(item, self.fields[item.name])
        target = f'"mapped_{item.name}"'
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {target} AS {query}", {"lo": 0, "hi": 0})
        self._insert(item, f"INSERT INTO {target} {query}", lo, hi, unmappable)

    def _insert(
        self, item: CompiledObject, insert: str, lo: int, hi: int, unmappable: list[tuple[int, Rejection]]
    ) -> None:
        if lo >= hi:
            return
        try:
            self.connection.execute(insert, {"lo": lo, "hi": hi})
        except duckdb.Error as error:
            if hi - lo == 1:
                unmappable.append((lo, self._unmappable(item, lo, error)))
                return
            # an expression that raises, such as an overflow: halve until the record is alone
            middle = (lo + hi) // 2
            self._insert(item, insert, lo, middle, unmappable)
            self._insert(item, insert, middle, hi, unmappable)

    def _unmappable(self, item: CompiledObject, pos: int, error: duckdb.Error) -> Rejection:
        money = f"{self.compiled.amount}, {self.compiled.currency}"
        row = self.connection.execute(f"SELECT _source_id, {money} FROM rec WHERE _pos = {pos}").fetchone()
        source_id, amount, currency = row or (str(pos), None, "")
        reason = f"{item.name}: {str(error).splitlines()[0]}"
        return Rejection(
            source_id, Stage.TRANSFORM, reason, object=item.name, amount=amount, currency=currency or ""
        )

    def _mark_twins(self, item: CompiledObject) -> None:
        table = f'"mapped_{item.name}"'
        self.connection.execute(
            f"UPDATE {table} SET _problems = [{{'field': 'key', 'value': _key, "
            "'reason': 'another row of this run has the same key', 'waits': NULL}] "
            f"WHERE _problems IS NULL AND _key IN (SELECT _key FROM {table} GROUP BY _key HAVING count(*) > 1)"
        )

    def _rejections(self, unmappable: list[tuple[int, Rejection]]) -> tuple[tuple[int, Rejection], ...]:
        self.connection.execute("CREATE OR REPLACE TEMP TABLE bad (_pos BIGINT)")
        found = dict(unmappable)
        for item in self.compiled.objects:
            query = (
                f"SELECT _pos, _source_id, _row, _amount, _currency, _problems FROM \"mapped_{item.name}\" "
                "WHERE len(_problems) > 0 ORDER BY _pos, _row_no"
            )
            for pos, source_id, row, amount, currency, problems in self.connection.execute(query).fetchall():
                rejection = _rejection(item.name, source_id, row, amount, currency, problems)
                earlier = found.get(pos)
                # a defect outweighs a missing parent: waiting would not help
                if earlier is None or (earlier.waits_for and not rejection.waits_for):
                    found[pos] = rejection
        self.connection.execute("INSERT INTO bad SELECT unnest($1::BIGINT[])", [list(found)])
        return tuple(sorted(found.items()))

    def _export(self, item: CompiledObject, folder: Path) -> int:
        names = list(self.fields[item.name])
        listed = "".join(f', "{name}"' for name in names)
        packed = "to_json({" + ", ".join(f"'{name}': \"{name}\"" for name in names) + "})" if names else "'{}'"
        meta = ", ".join(name for name in META if name != "_row_no")
        query = (
            f"SELECT {meta}, _amount, _currency, _payload, md5(_payload) AS _fingerprint{listed} FROM "
            f"(SELECT *, CAST({packed} AS VARCHAR) AS _payload FROM \"mapped_{item.name}\" "
            "WHERE _pos NOT IN (SELECT _pos FROM bad)) ORDER BY _pos, _row_no"
        )
        path = _literal(folder / f"{item.name}.parquet")
        row = self.connection.execute(f"COPY ({query}) TO {path} (FORMAT parquet)").fetchone()
        return int(row[0]) if row else 0

    def _money(self, condition: str) -> Money:
        if self.flow.totals is None:
            return {}
        amount, currency = self.compiled.amount, self.compiled.currency
        query = f"SELECT {currency}, sum({amount}) FROM rec WHERE {amount} IS NOT NULL AND {condition} GROUP BY 1"
        return {str(code): Decimal(total) for code, total in self.connection.execute(query).fetchall()}


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _ref_table(item: CompiledObject, index: int) -> str:
    return f"ref_{item.name}_{index}"


def _rejection(
    name: str, source_id: str, row: str, amount: Decimal | None, currency: str | None, problems: list[dict[str, Any]]
) -> Rejection:
    defects = [problem for problem in problems if not problem["waits"]]
    first, *others = defects or problems
    reason = f"{first['field']}: {first['value']!r} {first['reason']}" if first["value"] else _plain(first)
    also = "".join(f"; {_plain(other)}" for other in others[:5])
    waits = None
    if not defects:
        flow, _, target = first["waits"].partition(".")
        waits = (flow, target, first["value"])
    return Rejection(
        source_id,
        Stage.TRANSFORM,
        reason + also,
        object=name,
        row=row,
        field=first["field"],
        value=first["value"] or "",
        waits_for=waits,
        amount=amount,
        currency=currency or "",
    )


def _plain(problem: Mapping[str, Any]) -> str:
    value = f" {problem['value']!r}" if problem["value"] else ""
    return f"{problem['field']}:{value} {problem['reason']}"


def read_mapped(path: Path) -> list[MappedRow]:
    """The rows of one mapped file, in source order."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT _pos, _source_id, _key, _parent, _payload, _fingerprint, _amount, coalesce(_currency, '') "
            "FROM read_parquet($1)",
            [str(path)],
        ).fetchall()
    return [MappedRow(*row) for row in rows]
