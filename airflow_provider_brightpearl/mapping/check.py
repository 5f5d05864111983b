"""Checks and previews flow files without access to any system."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.lookups import LookupTable, load_lookups, lookups_folder
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.bounded import BoundedMapper
from airflow_provider_brightpearl.mapping.mapped import PartMapper, read_mapped

SchemaOf = Callable[[str], StreamSchema]


class _Unbound:
    """Stands for the crosswalk: all is taken as bound, to an id or key that shows its origin."""

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        return {key: f"<{flow}.{object_name} {key}>" for key in keys}

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        return {each: [f"<source of {flow}.{object_name} {each}>"] for each in target_ids}


def check_mapping(path: Path, schema_of: SchemaOf) -> list[str]:
    """The problems of one flow file, each with file, field and position; empty if there are none."""
    try:
        flow = load_flow(path)
        if flow.flow != path.stem:
            return [f"{path.name}: flow: {flow.flow!r} is not the file's name, {path.stem!r}"]
        with TemporaryDirectory() as work, _mapper(flow, path, schema_of, Path(work)):
            return []
    except Misconfigured as error:
        return [str(error)]


def preview(path: Path, record: bytes, schema_of: SchemaOf) -> dict[str, Any]:
    """The rows a flow makes of one source record, by object; under ``rejected`` why it would not pass.

    ``record`` is one JSON object, its numbers as the source wrote them.
    References to other flows and lookups in the target show their key in angle brackets.
    """
    flow = load_flow(path)
    with TemporaryDirectory() as work:
        folder = Path(work)
        raw = folder / "record.jsonl"
        raw.write_bytes(record.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n")
        with _mapper(flow, path, schema_of, folder) as mapper:
            result = mapper.map_part(raw, folder)
        shown: dict[str, Any] = {name: _rows(flow, name, folder / f"{name}.parquet") for name in flow.objects}
    if result.rejections:
        shown = {"rejected": [rejection.reason for _, rejection in result.rejections]}
    return shown | ({"warnings": list(result.warnings)} if result.warnings else {})


def _rows(flow: FlowSpec, name: str, path: Path) -> list[dict[str, Any]]:
    key = flow.objects[name].key_field
    return [{key: row.key, **json.loads(row.payload, parse_float=str)} for row in read_mapped(path)]


def _mapper(flow: FlowSpec, path: Path, schema_of: SchemaOf, folder: Path) -> PartMapper:
    lookups = load_lookups(flow, lookups_folder(path))
    for name, spec in flow.lookups.items():
        if spec.query is not None:
            lookups[name] = LookupTable({}, "keep")
    return BoundedMapper(flow, schema_of(flow.source), lookups, _Unbound(), (folder,))
