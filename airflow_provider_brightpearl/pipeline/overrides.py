"""Puts the values of people in the place of a record's own, where records enter the mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.patches import EXACT, at, decode, merged, read_by
from airflow_provider_brightpearl.core.ports.overrides import Override
from airflow_provider_brightpearl.core.schema import Schema, StreamSchema
from airflow_provider_brightpearl.flow.spec import FlowSpec


@dataclass(slots=True)
class Patches:
    """The overrides of a flow, applied to raw records.

    Args:
        overrides: those that count, by record.
        flow: the flow.
        schema: of its stream.
        columns: what the flow reads of a record. An override counts while these are as they were when it was made,
            but for the version of the record, which any change raises, and for what the flow itself writes back.

    ``void`` names the records that were met and have changed; their overrides are not applied.
    """

    overrides: Mapping[str, Override]
    flow: FlowSpec
    schema: StreamSchema
    columns: Schema
    void: list[str] = field(default_factory=list)
    _aside: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        written = {name for spec in self.flow.write_back.values() for name in spec.fields}
        self._aside = frozenset((*self.schema.version, *self.schema.created, *written))

    def file(self, raw: Path, folder: Path) -> Path:
        """A file of raw records, as it is where no override is for one of them, else a copy in ``folder``."""
        if not self.overrides:
            return raw
        copy = folder / "overridden.jsonl"
        with raw.open("rb") as lines, copy.open("wb") as file:
            file.writelines(each + b"\n" for each in self.lines(line.removesuffix(b"\n") for line in lines))
        return copy

    def lines(self, records: Iterable[bytes]) -> Iterator[bytes]:
        """Raw records, in their order."""
        return map(self._patched, records)

    def _patched(self, line: bytes) -> bytes:
        try:
            record = decode(line)
        except msgspec.DecodeError:
            return line
        found = at(record, self.schema.id_column)
        made = self.overrides.get("" if found is None else str(found))
        if made is None:
            return line
        if self._read(record) != self._read(decode(made.payload)):
            self.void.append(made.source_id)
            return line
        return EXACT.encode(merged(record, made.patch))

    def _read(self, record: Any) -> Any:
        return read_by(record, self.columns, self._aside)
