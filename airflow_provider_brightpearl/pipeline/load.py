"""Writes what changed of one mapped part, binding every row as soon as the target has confirmed it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.estimate import EstimatesWrites
from airflow_provider_brightpearl.core.ports.stores import (
    Binding,
    Crosswalk,
    DeadLetters,
    RecordEvents,
    Staging,
)
from airflow_provider_brightpearl.core.ports.target import Sink
from airflow_provider_brightpearl.core.progress import counted, current
from airflow_provider_brightpearl.core.readings import Reading, ReadTimes
from airflow_provider_brightpearl.core.records import Calls, Counts, PartRef, Rejection
from airflow_provider_brightpearl.core.reports import GateReport, LoadReport, TransformReport
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import read_mapped, read_versions
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.history import load_events
from airflow_provider_brightpearl.pipeline.lost_rows import LostRows
from airflow_provider_brightpearl.pipeline.overlap import contest, superseded
from airflow_provider_brightpearl.pipeline.owners import with_owned_rows
from airflow_provider_brightpearl.pipeline.rejections import (
    money_of,
    read_rejections,
    with_raw,
    write_rejections,
)
from airflow_provider_brightpearl.pipeline.shared_rows import SharedRows
from airflow_provider_brightpearl.pipeline.two_way import TwoWay
from airflow_provider_brightpearl.pipeline.write_back import Outbox

log = logging.getLogger(__name__)


def load_part(
    flow: FlowSpec,
    run: str,
    mapped: TransformReport,
    gate: GateReport,
    sink: Sink,
    crosswalk: Crosswalk,
    letters: DeadLetters,
    staging: Staging,
    events: RecordEvents,
    now: Callable[[], datetime],
    outbox: Outbox | None = None,
    two_way: TwoWay | None = None,
    *,
    sweep: bool = False,
) -> LoadReport:
    """Writes what passed the gate and has changed, unless another run has read it later.

    A repeat after a crash writes only what is not bound yet, and counts what the earlier try wrote.

    Args:
        flow: the flow.
        run: names this attempt of the run in the crosswalk.
        mapped: the part.
        gate: what the gate found; its rejected records are not written.
        sink: the target.
        crosswalk: what is bound.
        letters: closed for records that go through.
        staging: the run's files.
        events: the history of the records.
        now: the clock, aware.
        outbox: where write-backs are recorded; a flow with ``write_back`` needs it.
        two_way: merges with what the target holds, where another flow brings changes back.
        sweep: whether unchanged rows are sent of objects that say so.
    """
    batch = Batch(flow, run, {}, sweep)
    read_rows(batch, mapped, staging)
    held = {each.source_id for each, _ in read_rejections(staging, gate.rejections[mapped.name])}
    for each in crosswalk.of_records(flow.flow, list(batch.rows)):
        batch.bound[each.object][each.key] = each
    if two_way:
        two_way.adopt(batch)
    left_out = superseded(batch, held)
    if left_out:
        log.info("%s left out: another run has read it later", counted(len(left_out), "record"))
    left = held | left_out
    takers = batch.reject_taken_keys(crosswalk, left)
    changes = with_owned_rows(flow, list(batch.changes(left | batch.rejected.keys())), crosswalk)
    shared = SharedRows(batch, sink, crosswalk)
    changes = shared.refuse(changes)
    if two_way:
        changes, settled = two_way.merged(batch, changes)
        _bind(batch, crosswalk, letters, settled)
    _forget(batch, crosswalk, letters, changes)
    changes = [each for each in changes if each.source_id not in batch.contested]
    _bind(
        batch,
        crosswalk,
        letters,
        batch.read_again({each.source_id for each in changes} | left | batch.rejected.keys()),
    )
    calls, looks = sink.calls, _looks(sink)
    progress = current()
    rows = sum(len(each.changes) + len(each.removals) for each in changes)
    progress.begin("wrote", "rows", rows, lambda: sink.calls - calls)
    batch.expect(changes)
    lost = LostRows(batch, crosswalk, letters)
    try:
        for results in _written(batch, sink, changes, takers):
            # before the answers: where a row is lost, the record is not just refused
            lost.take(results)
            batch.take_answers(results)
            if outbox is not None:
                # before the rows are bound: a bound row is not written again, and would never be written back
                outbox.keep(results, batch.created_at)
            if two_way:
                two_way.link(batch, results)
            _take(batch, crosswalk, letters, results)
            progress.advance(len(results))
        shared.check()
        batch.reject_unanswered()
        if two_way:
            two_way.keep(batch)
    finally:
        # also of what was written before an error ended the load
        outcomes = {name: batch.outcome(name) for name in batch.rows if name not in held}
        events.record(flow.flow, load_events(batch, outcomes, left_out, now()))
    made, looked = sink.calls - calls, _looks(sink) - looks
    refused = list(batch.rejected.values())
    passed = [source_id for source_id in outcomes if source_id not in batch.rejected]
    # what a newer reading was rejected for is not settled by an older one
    went_through = [source_id for source_id in passed if source_id not in left_out]
    letters.resolve(flow.flow, run, went_through, batch.read_since)
    # rows of refused records are not sent, which the fewest do not know
    fewest = min(made - looked, sink.min_calls(changes)) if isinstance(sink, EstimatesWrites) else made
    return LoadReport(
        name=mapped.name,
        counts=Counts.of(outcomes.values()),
        calls=Calls.of(flow.target, made, fewest, rows=batch.rows_written(), looks=looked),
        rejections=_stage_refusals(staging, mapped, batch, refused),
        loaded_money=batch.money(passed),
        rejected_money=money_of(refused),
        warnings=(*lost.warnings, *(two_way.warnings if two_way else ())),
    )


def _written(
    batch: Batch, sink: Sink, changes: Sequence[RecordChange], takers: set[str]
) -> Iterator[list[RowResult]]:
    """What the target answers, last of all to records whose keys others have given up, once those are removed."""
    yield from sink.write([each for each in changes if each.source_id not in takers])
    if takers and (free := batch.free_to_take([each for each in changes if each.source_id in takers])):
        yield from sink.write(free)


def _looks(sink: Sink) -> int:
    return sink.looks if isinstance(sink, EstimatesWrites) else 0


def read_rows(batch: Batch, mapped: TransformReport, staging: Staging) -> None:
    """Reads the rows of a mapped part into its batch."""
    for name in batch.flow.objects:
        with staging.local(mapped.objects[name]) as path:
            rows = read_mapped(path, name)
            if name == batch.flow.root:
                _note_readings(batch, path, mapped, staging)
        batch.fingerprints[name] = {row.key: row.fingerprint for row in rows}
        for row in rows:
            batch.rows.setdefault(row.source_id, []).append(row)


def _note_readings(batch: Batch, path: Path, mapped: TransformReport, staging: Staging) -> None:
    times = ReadTimes(staging.read_json(mapped.raw.times))
    batch.readings = {
        name: Reading(version, times.at(pos), created) for name, pos, version, created in read_versions(path)
    }


def _forget(
    batch: Batch, crosswalk: Crosswalk, letters: DeadLetters, changes: Sequence[RecordChange]
) -> None:
    """Forgets the fingerprints of bound rows that are created anew: a repeat must not take them for unchanged."""
    sent = (
        batch.bound[each.object].get(each.key)
        for record in changes
        for each in record.changes
        if not each.target_id
    )
    lost = [replace(each, fingerprint="") for each in sent if each and each.source_id in batch.rows]
    if lost:
        _bind(batch, crosswalk, letters, lost)


def _bind(batch: Batch, crosswalk: Crosswalk, letters: DeadLetters, rows: Sequence[Binding]) -> None:
    kept = crosswalk.bind(rows)
    batch.take_bound(rows)
    contest(batch, letters, rows, kept)


def _take(batch: Batch, crosswalk: Crosswalk, letters: DeadLetters, results: Sequence[RowResult]) -> None:
    """Binds what the target confirmed, and unbinds what it removed."""
    _bind(batch, crosswalk, letters, batch.bindings(results))
    gone: list[Binding] = []
    for result in results:
        batch.written.setdefault(result.source_id, []).append(result)
        if result.outcome is RowOutcome.REMOVED and (
            bound := batch.bound[result.object].pop(result.key, None)
        ):
            gone.append(bound)
    if gone:
        contest(batch, letters, gone, crosswalk.unbind(gone))


def _stage_refusals(
    staging: Staging, mapped: TransformReport, batch: Batch, refused: Sequence[Rejection]
) -> PartRef:
    by_line = {batch.rows[each.source_id][0].pos: each for each in refused}
    rejected = with_raw(staging, mapped.raw, by_line)
    return write_rejections(staging, f"rejected/load-{mapped.name}.jsonl", rejected)
