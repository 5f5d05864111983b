"""Compares the records of a period in both systems of a flow, and finds rows whose record was deleted.

Only records that the flow must have read are compared: those last changed before its watermark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from airflow_provider_brightpearl.core.compare import Comparison, compare
from airflow_provider_brightpearl.core.ports.sides import Sides, Witness
from airflow_provider_brightpearl.core.ports.stores import DETACHED
from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.flow.identity import (
    compared_fields,
    key_is_id,
)
from airflow_provider_brightpearl.flow.reconcile import ReconcileSpec
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.repair import merged_ids
from airflow_provider_brightpearl.pipeline.sides import Ports, Unjudged, read_source, read_target
from airflow_provider_brightpearl.pipeline.transform import OpenMapper

# ids shown of each kind of difference
SHOWN = 20


@dataclass(slots=True)
class Drift:
    """Source ids by what to do about them.

    missing: not in the target and nothing says why; differing: there with other values; waiting: rejected or
    parked, so known; manual: cannot be written again by the flow; deleted: rows left by deleted records;
    stale_bindings: bound, and gone on both sides; detach: deleted on one side, to be
    left alone on the other; unmatched: in the target, and no record of this flow's period.
    """

    missing: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    manual: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    stale_bindings: list[str] = field(default_factory=list)
    detach: list[str] = field(default_factory=list)
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
    gone: str = "",
    witness: Witness | None = None,
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
        gone: what becomes of records whose row the target has deleted (``target_deletions``); empty: sent again.
        witness: sees the entries of both sides.
    """
    spec = flow.reconcile or ReconcileSpec()
    with ports.open_sides() as sides:
        unjudged = read_source(flow, id_column, period, watermark, ports, sides, open_mapper)
        read_target(flow, ports, sides, key_is_id(flow, id_column))
        source, target = sides.source(), sides.target()
        if witness:
            source, target = witness.watch("source", source), witness.watch("target", target)
        found = compare(source, target, amounts=spec.amount is not None, tolerance=spec.tolerance)
        if witness:
            witness.compared(found, sides)
        drift = _judged(flow, found, sides, ports, gone)
    return _report(flow, run, spec, period, now, found, drift, unjudged, ports)


# what differs


def _judged(flow: FlowSpec, found: Comparison, sides: Sides, ports: Ports, gone: str) -> Drift:
    drift = Drift()
    waiting = ports.letters.waiting(flow.flow, [*found.missing.ids, *found.differing.ids])
    rows = ports.crosswalk.of_records(flow.flow, found.missing.ids)
    bound = {row.source_id: row for row in rows if row.object == flow.root}
    lost = [row.target_id for row in bound.values()] if gone else []
    merged = merged_ids(ports.target, flow.root, lost)
    for name in found.missing.ids:
        if name in bound and bound[name].fingerprint == DETACHED:
            drift.waiting.append(name)
            continue
        if gone and name in bound and bound[name].target_id not in merged:
            # both directions are shared: nothing comes back to life
            (drift.detach if gone == "detach" else drift.manual).append(name)
            continue
        # a bound row that is missing was removed from the target, whatever happened to it later
        _place(drift, name, drift.missing, name in waiting and name not in bound, name in bound, ports)
    for name in found.differing.ids:
        _place(drift, name, drift.differing, name in waiting, True, ports)
    if flow.reconcile and flow.reconcile.deleted == "ignore":
        drift.unmatched += found.extra.ids
    else:
        _sweep(flow, drift, found.extra.ids, sides, ports)
    return drift


def _place(drift: Drift, name: str, usual: list[str], waits: bool, written: bool, ports: Ports) -> None:
    if waits:
        drift.waiting.append(name)
    else:
        (drift.manual if written and not ports.target.can_rewrite else usual).append(name)


def _sweep(flow: FlowSpec, drift: Drift, extra: Sequence[str], sides: Sides, ports: Ports) -> None:
    """Finds rows that are left of deleted records: those that only the target has, and those bound to nothing."""
    bound = ports.crosswalk.roots(flow.flow, flow.root)
    # rows that the flow of the other direction has linked are not this flow's to judge
    sides.add_bound((row.source_id, row.target_id) for row in bound if not row.only_linked)
    # a source without a list of all ids is asked only for those between the first and the last one listed
    unlisted = sides.unlisted(within=not ports.inventory.lists_all_ids)
    known = {*extra, *_constant_ids(flow)}
    names = (name for name in unlisted if name not in known)
    gone = ports.inventory.deleted_ids(chain(sorted(set(extra) - _constant_ids(flow)), names))
    detaches = flow.reconcile is not None and flow.reconcile.deleted == "detach"
    left = {
        each.source_id
        for each in ports.crosswalk.of_records(flow.flow, sorted(gone))
        if each.object == flow.root and each.fingerprint == DETACHED
    }
    for name in extra:
        is_left = name in left or name not in gone
        (drift.unmatched if is_left else drift.detach if detaches else drift.deleted).append(name)
    lost = sorted(gone.difference(extra, left))
    ids = sides.target_ids(lost)
    there = ports.target.existing_ids(flow.root, [ids[name] for name in lost])
    here = drift.detach if detaches else drift.deleted
    for name in lost:
        (here if ids[name] in there else drift.stale_bindings).append(name)


def _constant_ids(flow: FlowSpec) -> set[str]:
    return {str(record["id"]) for record in flow.constants if "id" in record}


# result


def _fields_note(flow: FlowSpec, found: Comparison) -> str:
    """Which fields differ in how many records."""
    names = compared_fields(flow)
    counts = ", ".join(f"{names[place]} {count}" for place, count in found.fields.most_common())
    return f"records that differ by field: {counts}" if counts else ""


def _report(
    flow: FlowSpec,
    run: str,
    spec: ReconcileSpec,
    period: Window,
    started_at: datetime,
    found: Comparison,
    drift: Drift,
    unjudged: Unjudged,
    ports: Ports,
) -> ReconcileReport:
    # more than the remembered ids is over the limit, so nothing is repaired
    unkept = sum(each.count - len(each.ids) for each in (found.missing, found.differing))
    repair = [*drift.missing, *drift.differing]
    remove = [*drift.deleted] if spec.deleted == "remove" else []
    size = len(repair) + len(remove) + len(drift.detach) + unkept
    counts = {
        "source": found.source.count,
        "target": found.target.count,
        "matched": found.matched,
        "missing": len(drift.missing) + found.missing.count - len(found.missing.ids),
        "differing": len(drift.differing) + found.differing.count - len(found.differing.ids),
        **{
            name: len(getattr(drift, name))
            for name in ("waiting", "manual", "deleted", "unmatched", "stale_bindings", "detach")
        },
        "pending": unjudged.pending,
        "unreadable": unjudged.unreadable.count,
        "repeated": found.repeated.count,
    }
    listed = {name: getattr(drift, name) for name in Drift.__slots__}
    listed["unreadable"] = unjudged.unreadable.ids
    small = size <= spec.max_repair
    return ReconcileReport(
        flow=flow.flow,
        run=run,
        state=_state(size, small, counts, spec),
        period=period,
        counts=counts,
        money={"source": found.source.money, "target": found.target.money},
        ids={name: tuple(some[:SHOWN]) for name, some in listed.items() if some},
        calls={flow.source_system: ports.inventory.calls, flow.target: ports.target.calls},
        note="; ".join(filter(None, (_fields_note(flow, found), ports.target.note))),
        started_at=started_at,
        drift=size,
        max_repair=spec.max_repair,
        repair=tuple(repair) if small else (),
        remove=tuple(remove) if small else (),
        detach=tuple(drift.detach) if small else (),
        stale_bindings=tuple(drift.stale_bindings[: spec.max_repair]) if small else (),
    )


def _state(size: int, small: bool, counts: Mapping[str, int], spec: ReconcileSpec) -> ReconcileState:
    if size:
        return ReconcileState.DRIFT if small else ReconcileState.OVER_LIMIT
    review = counts["manual"] or counts["repeated"] or (counts["deleted"] and spec.deleted == "report")
    return ReconcileState.NEEDS_REVIEW if review else ReconcileState.CLEAN
