"""A mapping at work on records given in a test."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_brightpearl.core.ports.stores import Resolver
from airflow_provider_brightpearl.core.records import Rejection
from airflow_provider_brightpearl.core.schema import NAMED_JSON, ListOf, MapOf, StreamSchema
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.mapped import MapResult, PartMapper, read_mapped
from tests.fakes import EverythingBound

SCHEMA = StreamSchema(
    "id",
    {
        "id": "BIGINT",
        "name": "VARCHAR",
        "status": "VARCHAR",
        "at": "TIMESTAMPTZ",
        "amount": "DECIMAL(18,4)",
        "count": "BIGINT",
        "open": "BOOLEAN",
        "currency": "VARCHAR",
        "party": {
            "id": "BIGINT",
            "city": "VARCHAR",
            "address": {"addressLine1": "VARCHAR", "addressLine2": "VARCHAR"},
        },
        "lines": MapOf(
            {"sku": "VARCHAR", "qty": {"n": "DECIMAL(18,4)"}, "net": "DECIMAL(18,4)", "kind": "VARCHAR"}
        ),
        "tags": ListOf({"name": "VARCHAR", "rank": "BIGINT", "more": "JSON", "named": NAMED_JSON}),
        "more": "JSON",
        "named": NAMED_JSON,
    },
)


@dataclass(frozen=True)
class Mapped:
    """What a mapping made of some records."""

    result: MapResult
    rows: dict[str, list[dict[str, Any]]]

    @property
    def rejections(self) -> dict[str, Rejection]:
        return {each.source_id: each for _, each in self.result.rejections}

    @property
    def reasons(self) -> dict[str, tuple[str, str, str]]:
        """Field, value and reason by source id."""
        return {name: (each.field, each.value, each.reason) for name, each in self.rejections.items()}

    def column(self, name: str, of: str = "Thing") -> list[Any]:
        return [row[name] for row in self.rows[of]]


def flow(
    fields: Mapping[str, str], *, rows: Mapping[str, Mapping[str, Any]] | None = None, **more: Any
) -> FlowSpec:
    """A flow with the object Thing, and objects with rows below it."""
    root = {"key": {"Id__c": "id"}, "fields": dict(fields), **more.pop("root", {})}
    data = {
        "flow": "bench",
        "source": "a.b",
        "target": "c",
        "objects": {"Thing": root, **(rows or {})},
        **more,
    }
    return FlowSpec.model_validate(data)


def lookup(
    values: Mapping[str, str | None], unknown: str = "reject", default: str | None = None
) -> LookupTable:
    return LookupTable(values, unknown, default)


def line(record: Any) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()


def run(
    spec: FlowSpec,
    records: Iterable[Any],
    *,
    lookups: Mapping[str, LookupTable] | None = None,
    resolver: Resolver | None = None,
    schema: StreamSchema = SCHEMA,
) -> Mapped:
    """Maps records, given as dicts or as the bytes of a line."""
    with TemporaryDirectory() as folder, opened(spec, [Path(folder)], lookups, resolver, schema) as mapper:
        return map_with(mapper, Path(folder), records)


def opened(
    spec: FlowSpec,
    folders: Sequence[Path],
    lookups: Mapping[str, LookupTable] | None = None,
    resolver: Resolver | None = None,
    schema: StreamSchema = SCHEMA,
) -> Mapper:
    return Mapper(spec, schema, lookups or {}, resolver or EverythingBound(), folders)


def map_with(mapper: PartMapper, folder: Path, records: Iterable[Any]) -> Mapped:
    raw = folder / "raw.jsonl"
    raw.write_bytes(b"".join(line(record) + b"\n" for record in records))
    result = mapper.map_part(raw, folder)
    return Mapped(result, {name: _rows(folder / f"{name}.parquet") for name in result.rows})


def _rows(path: Path) -> list[dict[str, Any]]:
    return [
        {"_id": row.source_id, "_key": row.key, "_parent": row.parent, "_text": row.payload,
         **json.loads(row.payload, parse_float=Decimal)}
        for row in read_mapped(path)
    ]  # fmt: skip
