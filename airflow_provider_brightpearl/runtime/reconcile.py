"""Reconciles a flow: compares both systems, and repairs what differs by the flow's own stages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.events import REPAIR, EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState, attempt_of
from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.core.window import Request, RunKind, Window
from airflow_provider_brightpearl.errors import DriftTooLarge, Misconfigured, RecordRefused
from airflow_provider_brightpearl.flow.identity import compared_fields, identity_of
from airflow_provider_brightpearl.flow.reconcile import ReconcileSpec
from airflow_provider_brightpearl.mapping.mapped import PartMapper
from airflow_provider_brightpearl.pipeline.reconcile import find_drift
from airflow_provider_brightpearl.pipeline.repair import (
    detach,
    drop_stale_bindings,
    prepare_rewrite,
    remove_rows,
)
from airflow_provider_brightpearl.pipeline.sides import Ports
from airflow_provider_brightpearl.runtime.certify import Certifier
from airflow_provider_brightpearl.runtime.lease import writing_alone
from airflow_provider_brightpearl.runtime.progress import logged_progress
from airflow_provider_brightpearl.runtime.reconcile_report import reconcile_lines
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.two_way import deletions_of, left_to_partners, partners
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.reconciliations import SqlReconciliations
from airflow_provider_brightpearl.stores.sides import SqlSides
from airflow_provider_brightpearl.systems import registry

log = logging.getLogger(__name__)


def compare(
    wiring: Wiring,
    run: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    full_resync: bool = False,
    max_repair: int | None = None,
    fields: Sequence[str] | None = None,
    certificate: bool = False,
) -> ReconcileReport | None:
    """What differs between both systems of a flow, recorded in the state database; None before the flow's first run.

    Args:
        wiring: the flow.
        run: names the reconciliation.
        start: earliest creation of the records to compare, aware; as the flow says if left out.
        end: creation before which they lie; as far as the flow has read if left out.
        full_resync: whether records of all times are compared.
        max_repair: limit instead of the flow's own.
        fields: names of fields to compare instead of the flow's own; ``["all"]`` for all.
        certificate: whether to write a certificate of what was found.

    Raises:
        Misconfigured: the flow has no ``reconcile:`` block.
    """
    spec = _spec(wiring)
    wiring.ledger.check()
    watermark = wiring.ledger.watermark(wiring.flow.flow, wiring.pair)
    if watermark is None:
        return None
    began = wiring.environment.now()
    wiring = _asked(wiring, spec, max_repair, fields)
    usual = None if full_resync else min(began, watermark) - spec.period
    period = Window(start or usual, min(end or watermark, watermark))
    id_column = registry.stream_schema(wiring.flow.source).id_column
    with ExitStack() as stack:
        progress = stack.enter_context(logged_progress(f"{wiring.flow.flow} reconcile"))
        witness = stack.enter_context(Certifier(wiring, end)) if certificate else None
        found = find_drift(
            wiring.flow,
            run,
            id_column,
            period,
            watermark,
            _ports(wiring, run),
            partial(_open_identity, wiring),
            began,
            deletions_of(wiring).get(wiring.flow.flow, ""),
            witness,
        )
        progress.result = f"{found.state}, {counted(found.drift, 'difference')}; {_calls(found)}"
        recorded = _record(wiring, found)
        return replace(recorded, certificate=witness.issue(found, watermark)) if witness else recorded


def check_drift(found: ReconcileReport) -> None:
    """Raises ``DriftTooLarge`` where so much differs that a person has to look first."""
    if found.state is not ReconcileState.OVER_LIMIT:
        return
    lines = (
        f"{found.flow}: {found.drift} records differ, more than the {found.max_repair} that are repaired "
        "without being asked (reconcile.max_repair); nothing was repaired.",
        *reconcile_lines(found),
        f"To repair them all the same, run this DAG for the flow with max_repair {found.drift}.",
    )
    raise DriftTooLarge("\n".join(lines))


def repair(wiring: Wiring, found: ReconcileReport) -> ReconcileReport:
    """Writes what is missing or differs by the flow's own stages, and removes rows of deleted records.

    Raises:
        RecordRefused: the target refused to remove a row; the others are removed.
        FlowBusy: a run of the flow is writing.
    """
    wiring.ledger.check()
    flow = wiring.flow
    ports = _ports(wiring, found.run)
    # a run of the flow has a lease of its own, so this one is given back before it and taken again
    with _alone(wiring, found):
        dropped = drop_stale_bindings(flow, found.stale_bindings, ports)
        _note_rows(wiring, found.run, EventOutcome.UNLINKED, dropped)
        _detach(wiring, found.detach)
        gone = prepare_rewrite(flow, found.repair, ports) if found.repair else 0
    counts = Counts()
    if found.repair:
        log.info("%s rows were gone from %s and are written again", gone, flow.target)
        counts = run_flow(wiring, Request(RunKind.MANUAL, ids=found.repair), found.run).counts
    with _alone(wiring, found):
        note_removed = partial(_note_rows, wiring, found.run, EventOutcome.REMOVED)
        removed, refused = remove_rows(flow, found.remove, ports, note_removed) if found.remove else (0, [])
        # what the target has changed since both sides agreed is not this flow's to write
        others = partners(wiring)
        left = len(left_to_partners(wiring, found.repair, compared_fields(flow))) if others else 0
        if flow.reverse and others:
            left = counts.unchanged
        repaired = counts.created + counts.updated + counts.unchanged - left
        whole = repaired == len(found.repair) and not refused
        waits = f"{left} of the records that differ wait for {' or '.join(others)}" if left else ""
        repaired_report = replace(
            found,
            note="; ".join(filter(None, (found.note, waits))),
            state=ReconcileState.REPAIRED if whole else ReconcileState.PARTIALLY_REPAIRED,
            repaired=repaired,
            removed=removed,
            refused=tuple(refused),
            rejected=counts.rejected,
            parked=counts.parked,
        )
        report = _record(wiring, repaired_report)
    if refused:
        raise RecordRefused(f"{flow.flow}: {len(refused)} rows were not removed: {'; '.join(refused[:5])}")
    return report


def _note_rows(wiring: Wiring, run: str, outcome: EventOutcome, rows: Sequence[Binding]) -> None:
    """Adds to the history of records what a repair did with their rows."""
    at = wiring.environment.now()
    events = [
        RecordEvent(
            row.source_id, run, REPAIR, outcome, at, row.object, row.target_id, before=row.fingerprint
        )
        for row in rows
    ]
    wiring.events.record(wiring.flow.flow, events)


def _alone(wiring: Wiring, found: ReconcileReport) -> AbstractContextManager[None]:
    holder = attempt_of(found.run, wiring.environment.now())
    return writing_alone(wiring, holder, "repair", ends=True)


def _detach(wiring: Wiring, source_ids: Sequence[str]) -> None:
    """Marks the links of these records, in both directions."""
    if not source_ids:
        return
    flow = wiring.flow
    rows = wiring.crosswalk.of_records(flow.flow, source_ids)
    detach(wiring.crosswalk, [row for row in rows if row.object == flow.root])
    if flow.reverse:
        there = wiring.other_way(flow.reverse.of)
        links = there.crosswalk.of_targets(there.flow.root, source_ids)
        detach(there.crosswalk, [row for row in links if row.flow == there.flow.flow])


def _asked(
    wiring: Wiring, spec: ReconcileSpec, max_repair: int | None, fields: Sequence[str] | None
) -> Wiring:
    """The wiring of the flow as this comparison asks for it."""
    asked: dict[str, Any] = {}
    if max_repair is not None:
        asked["max_repair"] = max_repair
    if fields is not None:
        known = wiring.flow.objects[wiring.flow.root].fields
        asked["fields"] = "all" if list(fields) == ["all"] else list(fields)
        if unknown := [name for name in fields if name not in known and name != "all"]:
            hint = did_you_mean(unknown[0], known) or f"; known: {', '.join(known)}"
            raise Misconfigured(f"{wiring.flow.flow}: no field {unknown[0]} to compare{hint}")
    flow = wiring.flow.model_copy(update={"reconcile": spec.model_copy(update=asked)})
    registry.check_flow(flow)
    return replace(wiring, flow=flow)


def _calls(found: ReconcileReport) -> str:
    return ", ".join(f"{counted(made, 'call')} to {system}" for system, made in found.calls.items())


def _spec(wiring: Wiring) -> ReconcileSpec:
    if wiring.flow.reconcile is None:
        raise Misconfigured(
            f"{wiring.flow.flow}.yaml has no reconcile: block, so there is nothing to compare"
        )
    return wiring.flow.reconcile


def _ports(wiring: Wiring, run: str) -> Ports:
    return Ports(
        wiring.inventory(),
        wiring.target(),
        wiring.crosswalk,
        wiring.letters,
        wiring.staging(run),
        wiring.source,
        SqlSides,
        wiring.patches(),
    )


def _open_identity(wiring: Wiring, folders: Sequence[Path]) -> PartMapper:
    """The mapping of nothing but who a record is."""
    bare = replace(wiring, flow=identity_of(wiring.flow))
    return bare.open_mapper(bare.lookups(), folders)


def _record(wiring: Wiring, report: ReconcileReport) -> ReconcileReport:
    """Records a result in the state database; it has ended unless there is drift to repair."""
    ended = (
        report if report.state is ReconcileState.DRIFT else replace(report, ended_at=wiring.environment.now())
    )
    SqlReconciliations(wiring.environment.state(), wiring.pair).record(ended)
    return ended
