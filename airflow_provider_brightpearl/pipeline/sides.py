"""The two sides of a reconciliation: the source's records, mapped as the flow maps them, and the target's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.compare import Entry, Side
from airflow_provider_brightpearl.core.ports.source import ListedRecord, Source, SourceInventory
from airflow_provider_brightpearl.core.ports.stores import Crosswalk, DeadLetters, Staging
from airflow_provider_brightpearl.core.ports.target import Target, TargetRow
from airflow_provider_brightpearl.core.progress import Progress, current
from airflow_provider_brightpearl.core.records import PartRef
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.flow.identity import (
    compared_fields,
    currency_field,
    identity_of,
    needs_records,
)
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import read_mapped
from airflow_provider_brightpearl.pipeline.transform import OpenMapper

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Ports:
    """What one reconciliation of a flow works on; ``source`` is read where fields are compared."""

    inventory: SourceInventory
    target: Target
    crosswalk: Crosswalk
    letters: DeadLetters
    staging: Staging
    source: Callable[[], Source]


@dataclass(slots=True)
class SourceSide:
    """What the source has: entries by id, the keys of those with another key, and what is not judged."""

    side: Side = field(default_factory=Side)
    keys: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    pending: int = 0
    unreadable: int = 0


def source_side(
    flow: FlowSpec,
    id_column: str,
    period: Window,
    watermark: datetime,
    ports: Ports,
    open_mapper: OpenMapper,
) -> SourceSide:
    """What the source has of a period, as the flow would write it; see ``find_drift`` for the arguments."""
    source = SourceSide()
    whole = needs_records(flow, id_column)
    before = ports.inventory.calls
    current().begin("listed", "source records", calls=lambda: ports.inventory.calls - before)
    due = _due(ports.inventory.created(period), watermark, source)
    for number, chunk in enumerate(chunked(due, flow.part_size)):
        if whole:
            _map(flow, number, chunk, source, ports, open_mapper)
        else:
            for seen in chunk:
                source.side.add(Entry(seen.source_id))
    return source


def _due(listed: Iterable[ListedRecord], watermark: datetime, source: SourceSide) -> Iterator[ListedRecord]:
    """The records that the flow must have read."""
    progress = current()
    for seen in listed:
        progress.advance()
        source.seen.add(seen.source_id)
        if seen.changed is not None and seen.changed >= watermark:
            source.pending += 1
        else:
            yield seen


def _map(
    flow: FlowSpec,
    number: int,
    chunk: Sequence[ListedRecord],
    source: SourceSide,
    ports: Ports,
    open_mapper: OpenMapper,
) -> None:
    fields = compared_fields(flow)
    part = ports.staging.write_lines(
        f"reconcile/{number:05}.jsonl", _records(chunk, ports, whole=bool(fields))
    )
    for row in _identities(identity_of(flow), part, source, ports.staging, open_mapper):
        source.side.add(Entry(row.source_id, row.amount, row.currency, _expected(row.payload, fields)))
        if row.key != row.source_id:
            source.keys[row.source_id] = row.key


def _records(chunk: Sequence[ListedRecord], ports: Ports, *, whole: bool) -> Iterator[bytes]:
    """The raw records of what was listed; ``whole``: with what the stream joins to them."""
    if whole:
        found = ports.source().read_ids([seen.source_id for seen in chunk])
        return (record for _, record in found if isinstance(record, bytes))
    missing = [seen.source_id for seen in chunk if not seen.record]
    lines = (seen.record for seen in chunk if seen.record)
    return ports.inventory.records(missing) if missing else lines


def _expected(payload: str, fields: Sequence[str]) -> str:
    """The values that the flow would write, as a JSON array."""
    if not fields:
        return ""
    values: dict[str, msgspec.Raw] = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    return f"[{','.join(bytes(values.get(name, b'null')).decode() for name in fields)}]"


def _identities(
    bare: FlowSpec, part: PartRef, source: SourceSide, staging: Staging, open_mapper: OpenMapper
) -> Iterator[Any]:
    with staging.local(part) as raw, TemporaryDirectory() as work:
        with open_mapper((raw.parent, Path(work))) as mapper:
            result = mapper.map_part(raw, Path(work))
        source.unreadable += len(result.rejections)
        yield from read_mapped(Path(work) / f"{bare.root}.parquet")


def target_side(flow: FlowSpec, source: SourceSide, ports: Ports, plain: bool) -> Side:
    """What the target holds for the records of the source, or between them; ``plain``: keys are ids of the source."""
    ids = [entry.id for entry in source.side]
    between = plain and all(name.isdigit() for name in ids)
    of_key = {key: source_id for source_id, key in source.keys.items()}
    keys = ids if plain else [source.keys.get(name, name) for name in ids]
    fields = _Compared.of(flow)
    before = ports.target.calls
    progress = current()
    progress.begin("read", "target rows", len(keys), lambda: ports.target.calls - before)
    rows = ports.target.read(keys, fields.names, _bound_keys(flow, ids, ports), between=between)
    # a record that is not compared is not missing on the other side either
    unjudged = source.seen.difference(ids)
    return Side(
        fields.entry(name, row)
        for row in _counted(rows, progress)
        if (name := of_key.get(row.key, row.key)) not in unjudged
        and not (row.retired and name not in source.seen)
    )


def _counted(rows: Iterable[TargetRow], progress: Progress) -> Iterator[TargetRow]:
    for row in rows:
        progress.advance()
        yield row


@dataclass(frozen=True, slots=True)
class _Compared:
    """Where rows of the target hold their amount and its currency, if amounts are compared, and fields."""

    amount: str | None
    currency: str | None
    fields: Sequence[str]

    @classmethod
    def of(cls, flow: FlowSpec) -> _Compared:
        amount = flow.reconcile.amount if flow.reconcile else None
        return cls(amount, currency_field(flow), compared_fields(flow))

    @property
    def names(self) -> list[str]:
        named = [name for name in (self.amount, self.currency) if name]
        return list(dict.fromkeys([*named, *self.fields]))

    def entry(self, name: str, row: TargetRow) -> Entry:
        amount = row.fields.get(self.amount) if self.amount else None
        currency = row.fields.get(self.currency) if self.currency else None
        values = [row.fields.get(each) for each in self.fields]
        held = _encode(values).decode() if values else ""
        return Entry(name, None if amount is None else Decimal(str(amount)), str(currency or ""), held)


def _bound_keys(flow: FlowSpec, ids: Sequence[str], ports: Ports) -> dict[str, str]:
    if not ports.target.reads_bound_rows_only:
        return {}
    rows = ports.crosswalk.of_records(flow.flow, ids)
    return {row.key: row.target_id for row in rows if row.object == flow.root}
