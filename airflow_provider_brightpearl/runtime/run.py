"""Runs a flow: the five stages and the write-backs, each with its ports, one by one or all in a row."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow_provider_brightpearl.core.inbox import Topic
from airflow_provider_brightpearl.core.letters import judged_digest
from airflow_provider_brightpearl.core.ports.estimate import EstimatesReads, KnowsItsDay
from airflow_provider_brightpearl.core.ports.source import KnowsItsIds, WarnsOfStream, WriteBack
from airflow_provider_brightpearl.core.ports.stores import Staging
from airflow_provider_brightpearl.core.ports.target import ShowsRows, Sink
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.quota import drawing_on, share_of
from airflow_provider_brightpearl.core.records import Calls, PartRef, RawPart
from airflow_provider_brightpearl.core.reports import (
    ExtractReport,
    GateReport,
    LoadReport,
    RunInfo,
    RunSummary,
    TransformReport,
)
from airflow_provider_brightpearl.core.window import Request, RunKind, Selection, plan
from airflow_provider_brightpearl.errors import (
    SyncError,
)
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.pipeline.extract import extract_parts, with_due
from airflow_provider_brightpearl.pipeline.gate import evaluate_gate
from airflow_provider_brightpearl.pipeline.load import LoadPorts, load_part
from airflow_provider_brightpearl.pipeline.presence import vanished_columns
from airflow_provider_brightpearl.pipeline.rejections import Judged, Rejected
from airflow_provider_brightpearl.pipeline.settle import (
    StageReports,
    Stores,
    gate_closed_error,
    settle_run,
)
from airflow_provider_brightpearl.pipeline.transform import map_part
from airflow_provider_brightpearl.runtime.estimate import planned_reads, planned_writes
from airflow_provider_brightpearl.runtime.lease import give_back, writing_alone
from airflow_provider_brightpearl.runtime.preflight import check_instance, check_writers
from airflow_provider_brightpearl.runtime.progress import logged_progress
from airflow_provider_brightpearl.runtime.run_summary import outcomes, write_back_outcome
from airflow_provider_brightpearl.runtime.set_aside import SetAside
from airflow_provider_brightpearl.runtime.source_clock import by_the_sources_clock
from airflow_provider_brightpearl.runtime.stage import stage
from airflow_provider_brightpearl.runtime.state_guard import (
    check_state,
    count_write,
    current_state,
    keep_mark,
)
from airflow_provider_brightpearl.runtime.target_schema import check_schema
from airflow_provider_brightpearl.runtime.two_way import (
    close_unpaired,
    decided_records,
    deletions_of,
    open_two_way,
)
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.event_days import SqlEventDays
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.systems import registry

log = logging.getLogger(__name__)

LOOKUPS = "lookups.json"
_NAMED = 10


def run_flow(wiring: Wiring, request: Request, run: str, discarded: Collection[str] = ()) -> RunSummary:
    """Runs a whole flow in this process: extract, transform, gate, load, settle, and write back if the flow does.

    A source that takes no write-backs now is a warning of the summary: they stay due, and the run is settled.

    Args:
        wiring: the flow and its ports.
        request: what to read.
        run: names the run in the ledger; a run of the same name is begun anew and takes its place.
        discarded: records that are written although a person has discarded their letters.

    Raises:
        GateClosed: too much failed, and nothing was loaded.
        OutOfBalance: counts or money do not add up.
        TooManyRefused: the target refused more records than the flow allows; the others are written.
        FlowBusy: another run of the flow is writing.
        SyncError: a system does not answer as it should, or the flow is wrong; see ``errors`` for what to do.
    """
    extracted = extract(wiring, request, run)
    info = extracted.run
    try:
        mapped = [transform(wiring, info, part, discarded) for part in extracted.parts]
        judged = gate(wiring, info, mapped) if mapped else None
        loads = [load(wiring, info, part, judged) for part in mapped] if judged else []
        summary = settle(wiring, info, extracted.parts, mapped, judged, loads)
        return write_back(wiring, info, summary)[0] if wiring.flow.write_back else summary
    except BaseException:
        give_back(wiring, info.holder)
        raise


def extract(wiring: Wiring, request: Request, run: str) -> ExtractReport:
    """Plans a run, and stages what it selects."""
    begun = RunInfo(run, request.kind, Selection(None), "", wiring.environment.now())
    with stage(wiring, "extract", begun) as progress:
        flow, staging = wiring.flow, wiring.staging(run)
        # what other runs wrote while this one waited for its turn was written before it began
        begun = replace(begun, lease=begun.attempt, started_at=wiring.environment.now())
        moment = time.monotonic()
        # reading costs API calls, so a state database that is down stops the run before the first
        wiring.ledger.check()
        begun = replace(begun, state=current_state(wiring.ledger, wiring.environment))
        check_writers(wiring)
        wiring.adopt_state()
        begun = replace(begun, pair=wiring.pair)
        wiring.intents.start(flow.flow)
        close_unpaired(wiring)
        checked = check_schema(wiring)
        watermark = wiring.ledger.watermark(flow.flow, wiring.pair)
        swept_to = wiring.ledger.swept_to(flow.flow, wiring.pair)
        planned = plan(request, flow.window.policy, watermark, begun.started_at, swept_to)
        # runs by id come every few seconds, and need not look through all conflicts
        decided = decided_records(wiring) if planned.moves_watermark else ()
        selection = with_due(flow, planned, wiring.letters, wiring.version, decided)
        source = wiring.source()
        if isinstance(source, KnowsItsIds):
            source.check_ids(planned.ids)
        before = source.calls
        staged = extract_parts(flow, selection, source, staging, wiring.environment.now)
        planned = by_the_sources_clock(wiring, planned, begun.started_at, moment)
        parts = staged.parts
        made = source.calls - before
        records = sum(part.records for part in parts)
        unread = [f"{staged.unread.records:,} not read"] if staged.unread else []
        if staged.filtered:
            wiring.letters.resolve(flow.flow, begun.attempt, staged.filtered, read_since=begun.started_at)
            unread.append(f"{len(staged.filtered):,} of dead letters outside of the filters")
        progress.result = ", ".join(
            [counted(records, "record"), *unread, counted(len(parts), "part"), counted(made, "call")]
        )
        minimum = source.min_calls if isinstance(source, EstimatesReads) else made
        calls = checked.calls + Calls.of(
            flow.source_system, made, minimum, planned_reads(wiring, source, selection)
        )
        lookups = None
        if parts:
            lookups, asked = _stage_lookups(wiring, staging)
            calls += asked
        info = replace(
            begun, selection=planned, mapping_version=wiring.version, calls=calls, lookups=lookups,
            unread=staged.unread, lost=staged.lost,
            warnings=tuple(source.warnings) if isinstance(source, WarnsOfStream) else (), notes=checked.notes,
        )  # fmt: skip
        return ExtractReport(info, parts)


def transform(
    wiring: Wiring, run: RunInfo, part: RawPart, discarded: Collection[str] = ()
) -> TransformReport:
    """Maps one raw part; ``discarded`` as in ``run_flow``."""
    with stage(wiring, "transform", run, Path(part.path).stem, alone=False) as progress:
        progress.begin(f"mapping {part.records:,} records")
        staging = wiring.staging(run.run)
        tables = staging.read_json(run.lookups) if run.lookups else {}
        lookups = {name: LookupTable(**plain) for name, plain in tables.items()}
        # a record that is not wanted any more would be read again for ever for the sake of its letter
        resolve = partial(wiring.letters.resolve, wiring.flow.flow, run.attempt, read_since=run.started_at)
        patches, aside = wiring.patches(), SetAside(wiring, discarded)
        report = map_part(
            part,
            partial(wiring.open_mapper, lookups),
            staging,
            resolve,
            patches,
            aside,
            _judged_by(wiring, run),
        )
        if patches and patches.void:
            report = _without_overrides(wiring, report, patches.void)
        rows = [f"{ref.records:,} of {name}" for name, ref in report.objects.items()]
        progress.result = (
            f"{counted(report.records, 'record')}: {report.rejected:,} rejected, {report.parked:,} parked, "
            f"{report.filtered:,} filtered; rows: {', '.join(rows)}{aside.told}"
        )
        return report


def gate(wiring: Wiring, run: RunInfo, mapped: Sequence[TransformReport]) -> GateReport:
    """Evaluates the expectations over all mapped parts, and stages the page of what was found.

    Raises:
        GateClosed: too much failed; the dead letters and the ledger row are written.
    """
    with stage(wiring, "gate", run) as progress:
        flow, staging = wiring.flow, wiring.staging(run.run)
        records = sum(part.records for part in mapped)
        progress.begin(f"evaluating the expectations of {records:,} records")
        with TemporaryDirectory() as folder:
            page = Path(folder) / "expectations.html"
            report = evaluate_gate(
                flow, mapped, wiring.gate(page, run.run), staging, run.lost, _judged_by(wiring, run)
            )
            for path in sorted(Path(folder).iterdir()):
                _stage_page(staging, path)
        progress.result = _judged(report)
        if report.quarantine:
            log.warning("%s", report.quarantine)
        if report.closed:
            reports = StageReports(mapped=mapped, gate=report, unread=run.unread)
            raise gate_closed_error(flow, run, reports, _stores(wiring, staging), wiring.environment.now())
        return report


def load(wiring: Wiring, run: RunInfo, mapped: TransformReport, judged: GateReport) -> LoadReport:
    """Writes one mapped part, once the state database has proved that it can record what was written."""
    with stage(wiring, "load", run, mapped.name, alone=False) as progress:
        check_instance(wiring, run)
        # a copy of now does not know what is written next, also where this process dies in the middle of it
        count_write(wiring, run)
        sink, staging = wiring.sink(run.attempt), wiring.staging(run.run)
        ports = LoadPorts(
            sink, wiring.crosswalk, wiring.letters, staging, wiring.events, wiring.environment.now,
            wiring.outbox(run.attempt), open_two_way(wiring, mapped, staging),
            wiring.schema, run.mapping_version, deletions_of(wiring), wiring.ledger.transaction,
        )  # fmt: skip
        planned = planned_writes(wiring, sink, mapped.records, run.selection)
        _warn_of_quota(wiring.flow.target, sink, planned)
        report = load_part(wiring.flow, run.attempt, mapped, judged, ports, sweep=run.selection.sweep)
        made = sum(report.calls.made.values())
        progress.result = f"{outcomes(report.counts)}; {counted(made, 'call')}"
        shown = sink.page if isinstance(sink, ShowsRows) else ""
        calls = replace(report.calls, planned={wiring.flow.target: planned})
        return replace(report, calls=calls, page=shown, writes=count_write(wiring, run))


def settle(
    wiring: Wiring,
    run: RunInfo,
    parts: Sequence[PartRef],
    mapped: Sequence[TransformReport],
    judged: GateReport | None,
    loads: Sequence[LoadReport],
) -> RunSummary:
    """Proves that the run adds up, and records it: from then on it has happened, whatever fails later."""
    written = max((load.writes for load in loads), default=0)
    with stage(wiring, "settle", run, writes=written, ends=not wiring.flow.write_back) as progress:
        reports = StageReports(parts, mapped, judged, loads, run.unread)
        stores = _stores(wiring, wiring.staging(run.run))
        vanished = vanished_columns(
            wiring.flow, run, mapped, wiring.seen_columns, wiring.notices, wiring.environment.mappings
        )
        counts_missed = _counts_missed(wiring, run)
        summary = settle_run(wiring.flow, run, reports, stores, wiring.environment.now(), vanished)
        keep_mark(wiring)
        done = f"{counted(summary.counts.extracted, 'record')}: {outcomes(summary.counts)}"
        progress.result = done + (_unannounced(wiring, run) if counts_missed else "")
        pages = [load.page for load in loads if load.page]
        return replace(summary, page=pages[-1]) if pages else summary


def _counts_missed(wiring: Wiring, run: RunInfo) -> bool:
    """Whether events run the flow, and this is the first time that this scheduled run is settled."""
    if not wiring.flow.events or run.kind is not RunKind.SCHEDULED or run.selection.window is None:
        return False
    earlier = SqlLedger(wiring.environment.state()).find(wiring.flow.flow, run.run)
    return earlier is None or earlier.started_at != run.started_at or earlier.state == "failed"


def _unannounced(wiring: Wiring, run: RunInfo) -> str:
    """Keeps how many records a scheduled run has written that no event had told of, and says so."""
    flow, days = wiring.flow, SqlEventDays(wiring.environment.state())
    conn_id = wiring.source_conn_id or registry.find_system(flow.source_system).conn_id
    since = run.selection.window.start if run.selection.window else None
    topic = Topic(flow.source_system, conn_id, flow.stream, flow.flow)
    _, missed = days.swept(topic, wiring.pair, run.attempt, since)
    return f"; no event had told of {counted(missed, 'record')}" if missed else ""


def write_back(wiring: Wiring, run: RunInfo, summary: RunSummary) -> tuple[RunSummary, SyncError | None]:
    """Delivers the write-backs that are due, of this run and of earlier ones, and adds them to the ledger's row.

    Returns:
        The summary with their outcome, and the source's error where one ended the delivery: what it left stays due,
        for another try or the next run.
    """
    with (
        logged_progress(f"{wiring.flow.flow} write_back") as progress,
        drawing_on(share_of(run.kind)),
        ExitStack() as held,
    ):
        check_state(wiring, run)
        held.enter_context(writing_alone(wiring, run.holder, "write_back", ends=True))
        environment = wiring.environment

        def connect() -> WriteBack:
            count_write(wiring, run)
            return wiring.write_back()

        report, error = wiring.outbox(run.attempt).deliver(
            connect, environment.now(), environment.write_back_limit
        )
        warnings = (*summary.warnings, *report.warnings)
        summary = replace(
            summary,
            calls=summary.calls + report.calls,
            ended_at=environment.now(),
            note="; ".join(filter(None, (*warnings, report.note))),
            warnings=warnings,
            write_back=report,
        )
        if report.tried:
            wiring.ledger.record(summary)
            count_write(wiring, run)
        progress.result = write_back_outcome(report)
        return summary, error


def _judged_by(wiring: Wiring, run: RunInfo) -> Judged:
    def judged(failed: Iterable[Rejected]) -> set[str]:
        digests = {each.source_id: judged_digest(run.mapping_version, raw) for each, raw in failed}
        return wiring.letters.judged(wiring.flow.flow, digests) if digests else set()

    return judged


def _without_overrides(wiring: Wiring, report: TransformReport, void: Sequence[str]) -> TransformReport:
    """Ends the overrides of records that have changed since, and says so in the run's warnings."""
    why = "the record has changed since"
    ended = wiring.overrides.end(wiring.flow.flow, void, why, wiring.environment.now())
    if not ended:
        return report
    named = ", ".join(ended[:_NAMED]) + (" …" if len(ended) > _NAMED else "")
    text = f"overrides do not count any more, as their records have changed: {named}"
    return replace(report, warnings={**report.warnings, text: len(ended)})


def _warn_of_quota(target: str, sink: Sink, planned: int) -> None:
    """Says before the first write where the calls of the day may not be enough; what is written stays written."""
    left = sink.left_today if isinstance(sink, KnowsItsDay) else None
    if left is not None and planned > left:
        log.warning(
            "this part may take %s to %s, and %s are left today before the reserve; if it stops, a retry goes on",
            counted(planned, "call"), target, f"{left:,}",
        )  # fmt: skip


def _judged(report: GateReport) -> str:
    if not report.evaluated and not report.quarantine:
        return "no rows were judged"
    judged = f"{counted(report.evaluated, 'row')} judged, {counted(report.rejected, 'record')} rejected"
    return f"{judged}; closed" if report.closed or report.quarantine else judged


def _stage_lookups(wiring: Wiring, staging: Staging) -> tuple[PartRef, Calls]:
    """Stages the translation tables for all parts of a run; returns the calls that those of the target took."""
    before = wiring.target_client.calls if wiring.queries_target else 0
    tables = wiring.lookups()
    ref = staging.write_json(LOOKUPS, {name: asdict(table) for name, table in tables.items()})
    if not wiring.queries_target:
        return ref, Calls()
    made = wiring.target_client.calls - before
    return ref, Calls.of(wiring.flow.target, made, made, made)


def _stage_page(staging: Staging, path: Path) -> None:
    with staging.create(f"gate/{path.name}") as target:
        shutil.move(path, target)


def _stores(wiring: Wiring, staging: Staging) -> Stores:
    return Stores(wiring.ledger, wiring.letters, wiring.events, staging, wiring.notices)
