"""The two sides of a reconciliation: the source's records, mapped as the flow maps them, and the target's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.compare import KEEP, Difference, Entry
from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.core.ports.sides import Sides
from airflow_provider_brightpearl.core.ports.source import ListedRecord, Source, SourceInventory
from airflow_provider_brightpearl.core.ports.stores import Crosswalk, DeadLetters, Staging
from airflow_provider_brightpearl.core.ports.target import AdaptsValues, ReadsSpans, Target, TargetRow
from airflow_provider_brightpearl.core.progress import Progress, current
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.flow.identity import (
    compared_fields,
    currency_field,
    identity_of,
    needs_records,
)
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import read_mapped
from airflow_provider_brightpearl.pipeline.overrides import Patches
from airflow_provider_brightpearl.pipeline.transform import OpenMapper

# records handled together; whole calls of every target
_CHUNK = 10_000
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Ports:
    """What one reconciliation of a flow works on; ``source`` is read where fields are compared.

    ``open_sides`` gives the place where both sides are kept while they are compared. ``patches`` is what people have
    put in the place of values, as runs see it.
    """

    inventory: SourceInventory
    target: Target
    crosswalk: Crosswalk
    letters: DeadLetters
    staging: Staging
    source: Callable[[], Source]
    open_sides: Callable[[], Sides]
    patches: Patches | None = None


@dataclass(slots=True)
class Unjudged:
    """Records of the source that are not compared: changed since the flow last read, or not to be read or mapped."""

    pending: int = 0
    unreadable: Difference = field(default_factory=Difference)


def read_source(
    flow: FlowSpec,
    id_column: str,
    period: Window,
    watermark: datetime,
    ports: Ports,
    sides: Sides,
    open_mapper: OpenMapper,
) -> Unjudged:
    """Adds what the source has of a period, as the flow would write it; see ``find_drift`` for the arguments."""
    unjudged = Unjudged()
    whole = needs_records(flow, id_column)
    before = ports.inventory.calls
    current().begin("listed", "source records", calls=lambda: ports.inventory.calls - before)
    due = _due(ports.inventory.created(period), watermark, sides, unjudged)
    for number, chunk in enumerate(chunked(due, flow.part_size)):
        if whole:
            _map(flow, number, chunk, ports, sides, open_mapper, unjudged)
        else:
            sides.add_source((Entry(each.source_id), each.source_id) for each in chunk)
    return unjudged


def _due(
    listed: Iterable[ListedRecord], watermark: datetime, sides: Sides, unjudged: Unjudged
) -> Iterator[ListedRecord]:
    """The records that the flow must have read."""
    progress = current()
    for some in chunked(listed, _CHUNK):
        sides.add_listed(each.source_id for each in some)
        progress.advance(len(some))
        due = [each for each in some if each.changed is None or each.changed < watermark]
        unjudged.pending += len(some) - len(due)
        yield from due


def _map(
    flow: FlowSpec,
    number: int,
    chunk: Sequence[ListedRecord],
    ports: Ports,
    sides: Sides,
    open_mapper: OpenMapper,
    unjudged: Unjudged,
) -> None:
    fields = compared_fields(flow)
    bare = identity_of(flow)
    records = _records(chunk, ports, whole=bool(fields))
    if ports.patches:
        records = ports.patches.lines(records)
    part = ports.staging.write_lines(f"reconcile/{number:05}.jsonl", records)
    with ports.staging.local(part) as raw, TemporaryDirectory() as work:
        with open_mapper((raw.parent, Path(work))) as mapper:
            result = mapper.map_part(raw, Path(work))
        rows = read_mapped(Path(work) / f"{bare.root}.parquet")
    sides.add_source(
        (
            Entry(
                row.source_id,
                row.amount,
                row.currency,
                _expected(flow.root, row.payload, fields, ports.target),
            ),
            row.key,
        )
        for row in rows
    )
    judged = {row.source_id for row in rows} | {*result.filtered_ids}
    for each in chunk:
        # neither compared nor unwanted: it could not be read or mapped
        if each.source_id not in judged:
            unjudged.unreadable.add(each.source_id, KEEP)


def _records(chunk: Sequence[ListedRecord], ports: Ports, *, whole: bool) -> Iterator[bytes]:
    """The raw records of what was listed; ``whole``: with what the stream joins to them."""
    if whole:
        found = ports.source().read_ids([seen.source_id for seen in chunk])
        return (record for _, record in found if isinstance(record, bytes))
    missing = [seen.source_id for seen in chunk if not seen.record]
    lines = (seen.record for seen in chunk if seen.record)
    return ports.inventory.records(missing) if missing else lines


def _expected(root: str, payload: str, fields: Sequence[str], target: Target) -> str:
    """The values that the flow would write, as a JSON array."""
    if not fields:
        return ""
    if isinstance(target, AdaptsValues):
        payload = target.as_written(root, payload)
    values: dict[str, msgspec.Raw] = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    return f"[{','.join(bytes(values.get(name, b'null')).decode() for name in fields)}]"


def read_target(flow: FlowSpec, ports: Ports, sides: Sides, plain: bool) -> None:
    """Adds what the target holds for the records of the source, or between them; ``plain``: keys are their ids."""
    fields = _Compared.of(flow)
    before = ports.target.calls
    progress = current()
    progress.begin("read", "target rows", None, lambda: ports.target.calls - before)
    span = sides.span() if plain and isinstance(ports.target, ReadsSpans) else None
    if span and isinstance(ports.target, ReadsSpans):
        rows = ports.target.read_span(span, fields.names)
    else:
        rows = _rows_of_keys(flow, ports, sides, fields.names)
    sides.add_target((fields.entry(row), row.retired) for row in _counted(rows, progress))


def _rows_of_keys(flow: FlowSpec, ports: Ports, sides: Sides, fields: Sequence[str]) -> Iterator[TargetRow]:
    for chunk in chunked(sides.keys(), _CHUNK):
        bound = _bound_keys(flow, [name for name, _ in chunk], ports)
        yield from ports.target.read([key for _, key in chunk], fields, bound)


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

    def entry(self, row: TargetRow) -> Entry:
        amount = row.fields.get(self.amount) if self.amount else None
        currency = row.fields.get(self.currency) if self.currency else None
        values = [row.fields.get(each) for each in self.fields]
        held = _encode(values).decode() if values else ""
        if isinstance(amount, str) and (amount := decimal_of(amount)) is None:
            raise SchemaMismatch(
                f"record {row.key}: the target returns {self.amount} {row.fields[self.amount or '']!r}, which is not a "
                "number such as 1234.56; correct it there, or the number format of the connection's user"
            )
        return Entry(row.key, amount, str(currency or ""), held)


def _bound_keys(flow: FlowSpec, ids: Sequence[str], ports: Ports) -> dict[str, str]:
    if not ports.target.reads_bound_rows_only:
        return {}
    rows = ports.crosswalk.of_records(flow.flow, ids)
    return {row.key: row.target_id for row in rows if row.object == flow.root}
