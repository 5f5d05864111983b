"""Compares the records of a period in both systems of a flow, and finds rows whose record was deleted.

Only records that the flow has had its turn to read are judged: those last changed before its watermark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from more_itertools import chunked

from airflow_provider_brightpearl.core.compare import Comparison, Entry, Side, compare
from airflow_provider_brightpearl.core.ports.source import ListedRecord, SourceInventory
from airflow_provider_brightpearl.core.ports.stores import Crosswalk, DeadLetters, Staging
from airflow_provider_brightpearl.core.ports.target import Target, TargetRow
from airflow_provider_brightpearl.core.progress import Progress, current
from airflow_provider_brightpearl.core.records import PartRef
from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.flow.identity import currency_field, identity_of, key_is_id, needs_records
from airflow_provider_brightpearl.flow.reconcile import ReconcileSpec
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import read_mapped
from airflow_provider_brightpearl.pipeline.transform import OpenMapper

# ids shown of each kind of difference
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Ports:
    """What one reconciliation of a flow works on."""

    inventory: SourceInventory
    target: Target
    crosswalk: Crosswalk
    letters: DeadLetters
    staging: Staging


@dataclass(slots=True)
class _Source:
    """What the source has: entries by id, the keys of those with another key, and what is not judged."""

    side: Side = field(default_factory=Side)
    keys: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    pending: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class Drift:
    """Source ids by what is to be done about them.

    missing: not in the target and nothing says why; differing: there with another amount; waiting: rejected or
    parked, so known; manual: cannot be written again by the flow; deleted: rows left by deleted records;
    stale_bindings: bound, and gone on both sides; unmatched: in the target, and no record of this flow's period.
    """

    missing: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    manual: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    stale_bindings: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)


def find_drift(
    flow: FlowSpec,
    run: str,
    id_column: str,
    period: Window,
    watermark: datetime,
    ports: Ports,
    open_mapper: OpenMapper,
    now: datetime,
) -> ReconcileReport:
    """What differs between both systems of a flow; changes nothing.

    Args:
        flow: the flow; ``reconcile`` says how its sides are compared.
        run: names the reconciliation.
        id_column: name of the id in raw records.
        period: creation of the records that are compared.
        watermark: how far the flow has read.
        ports: both systems, and what the state database knows.
        open_mapper: opens the mapping of ``identity_of(flow)``.
        now: when the comparison began, aware.
    """
    spec = flow.reconcile or ReconcileSpec()
    plain = key_is_id(flow, id_column)
    source = _source_side(flow, id_column, period, watermark, ports, open_mapper)
    target = _target_side(flow, source, ports, plain)
    found = compare(source.side, target, amounts=spec.amount is not None, tolerance=spec.tolerance)
    drift = _judged(flow, found, source, ports)
    return _report(flow, run, spec, period, now, found, drift, source, ports)


# the two sides


def _source_side(
    flow: FlowSpec,
    id_column: str,
    period: Window,
    watermark: datetime,
    ports: Ports,
    open_mapper: OpenMapper,
) -> _Source:
    source = _Source()
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


def _due(listed: Iterable[ListedRecord], watermark: datetime, source: _Source) -> Iterator[ListedRecord]:
    """The records that the flow has had its turn to read."""
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
    source: _Source,
    ports: Ports,
    open_mapper: OpenMapper,
) -> None:
    lines = [seen.record for seen in chunk if seen.record]
    missing = [seen.source_id for seen in chunk if not seen.record]
    records = ports.inventory.records(missing) if missing else iter(lines)
    part = ports.staging.write_lines(f"reconcile/{number:05}.jsonl", records)
    for row in _identities(identity_of(flow), part, source, ports.staging, open_mapper):
        source.side.add(Entry(row.source_id, row.amount, row.currency))
        if row.key != row.source_id:
            source.keys[row.source_id] = row.key


def _identities(
    bare: FlowSpec, part: PartRef, source: _Source, staging: Staging, open_mapper: OpenMapper
) -> Iterator[Any]:
    with staging.local(part) as raw, TemporaryDirectory() as work:
        with open_mapper((raw.parent, Path(work))) as mapper:
            result = mapper.map_part(raw, Path(work))
        source.unreadable += len(result.rejections)
        yield from read_mapped(Path(work) / f"{bare.root}.parquet")


def _target_side(flow: FlowSpec, source: _Source, ports: Ports, plain: bool) -> Side:
    ids = [entry.id for entry in source.side]
    between = plain and all(name.isdigit() for name in ids)
    of_key = {key: source_id for source_id, key in source.keys.items()}
    keys = ids if plain else [source.keys.get(name, name) for name in ids]
    fields = _Amount.of(flow)
    before = ports.target.calls
    progress = current()
    progress.begin("read", "target rows", len(keys), lambda: ports.target.calls - before)
    rows = ports.target.read(keys, fields.names, _bound_keys(flow, ids, ports), between=between)
    # a record that is not judged is not missed on the other side either
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
class _Amount:
    """Where rows of the target hold their amount and its currency, if amounts are compared."""

    amount: str | None
    currency: str | None

    @classmethod
    def of(cls, flow: FlowSpec) -> _Amount:
        return cls(flow.reconcile.amount if flow.reconcile else None, currency_field(flow))

    @property
    def names(self) -> list[str]:
        return [name for name in (self.amount, self.currency) if name]

    def entry(self, name: str, row: TargetRow) -> Entry:
        amount = row.fields.get(self.amount) if self.amount else None
        currency = row.fields.get(self.currency) if self.currency else None
        return Entry(name, None if amount is None else Decimal(str(amount)), str(currency or ""))


def _bound_keys(flow: FlowSpec, ids: Sequence[str], ports: Ports) -> dict[str, str]:
    if not ports.target.reads_bound_rows_only:
        return {}
    rows = ports.crosswalk.of_records(flow.flow, ids)
    return {row.key: row.target_id for row in rows if row.object == flow.root}


# what differs


def _judged(flow: FlowSpec, found: Comparison, source: _Source, ports: Ports) -> Drift:
    drift = Drift()
    waiting = ports.letters.waiting(flow.flow, [*found.missing.ids, *found.differing.ids])
    rows = ports.crosswalk.of_records(flow.flow, found.missing.ids)
    bound = {row.source_id for row in rows if row.object == flow.root}
    for name in found.missing.ids:
        # one that was there has been taken out of the target since, whatever was said of it later
        _place(drift, name, drift.missing, name in waiting and name not in bound, name in bound, ports)
    for name in found.differing.ids:
        _place(drift, name, drift.differing, name in waiting, True, ports)
    if flow.reconcile and flow.reconcile.deleted == "ignore":
        drift.unmatched += found.extra.ids
    else:
        _sweep(flow, drift, found.extra.ids, source, ports)
    return drift


def _place(drift: Drift, name: str, usual: list[str], waits: bool, written: bool, ports: Ports) -> None:
    if waits:
        drift.waiting.append(name)
    else:
        (drift.manual if written and not ports.target.can_rewrite else usual).append(name)


def _sweep(flow: FlowSpec, drift: Drift, extra: Sequence[str], source: _Source, ports: Ports) -> None:
    """Finds rows that are left of deleted records: those that only the target has, and those bound to nothing."""
    bound = {
        row.source_id: row.target_id
        for row in ports.crosswalk.roots(flow.flow, flow.root)
        if row.source_id not in source.seen
    }
    names = set(bound) if ports.inventory.lists_all_ids else _within(bound, source.seen)
    gone = ports.inventory.deleted_ids({*names, *extra} - _constant_ids(flow))
    for name in extra:
        (drift.deleted if name in gone else drift.unmatched).append(name)
    lost = sorted(gone.difference(extra))
    there = ports.target.existing_ids(flow.root, [bound[name] for name in lost])
    for name in lost:
        (drift.deleted if bound[name] in there else drift.stale_bindings).append(name)


def _constant_ids(flow: FlowSpec) -> set[str]:
    return {str(record["id"]) for record in flow.constants if "id" in record}


def _within(names: Iterable[str], seen: Iterable[str]) -> set[str]:
    """The ids between the first and the last one seen: a source without a sweep is not asked for all."""
    numbers = [int(name) for name in seen if name.isdigit()]
    if not numbers:
        return set()
    low, high = min(numbers), max(numbers)
    return {name for name in names if name.isdigit() and low <= int(name) <= high}


# what it comes to


def _report(
    flow: FlowSpec,
    run: str,
    spec: ReconcileSpec,
    period: Window,
    started_at: datetime,
    found: Comparison,
    drift: Drift,
    source: _Source,
    ports: Ports,
) -> ReconcileReport:
    # beyond what is remembered by id, nothing is repaired anyway
    unkept = sum(each.count - len(each.ids) for each in (found.missing, found.differing))
    repair = [*drift.missing, *drift.differing]
    remove = [*drift.deleted] if spec.deleted == "remove" else []
    size = len(repair) + len(remove) + unkept
    counts = {
        "source": found.source.count,
        "target": found.target.count,
        "matched": found.matched,
        "missing": len(drift.missing) + found.missing.count - len(found.missing.ids),
        "differing": len(drift.differing) + found.differing.count - len(found.differing.ids),
        **{
            name: len(getattr(drift, name))
            for name in ("waiting", "manual", "deleted", "unmatched", "stale_bindings")
        },
        "pending": source.pending,
        "unreadable": source.unreadable,
        "repeated": found.repeated.count,
    }
    small = size <= spec.max_repair
    return ReconcileReport(
        flow=flow.flow,
        run=run,
        state=_state(size, small, counts, spec),
        period=period,
        counts=counts,
        money={"source": found.source.money, "target": found.target.money},
        ids={name: tuple(ids[:SHOWN]) for name in Drift.__slots__ if (ids := getattr(drift, name))},
        calls={flow.source_system: ports.inventory.calls, flow.target: ports.target.calls},
        note=ports.target.note,
        started_at=started_at,
        drift=size,
        max_repair=spec.max_repair,
        repair=tuple(repair) if small else (),
        remove=tuple(remove) if small else (),
        stale_bindings=tuple(drift.stale_bindings[: spec.max_repair]) if small else (),
    )


def _state(size: int, small: bool, counts: Mapping[str, int], spec: ReconcileSpec) -> ReconcileState:
    if size:
        return ReconcileState.DRIFT if small else ReconcileState.OVER_LIMIT
    review = counts["manual"] or counts["repeated"] or (counts["deleted"] and spec.deleted == "report")
    return ReconcileState.NEEDS_REVIEW if review else ReconcileState.CLEAN
