"""Translation tables of a flow: CSV files beside it, or a query of the target system."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec, LookupSpec

Query = Callable[[str], Iterable[Mapping[str, Any]]]
# holds flow files that are used in the folder above
VARIANTS = "variants"


@dataclass(frozen=True, slots=True)
class LookupTable:
    """Value by key, both text, and how a missing key is treated."""

    values: Mapping[str, str | None]
    unknown: str = "reject"
    default: str | None = None


def lookups_folder(path: Path) -> Path:
    """The folder from which a flow file names its tables: its own, or where one in ``variants`` is used."""
    return path.parent.parent if path.parent.name == VARIANTS else path.parent


def load_lookups(flow: FlowSpec, folder: Path, query: Query | None = None) -> dict[str, LookupTable]:
    """The tables of a flow by name; ``folder`` holds its file. Without ``query`` the target's tables are empty."""
    return {name: load_lookup(flow, name, folder, query) for name in flow.lookups}


def lookup_digests(flow: FlowSpec, folder: Path) -> dict[str, str]:
    """Digest of each lookup file, part of the mapping's version."""
    files = {name: folder / spec.file for name, spec in flow.lookups.items() if spec.file}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path.exists()
    }


def load_lookup(flow: FlowSpec, name: str, folder: Path, query: Query | None = None) -> LookupTable:
    """One table of a flow; ``folder`` holds its file.

    Raises:
        Misconfigured: names the flow file, the lookup, and what is wrong with it.
    """
    spec = flow.lookups[name]
    place = f"{flow.flow}.yaml: lookups.{name}"
    if (spec.file is None) == (spec.query is None):
        raise Misconfigured(f"{place}: give either file or query")
    if spec.unknown == "default" and spec.default is None:
        raise Misconfigured(f"{place}: unknown: default needs a default")
    values = _from_file(folder / spec.file, spec, place) if spec.file else _from_query(spec, query, place)
    return LookupTable(values, spec.unknown, spec.default)


def _from_file(path: Path, spec: LookupSpec, place: str) -> dict[str, str | None]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(csv.DictReader(file), spec, f"{place}: {path.name}")
    except OSError as error:
        raise Misconfigured(f"{place}: {path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{place}: {path.name} is not UTF-8; save it as CSV UTF-8") from error
    except csv.Error as error:
        raise Misconfigured(f"{place}: {path.name} is not CSV: {error}") from error


def _read(rows: csv.DictReader[str], spec: LookupSpec, place: str) -> dict[str, str | None]:
    columns = rows.fieldnames or []
    missing = [name for name in (spec.key, spec.value) if name not in columns]
    if missing:
        raise Misconfigured(
            f"{place}: no column {missing[0]!r}; columns there: {', '.join(columns) or 'none'}"
        )
    values: dict[str, str | None] = {}
    for row in rows:
        key = (row[spec.key] or "").strip()
        if key in values:
            raise Misconfigured(f"{place}, line {rows.line_num}: duplicate key {key!r}")
        values[key] = (row[spec.value] or "").strip() or None
    return values


def _from_query(spec: LookupSpec, query: Query | None, place: str) -> dict[str, str | None]:
    if query is None or spec.query is None:
        return {}
    values: dict[str, str | None] = {}
    for row in query(spec.query):
        missing = [name for name in (spec.key, spec.value) if name not in row]
        if missing:
            raise Misconfigured(f"{place}: the query returns no {missing[0]!r}; it returns: {', '.join(row)}")
        key, value = row[spec.key], row[spec.value]
        if key is not None and values.setdefault(str(key), _text(value)) != _text(value):
            raise Misconfigured(f"{place}: the query returns two values for key {str(key)!r}")
    return values


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
