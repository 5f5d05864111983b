"""Maps batches of raw records with DuckDB: one JSON file in, a Parquet file per object and rejections out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from airflow_provider_brightpearl.core.ports.stores import Resolver
from airflow_provider_brightpearl.core.records import Money, Rejection, Stage
from airflow_provider_brightpearl.core.schema import StreamSchema, sql_type
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping import problems
from airflow_provider_brightpearl.mapping.compiled import CompiledObject
from airflow_provider_brightpearl.mapping.engine_session import Session, literal
from airflow_provider_brightpearl.mapping.expressions import BOUND, SOURCE_OF
from airflow_provider_brightpearl.mapping.mapped import MapResult
from airflow_provider_brightpearl.mapping.queries import (
    layers,
    maybe_rounded,
    raw_columns,
    raw_table,
    rows_query,
)
from airflow_provider_brightpearl.mapping.shapes import Misshapen, reshape

log = logging.getLogger(__name__)

# DuckDB cuts a long message, also inside a character, and such a message cannot be read
_RAISED = (duckdb.Error, UnicodeDecodeError)
_OF_PROBLEM = "_pos, _row_no, _source_id, _row, _amount, _currency"


class Mapper:
    """The compiled mapping of one flow, to be used for many parts.

    Args:
        flow: the flow file.
        schema: typed columns of the flow's stream.
        lookups: translation tables by name.
        resolver: finds target ids for ``ref``, and keys for ``source_of``.
        folders: the only folders that may be read and written; in the last one is room for what memory cannot hold.
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
        self.resolver = resolver
        self.session = Session(flow, schema, lookups, folders, memory_limit)
        self.connection = self.session.connection
        self.compiled = self.session.compiled
        self.fields = self.session.fields

    def __enter__(self) -> Mapper:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def map_part(
        self, raw: Path, folder: Path, refused: Mapping[int, tuple[str, str]] = MappingProxyType({})
    ) -> MapResult:
        """Maps one file of raw records (JSON, one a line) to ``folder/<Object>.parquet`` per object.

        A record with a problem in any of its rows is rejected whole and is in no file. ``refused`` are records, by
        line, that are rejected whatever they hold: place and reason.
        """
        misshapen = self._load(raw, folder)
        records = self._one("SELECT count(*) FROM rec")
        unmappable = [self._misshapen(pos, problem) for pos, problem in misshapen.items()]
        unmappable += [self._refused(pos, *why) for pos, why in refused.items()]
        for item in self.compiled.objects:
            self._resolve_refs(item, records)
            self._map_object(item, folder / f"{item.name}.parquet", records, unmappable)
        rejections = self._rejections(unmappable)
        warned = self._warned(records)
        unwanted = f'_pos NOT IN (SELECT _pos FROM "mapped_{self.flow.root}" UNION ALL SELECT _pos FROM bad)'
        filtered = tuple(self._rows(f"SELECT _pos, _source_id FROM rec WHERE {unwanted}"))
        filtered_money = self._money(unwanted) if filtered else {}
        rows = {item.name: self._kept(item, folder, bool(rejections)) for item in self.compiled.objects}
        return MapResult(
            records, rows, rejections, self._money("true"), len(filtered), filtered_money, warned, filtered,
            self._present(),
        )  # fmt: skip

    def _present(self) -> dict[str, int]:
        """How many records have a value in each column that the mapping reads."""
        names = raw_columns(self.compiled)
        ((*counts,),) = self._rows(f"SELECT {', '.join(f'count({each})' for each in names)} FROM raw")
        return {".".join(path): count for path, count in zip(self.compiled.paths, counts, strict=True)}

    def _load(self, raw: Path, folder: Path) -> dict[int, Misshapen]:
        """Fills the table ``raw``; gives the records that have another shape than the stream declares, by line."""
        try:
            self._read(raw)
            if not self._one(f"SELECT count(*) FROM raw WHERE {self._maybe_rounded()}"):
                return {}
        except (duckdb.InvalidInputException, UnicodeDecodeError):
            log.debug("a record of %s has another shape than the stream declares", raw)
        return self._load_reshaped(raw, folder / "reshaped.jsonl")

    def _read(self, path: Path) -> None:
        types = {name: sql_type(column, raw=True) for name, column in self.compiled.columns.items()}
        listed = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
        options = f"format = 'newline_delimited', records = true, columns = {{{listed}}}"
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE raw AS SELECT {raw_table(self.compiled)} FROM read_json($1, {options})",
            [str(path)],
        )

    def _maybe_rounded(self) -> str:
        columns = raw_columns(self.compiled).items()
        conditions = [each for name, column in columns for each in maybe_rounded(column, name)]
        return " OR ".join(conditions) or "false"

    def _load_reshaped(self, raw: Path, copy: Path) -> dict[int, Misshapen]:
        found: dict[int, Misshapen] = {}
        with raw.open("rb") as lines, copy.open("wb") as file:
            for pos, line in enumerate(lines):
                whole, problem = reshape(line, self.compiled.columns)
                file.write(whole + b"\n")
                if problem:
                    found[pos] = problem
        self._read(copy)
        copy.unlink()
        return found

    def _one(self, query: str) -> int:
        row = self.connection.execute(query).fetchone()
        return int(row[0]) if row else 0

    def _resolve_refs(self, item: CompiledObject, records: int) -> None:
        for depth, indexes in enumerate(layers(item.calls)):
            upto = ", ".join(self.session.levels(item)[: 2 * depth + 2])
            for index in indexes:
                if item.calls[index].kind in BOUND:
                    key = f"unnest(_k{index})" if item.calls[index].many else f"_k{index}"
                    asked = f"SELECT DISTINCT {key} AS key FROM k{depth}"
                    self._resolve_ref(item, index, f"WITH {upto} SELECT key FROM ({asked})", records)

    def _resolve_ref(self, item: CompiledObject, index: int, query: str, records: int) -> None:
        keys = self._keys(f"{query} WHERE key IS NOT NULL", 0, records)
        call = item.calls[index]
        flow, _, name = call.target.partition(".")
        if call.kind == SOURCE_OF:
            found = self.resolver.keys_of(flow, name, keys)
        else:
            found = {key: [target_id] for key, target_id in self.resolver.resolve(flow, name, keys).items()}
        self.session.bound_table(item, index, found)

    def _keys(self, query: str, lo: int, hi: int) -> set[str]:
        """The keys of the records in ``[lo, hi)``, without those whose expression raises: mapping rejects them."""
        try:
            return {row[0] for row in self.connection.execute(query, {"lo": lo, "hi": hi}).fetchall()}
        except _RAISED:
            if hi - lo <= 1:
                return set()
            middle = (lo + hi) // 2
            return self._keys(query, lo, middle) | self._keys(query, middle, hi)

    def _map_object(
        self, item: CompiledObject, path: Path, records: int, unmappable: list[tuple[int, Rejection]]
    ) -> None:
        """Writes all rows of an object to a file, and makes those of wanted records the view ``mapped_<Object>``."""
        fields = self.fields[item.name]
        query = self.session.query(item, fields)
        try:
            self._write(path, rows_query(fields, query), {"lo": 0, "hi": records})
        except _RAISED:
            table = f'"whole_{item.name}"'
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}", {"lo": 0, "hi": 0})
            self._insert(item, f"INSERT INTO {table} {query}", 0, records, unmappable)
            self._write(path, rows_query(fields, f"SELECT * FROM {table}"))
        self.connection.execute(
            f'CREATE OR REPLACE TEMP VIEW "mapped_{item.name}" AS SELECT * FROM read_parquet({literal(path)}) '
            f"WHERE {self._wanted(item)}"
        )

    def _write(self, path: Path, query: str, span: Mapping[str, int] | None = None) -> int:
        """Writes the rows of a query as Parquet; gives their count."""
        # most columns are of unique texts, for which a long dictionary is built only to be given up
        options = "FORMAT parquet, DICTIONARY_SIZE_LIMIT 2000, WRITE_BLOOM_FILTER false"
        row = self.connection.execute(f"COPY ({query}) TO {literal(path)} ({options})", span).fetchone()
        return int(row[0]) if row else 0

    def _wanted(self, item: CompiledObject) -> str:
        """The condition that leaves out rows of records that the ``where`` of the first object does not want."""
        root = self.flow.root
        if item.name == root or self.flow.objects[root].where is None:
            return "true"
        return f'_pos IN (SELECT _pos FROM "mapped_{root}")'

    def _insert(
        self, item: CompiledObject, insert: str, lo: int, hi: int, unmappable: list[tuple[int, Rejection]]
    ) -> None:
        if lo >= hi:
            return
        try:
            self.connection.execute(insert, {"lo": lo, "hi": hi})
        except _RAISED as error:
            if hi - lo == 1:
                unmappable.append(self._unmappable(item, lo, error))
                return
            # an expression that raises, such as an overflow: halve until the record is alone
            middle = (lo + hi) // 2
            self._insert(item, insert, lo, middle, unmappable)
            self._insert(item, insert, middle, hi, unmappable)

    def _unmappable(self, item: CompiledObject, pos: int, error: Exception) -> tuple[int, Rejection]:
        culprit, reason = next(self._raising(item, pos), ("", error))
        source_id, amount, currency = self._identity(pos)
        rejection = Rejection(
            source_id, Stage.TRANSFORM, f"{culprit or item.name}: {_message(reason)}",
            object=item.name, field=culprit, amount=amount, currency=currency,
        )  # fmt: skip
        return pos, rejection

    def _raising(self, item: CompiledObject, pos: int) -> Iterator[tuple[str, Exception]]:
        """The fields whose expression raises for a record."""
        for name, sql in self.fields[item.name].items():
            try:
                self.connection.execute(
                    self.session.query(item, {name: sql}), {"lo": pos, "hi": pos + 1}
                ).fetchall()
            except _RAISED as error:
                yield name, error

    def _misshapen(self, pos: int, problem: Misshapen) -> tuple[int, Rejection]:
        source_id, amount, currency = self._identity(pos)
        rejection = Rejection(
            source_id, Stage.TRANSFORM, f"{problem.field or 'the record'}: {problem.value!r} {problem.reason}",
            object=self.flow.root, field=problem.field, value=problem.value, amount=amount, currency=currency,
        )  # fmt: skip
        return pos, rejection

    def _refused(self, pos: int, place: str, reason: str) -> tuple[int, Rejection]:
        source_id, amount, currency = self._identity(pos)
        of_object = place.startswith("objects.")
        name, _, rest = place.removeprefix("objects.").partition(".") if of_object else ("", "", place)
        rejection = Rejection(
            source_id, Stage.TRANSFORM, f"{place or 'the record'}: {reason}",
            object=name or self.flow.root, field=rest.removeprefix("fields."), amount=amount, currency=currency,
        )  # fmt: skip
        return pos, rejection

    def _identity(self, pos: int) -> tuple[str, Decimal | None, str]:
        """Id, amount and currency of the record of a line."""
        money = f"{self.compiled.amount}, {self.compiled.currency}"
        rows = self.connection.execute(f"SELECT _source_id, {money} FROM rec WHERE _pos = {pos}").fetchall()
        source_id, amount, currency = rows[0]
        return source_id, amount, currency

    def _rejections(self, unmappable: list[tuple[int, Rejection]]) -> tuple[tuple[int, Rejection], ...]:
        self.connection.execute("CREATE OR REPLACE TEMP TABLE bad (_pos BIGINT)")
        found = dict(unmappable)
        for item in self.compiled.objects:
            rows = [*self._twins(item), *self._failing(item)]
            for pos, _, source_id, row, amount, currency, found_wrong in sorted(rows, key=_place):
                rejection = problems.rejection(item.name, source_id, row, amount, currency, found_wrong)
                earlier = found.get(pos)
                # a defect outweighs a missing parent: waiting would not help
                if earlier is None or (earlier.waits_for and not rejection.waits_for):
                    found[pos] = rejection
        self.connection.execute("INSERT INTO bad SELECT unnest($1::BIGINT[])", [list(found)])
        return tuple(sorted(found.items()))

    def _twins(self, item: CompiledObject) -> list[tuple[Any, ...]]:
        """The rows whose key another row has too, with that as their problem."""
        table = f'"mapped_{item.name}"'
        twins = f"SELECT _key FROM {table} GROUP BY _key HAVING count(*) > 1"
        if not self._rows(f"{twins} LIMIT 1"):
            return []
        problem = "{'field': 'key', 'value': _key, 'reason': 'another row of this run has the same key', 'waits': NULL}"
        return self._rows(
            f"SELECT {_OF_PROBLEM}, [{problem}] FROM {table} WHERE NOT _bad AND _key IN ({twins})"
        )

    def _failing(self, item: CompiledObject) -> list[tuple[Any, ...]]:
        """The rows for which a check fails, with their problems."""
        failing = f'SELECT _pos FROM "mapped_{item.name}" WHERE _bad'
        if not self._one(f"SELECT count(*) FROM ({failing})"):
            return []
        query = self.session.problems(item, f"_pos IN ({failing})")
        return self._rows(f"SELECT {_OF_PROBLEM}, _problems FROM ({query}) WHERE _problems IS NOT NULL")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self.connection.execute(query).fetchall())

    def _warned(self, records: int) -> dict[str, int]:
        """What no row was rejected for, and how many rows it is about."""
        found: Counter[str] = Counter()
        for item in self.compiled.objects:
            if item.warnings:
                found += self._tally(item, f'SELECT unnest(_warnings) AS w FROM "mapped_{item.name}"')
            if item.where_warnings:
                found += self._tally(item, self.session.where_warnings(item), 0, records)
        return dict(found)

    def _tally(self, item: CompiledObject, query: str, *span: int) -> Counter[str]:
        """The warnings of a query, those of the records in a span if there is one; what raises is rejected."""
        counted = f"SELECT w.field, w.value, w.reason, count(*) FROM ({query}) GROUP BY ALL ORDER BY ALL"
        try:
            rows = self.connection.execute(counted, dict(zip(("lo", "hi"), span, strict=False))).fetchall()
        except _RAISED:
            if not span:
                raise
            lo, hi = span
            if hi - lo <= 1:
                return Counter()
            middle = (lo + hi) // 2
            return self._tally(item, query, lo, middle) + self._tally(item, query, middle, hi)
        return Counter(
            {f"{item.name}.{name}: {value} {reason}": count for name, value, reason, count in rows}
        )

    def _kept(self, item: CompiledObject, folder: Path, rejected: bool) -> int:
        """Takes the rows of rejected and unwanted records out of an object's file; gives how many rows remain."""
        table, path = f'"mapped_{item.name}"', folder / f"{item.name}.parquet"
        rows = self._one(f"SELECT count(*) FROM {table}")
        if not rejected and rows == self._one(f"SELECT count(*) FROM read_parquet({literal(path)})"):
            return rows
        copy = folder / f"{item.name}.kept.parquet"
        rows = self._write(
            copy, f"SELECT * FROM {table} WHERE _pos NOT IN (SELECT _pos FROM bad) ORDER BY _pos, _row_no"
        )
        copy.replace(path)
        return rows

    def _money(self, condition: str) -> Money:
        if self.flow.totals is None:
            return {}
        amount, currency = self.compiled.amount, self.compiled.currency
        query = (
            f"SELECT {currency}, sum({amount}) FROM rec WHERE {amount} IS NOT NULL AND {condition} GROUP BY 1"
        )
        return {str(code): Decimal(total) for code, total in self.connection.execute(query).fetchall()}


def _message(error: Exception) -> str:
    """The first line of what DuckDB says."""
    whole = error.object.decode("utf-8", "replace") if isinstance(error, UnicodeDecodeError) else str(error)
    return whole.splitlines()[0]


def _place(row: tuple[Any, ...]) -> tuple[int, int]:
    return row[0], row[1]
