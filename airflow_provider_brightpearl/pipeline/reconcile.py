"""Compares the records of a period in both systems of a flow, and finds rows whose record was deleted.

Only records that the flow has had its turn to read are judged: those last changed before its watermark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_brightpearl.core.census import Census, Crosswalk, Listing, Seen, Waiting
from airflow_provider_brightpearl.core.ports import Staging
from airflow_provider_brightpearl.core.reconcile import Comparison, Entry, Side, Tally, compare
from airflow_provider_brightpearl.core.records import PartRef
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.mapping.identity import identity_of, key_is_id, needs_records
from airflow_provider_brightpearl.mapping.mapped import read_mapped
from airflow_provider_brightpearl.mapping.reconcile_spec import ReconcileSpec
from airflow_provider_brightpearl.mapping.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.rejected import money_as_text
from airflow_provider_brightpearl.pipeline.transform import OpenMapper

# ids shown of each kind of difference
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Ports:
    """What one reconciliation of a flow works on."""

    census: Census
    listing: Listing
    bindings: Crosswalk
    letters: Waiting
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
    parked, so known; by_hand: cannot be written again by the flow; deleted: rows left by deleted records;
    forgotten: bound, and gone on both sides; outside: in the target, and no record of this flow's period.
    """

    missing: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


def reconcile(
    flow: FlowSpec, id_column: str, period: Window, watermark: datetime, ports: Ports, open_mapper: OpenMapper
) -> dict[str, Any]:
    """What differs, as plain values: counts, money, ids, and under ``state`` what it comes to.

    Args:
        flow: the flow; ``reconcile`` says how its sides are compared.
        id_column: name of the id in raw records.
        period: creation of the records that are compared.
        watermark: how far the flow has read.
        ports: both systems, and what the state database knows.
        open_mapper: opens the mapping of ``identity_of(flow)``.
    """
    spec = flow.reconcile or ReconcileSpec()
    plain = key_is_id(flow, id_column)
    source = _source_side(flow, id_column, period, watermark, ports, open_mapper)
    target = _target_side(flow, source, ports, plain)
    found = compare(source.side, target, amounts=ports.listing.amounts, tolerance=spec.tolerance)
    drift = _judged(flow, found, source, ports)
    return _report(flow, spec, period, found, drift, source, ports)


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
    due = _due(ports.census.created(period), watermark, source)
    for number, chunk in enumerate(_chunked(due, flow.part_size)):
        if whole:
            _map(flow, number, chunk, source, ports, open_mapper)
        else:
            for seen in chunk:
                source.side.add(Entry(seen.source_id))
    return source


def _due(listed: Iterable[Seen], watermark: datetime, source: _Source) -> Iterator[Seen]:
    """The records that the flow has had its turn to read."""
    for seen in listed:
        source.seen.add(seen.source_id)
        if seen.changed is not None and seen.changed >= watermark:
            source.pending += 1
        else:
            yield seen


def _map(
    flow: FlowSpec,
    number: int,
    chunk: Sequence[Seen],
    source: _Source,
    ports: Ports,
    open_mapper: OpenMapper,
) -> None:
    lines = [seen.record for seen in chunk if seen.record]
    missing = [seen.source_id for seen in chunk if not seen.record]
    records = ports.census.records(missing) if missing else iter(lines)
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
    ranged = plain and all(name.isdigit() for name in ids)
    of_key = {key: source_id for source_id, key in source.keys.items()}
    keys = ids if plain else [source.keys.get(name, name) for name in ids]
    rows = ports.listing.rows(keys, _bound_keys(flow, ids, ports), ranged=ranged)
    # a record that is not judged is not missed on the other side either
    unjudged = source.seen.difference(ids)
    return Side(
        Entry(name, row.amount, row.currency)
        for row in rows
        if (name := of_key.get(row.key, row.key)) not in unjudged
        and not (row.retired and name not in source.seen)
    )


def _bound_keys(flow: FlowSpec, ids: Sequence[str], ports: Ports) -> dict[str, str]:
    if not ports.listing.by_binding:
        return {}
    rows = ports.bindings.of_records(flow.flow, ids)
    return {row.key: row.target_id for row in rows if row.object == flow.root}


# what differs


def _judged(flow: FlowSpec, found: Comparison, source: _Source, ports: Ports) -> Drift:
    drift = Drift()
    waiting = ports.letters.waiting(flow.flow, [*found.missing.ids, *found.differing.ids])
    rows = ports.bindings.of_records(flow.flow, found.missing.ids)
    bound = {row.source_id for row in rows if row.object == flow.root}
    for name in found.missing.ids:
        # one that was there has been taken out of the target since, whatever was said of it later
        _place(drift, name, drift.missing, name in waiting and name not in bound, name in bound, ports)
    for name in found.differing.ids:
        _place(drift, name, drift.differing, name in waiting, True, ports)
    if flow.reconcile and flow.reconcile.deleted == "ignore":
        drift.outside += found.extra.ids
    else:
        _sweep(flow, drift, found.extra.ids, source, ports)
    return drift


def _place(drift: Drift, name: str, usual: list[str], waits: bool, written: bool, ports: Ports) -> None:
    if waits:
        drift.waiting.append(name)
    else:
        (drift.by_hand if written and not ports.listing.rewrites else usual).append(name)


def _sweep(flow: FlowSpec, drift: Drift, extra: Sequence[str], source: _Source, ports: Ports) -> None:
    """Tells which rows are left of deleted records: those only the target has, and those bound to nothing."""
    bound = {
        row.source_id: row.target_id
        for row in ports.bindings.roots(flow.flow, flow.root)
        if row.source_id not in source.seen
    }
    names = set(bound) if ports.census.sweeps else _within(bound, source.seen)
    gone = ports.census.gone({*names, *extra} - _constant_ids(flow))
    for name in extra:
        (drift.deleted if name in gone else drift.outside).append(name)
    lost = sorted(gone.difference(extra))
    there = ports.listing.there(flow.root, [bound[name] for name in lost])
    for name in lost:
        (drift.deleted if bound[name] in there else drift.forgotten).append(name)


def _constant_ids(flow: FlowSpec) -> set[str]:
    return {str(record["id"]) for record in flow.constants if "id" in record}


def _within(names: Iterable[str], seen: Iterable[str]) -> set[str]:
    """The ids between the first and the last one seen: a source without a sweep is not asked for all."""
    numbers = [int(name) for name in seen if name.isdigit()]
    if not numbers:
        return set()
    low, high = min(numbers), max(numbers)
    return {name for name in names if name.isdigit() and low <= int(name) <= high}


def _chunked(items: Iterable[Seen], size: int) -> Iterator[list[Seen]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


# what it comes to


def _report(
    flow: FlowSpec,
    spec: ReconcileSpec,
    period: Window,
    found: Comparison,
    drift: Drift,
    source: _Source,
    ports: Ports,
) -> dict[str, Any]:
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
            for name in ("waiting", "by_hand", "deleted", "outside", "forgotten")
        },
        "pending": source.pending,
        "unreadable": source.unreadable,
        "repeated": found.repeated.count,
    }
    small = size <= spec.max_repair
    return {
        "flow": flow.flow,
        "period": period.as_dict(),
        "state": _state(size, small, counts, spec),
        "counts": counts,
        "money": {"source": _money(found.source), "target": _money(found.target)},
        "ids": {
            name: getattr(drift, name)[:SHOWN] for name in Drift.__slots__ if getattr(drift, name)
        },
        "drift": size,
        "max_repair": spec.max_repair,
        "repair": repair if small else [],
        "remove": remove if small else [],
        "forget": drift.forgotten[: spec.max_repair] if small else [],
        "calls": {flow.source_system: ports.census.calls, flow.target: ports.listing.calls},
        "note": ports.listing.note,
    }  # fmt: skip


def _money(tally: Tally) -> dict[str, str]:
    return money_as_text(tally.money)


def _state(size: int, small: bool, counts: Mapping[str, int], spec: ReconcileSpec) -> str:
    if size:
        return "drift" if small else "too much"
    told = counts["by_hand"] or counts["repeated"] or (counts["deleted"] and spec.deleted == "report")
    return "to look at" if told else "clean"
