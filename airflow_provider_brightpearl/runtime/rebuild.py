"""Fills the crosswalk of a flow by reading its target."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from airflow_provider_brightpearl.core.ports.target import FindsRows
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.reports import attempt_of
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.pipeline.extract import extract_parts
from airflow_provider_brightpearl.pipeline.rebuild import RebuildReport, rebuild_part
from airflow_provider_brightpearl.pipeline.transform import map_part
from airflow_provider_brightpearl.runtime.lease import writing_alone
from airflow_provider_brightpearl.runtime.progress import logged_progress
from airflow_provider_brightpearl.runtime.state_guard import current_state
from airflow_provider_brightpearl.runtime.wiring import Wiring


def rebuild(wiring: Wiring, run: str, *, merge: bool = False, dry_run: bool = False) -> RebuildReport:
    """Reads all records of the source, maps them, finds their rows in the target, and binds those.

    Nothing is written to source or target, and neither watermark nor an existing binding changes. What the next run
    may change is written again by it; documents of M3, which it may not, count as written.

    Args:
        wiring: the flow; those that it refers to have to be rebuilt before.
        run: names the rebuild.
        merge: whether the flow may have bindings already.
        dry_run: only count.

    Raises:
        Misconfigured: the flow has bindings and ``merge`` is off, or its target finds no rows.
        FlowBusy: a run of the flow is writing.
        SyncError: a system does not answer as it should; what was bound by then is right.
    """
    flow = wiring.flow
    wiring.ledger.check()
    if not dry_run:
        current_state(wiring.ledger, wiring.environment)
    wiring.adopt_state_now()
    if not merge:
        _check_empty(wiring)
    sink = wiring.sink(run)
    if not isinstance(sink, FindsRows):
        raise Misconfigured(f"{flow.flow}: {flow.target} cannot be searched for rows by their keys")
    report = RebuildReport(flow.flow, dry_run)
    alone = writing_alone(wiring, attempt_of(run, wiring.environment.now()), "rebuild", ends=True)
    with logged_progress(f"{flow.flow} rebuild") as progress, nullcontext() if dry_run else alone:
        staging = wiring.staging(run)
        staged = extract_parts(
            flow, Selection(None, full_resync=True), wiring.source(), staging, wiring.environment.now
        )
        report.not_mapped = staged.unread.records if staged.unread else 0
        lookups = wiring.lookups()
        for part in staged.parts:
            mapped = map_part(part, partial(wiring.open_mapper, lookups), staging, patches=wiring.patches())
            progress.begin(f"looking for the rows of {mapped.records:,} records", calls=lambda: sink.calls)
            rebuild_part(flow, run, mapped, sink, wiring.crosswalk, staging, wiring.outbox(run), report)
        found, missing = report.found.total(), report.missing.total()
        progress.result = f"{counted(found, 'row')} found, {missing:,} missing"
    return report


def _check_empty(wiring: Wiring) -> None:
    flow = wiring.flow
    for name in flow.objects:
        if not all(each.only_linked for each in wiring.crosswalk.roots(flow.flow, name)):
            raise Misconfigured(
                f"the crosswalk of {flow.flow} is not empty; pass --merge to add what the target has and it lacks"
            )
