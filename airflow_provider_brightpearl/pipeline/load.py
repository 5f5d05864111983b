"""Writes what changed of one mapped part, binding every row as soon as the target has confirmed it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.estimate import EstimatesWrites
from airflow_provider_brightpearl.core.ports.matching import MatchesRows, TakesRowsOver
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
from airflow_provider_brightpearl.core.records import Calls, Counts, Outcome, PartRef, Rejection
from airflow_provider_brightpearl.core.reports import GateReport, LoadReport, TransformReport
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import read_mapped, read_versions
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.history import LoadHistory
from airflow_provider_brightpearl.pipeline.lost_rows import LostRows
from airflow_provider_brightpearl.pipeline.matching import unmatched
from airflow_provider_brightpearl.pipeline.overlap import contest, superseded
from airflow_provider_brightpearl.pipeline.owners import with_owned_rows
from airflow_provider_brightpearl.pipeline.rejections import (
    money_of,
    read_rejections,
    with_raw,
    write_rejections,
)
from airflow_provider_brightpearl.pipeline.shared_rows import SharedRows
from airflow_provider_brightpearl.pipeline.source_merges import SourceMerges
from airflow_provider_brightpearl.pipeline.two_way import TwoWay
from airflow_provider_brightpearl.pipeline.write_back import Outbox

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadPorts:
    """What the load of a part reads and writes.

    Args:
        sink: the target.
        crosswalk: what is bound.
        letters: closed for records that go through.
        staging: the run's files.
        events: the history of the records.
        now: the clock, aware.
        outbox: where write-backs are recorded; a flow with ``write_back`` needs it.
        two_way: merges with what the target holds, where another flow brings changes back.
        schema: of the stream, which may name the survivors of merged records.
        version: of the mapping.
        deletions: what becomes of records whose row the target has deleted, by flow; others are sent again.
        together: makes one transaction of what is written to the stores within.
    """

    sink: Sink
    crosswalk: Crosswalk
    letters: DeadLetters
    staging: Staging
    events: RecordEvents
    now: Callable[[], datetime]
    outbox: Outbox | None = None
    two_way: TwoWay | None = None
    schema: StreamSchema | None = None
    version: str = ""
    deletions: Mapping[str, str] = field(default_factory=dict)
    together: Callable[[], AbstractContextManager[None]] = nullcontext


def load_part(
    flow: FlowSpec,
    run: str,
    mapped: TransformReport,
    gate: GateReport,
    ports: LoadPorts,
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
        ports: target and stores.
        sweep: whether unchanged rows are sent of objects that say so.
    """
    part = _Part(Batch(flow, run, {}, sweep), ports, mapped)
    part.read(gate)
    changes = part.changes()
    part.write(changes)
    return part.report(changes)


class _Part:
    """The load of one part, step by step."""

    def __init__(self, batch: Batch, ports: LoadPorts, mapped: TransformReport) -> None:
        self.batch = batch
        self.ports = ports
        self.mapped = mapped
        # the gate has rejected them; another run has read them later; they get keys that others give up
        self.held: set[str] = set()
        self.superseded: set[str] = set()
        self.takers: set[str] = set()
        self.outcomes: dict[str, Outcome] = {}
        self.history = LoadHistory(batch)
        self.shown: Mapping[str, Mapping[str, str]] | None = None
        self.shared = SharedRows(batch, ports.sink, ports.crosswalk)
        self.lost = LostRows(batch, ports.crosswalk, ports.letters, ports.deletions)
        self.calls, self.looks = ports.sink.calls, _looks(ports.sink)

    def read(self, gate: GateReport) -> None:
        """Reads the rows of the part, and what is bound of them."""
        batch, ports = self.batch, self.ports
        read_rows(batch, self.mapped, ports.staging)
        rejections = read_rejections(ports.staging, gate.rejections[self.mapped.name])
        self.held = {each.source_id for each, _ in rejections}
        for each in ports.crosswalk.of_records(batch.flow.flow, list(batch.rows)):
            batch.bound[each.object][each.key] = each
        if ports.two_way:
            ports.two_way.adopt(batch)
        self._settle_merges()
        self.superseded = superseded(batch, self.held)
        if self.superseded:
            log.info("%s left out: another run has read it later", counted(len(self.superseded), "record"))

    def _settle_merges(self) -> None:
        """Follows merges of the source, where the target has rows of its own to be merged."""
        ports, sink = self.ports, self.ports.sink
        if ports.schema and ports.schema.merged_into and isinstance(sink, TakesRowsOver):
            schema, stores = ports.schema, (ports.crosswalk, ports.letters)
            merges = SourceMerges(
                self.batch, schema.merged_into, schema.id_column, ports.version, sink.linked, *stores
            )
            merges.settle(ports.staging, self.mapped.raw)

    def changes(self) -> list[RecordChange]:
        """What has to be written; what need not be is bound as read again."""
        batch, ports = self.batch, self.ports
        left = self.held | self.superseded
        self.takers = batch.reject_taken_keys(ports.crosswalk, left)
        self._take_over(left)
        new = list(batch.changes(left | batch.rejected.keys()))
        changes = self.shared.refuse(with_owned_rows(batch.flow, new, ports.crosswalk))
        if ports.two_way:
            changes = ports.two_way.linked_or_new(batch, changes)
            changes, settled = ports.two_way.merged(batch, changes)
            self._bind(settled)
        self.history.begin(changes)
        self._forget(changes)
        changes = [each for each in changes if each.source_id not in batch.contested]
        self._bind(batch.read_again({each.source_id for each in changes} | left | batch.rejected.keys()))
        return changes

    def _take_over(self, left: set[str]) -> None:
        """Looks for new records in a target that is edited too, before both sides are merged."""
        sink, two_way, batch = self.ports.sink, self.ports.two_way, self.batch
        if two_way and two_way.pairs and isinstance(sink, MatchesRows) and sink.looks_for_rows:
            left = left | self.takers | batch.rejected.keys()
            new = two_way.linked_or_new(batch, unmatched(batch, left))
            two_way.take_over(batch, [match for some in sink.match(new) for match in some])

    def write(self, changes: Sequence[RecordChange]) -> None:
        """Writes the changes, and binds each row as it is confirmed."""
        batch, ports, progress = self.batch, self.ports, current()
        rows = sum(len(each.changes) + len(each.removals) for each in changes)
        progress.begin("wrote", "rows", rows, lambda: ports.sink.calls - self.calls)
        batch.expect(changes)
        try:
            for results in self._written(changes):
                self._take(results)
                progress.advance(len(results))
            self.shared.check()
            batch.reject_unanswered()
            if ports.two_way:
                ports.two_way.keep(batch)
        finally:
            # also of what was written before an error ended the load
            self.outcomes = {name: batch.outcome(name) for name in batch.rows if name not in self.held}
            found = self.history.ended(self.outcomes, self.superseded, ports.now())
            ports.events.record(batch.flow.flow, found)
            if ports.two_way:
                ports.events.record(batch.flow.flow, ports.two_way.events(batch))

    def report(self, changes: Sequence[RecordChange]) -> LoadReport:
        """Closes the letters of what went through, and counts."""
        batch, ports, sink = self.batch, self.ports, self.ports.sink
        made, looked = sink.calls - self.calls, _looks(sink) - self.looks
        refused = list(batch.rejected.values())
        passed = [source_id for source_id in self.outcomes if source_id not in batch.rejected]
        # what a newer reading was rejected for is not settled by an older one
        went_through = [source_id for source_id in passed if source_id not in self.superseded]
        ports.letters.resolve(batch.flow.flow, batch.run, went_through, batch.read_since)
        # rows of refused records are not sent, which the fewest do not know
        fewest = min(made - looked, sink.min_calls(changes)) if isinstance(sink, EstimatesWrites) else made
        return LoadReport(
            name=self.mapped.name,
            counts=Counts.of(self.outcomes.values()),
            calls=Calls.of(batch.flow.target, made, fewest, rows=batch.rows_written(), looks=looked),
            rejections=self._stage_refusals(refused),
            loaded_money=batch.money(passed),
            rejected_money=money_of(refused),
            warnings=(*self.lost.warnings, *(ports.two_way.conflicts.warnings if ports.two_way else ())),
        )

    def _written(self, changes: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """What the target answers, last of all to records whose keys others have given up, once those are removed."""
        sink, takers = self.ports.sink, self.takers
        yield from sink.write([each for each in changes if each.source_id not in takers])
        taking = [each for each in changes if each.source_id in takers]
        if takers and (free := self.batch.free_to_take(taking)):
            yield from sink.write(free)

    def _take(self, results: Sequence[RowResult]) -> None:
        """Binds what the target confirmed, and unbinds what it removed."""
        batch, ports = self.batch, self.ports
        # before the answers: where a row is lost, the record is not just refused
        self.lost.take(results)
        batch.take_answers(results)
        self.shared.note(results)
        if ports.outbox is not None:
            # before the rows are bound: a bound row is not written again, and would never be written back
            ports.outbox.keep(results, batch.created_at, self._shown)
        if ports.two_way:
            ports.two_way.link(batch, results)
        for result in results:
            batch.written.setdefault(result.source_id, []).append(result)
        # what was written is in the history if it is bound, whatever ends the run
        with ports.together():
            self._bind(batch.bindings(results))
            self._unbind_removed(results)
            ports.events.record(batch.flow.flow, self.history.written(results, ports.now()))

    def _unbind_removed(self, results: Sequence[RowResult]) -> None:
        batch, ports = self.batch, self.ports
        gone: list[Binding] = []
        for result in results:
            if result.outcome is RowOutcome.REMOVED and (
                bound := batch.bound[result.object].pop(result.key, None)
            ):
                gone.append(bound)
        if gone:
            contest(batch, ports.letters, gone, ports.crosswalk.unbind(gone))

    def _shown(self) -> Mapping[str, Mapping[str, str]]:
        """What the records of the part show of the fields that are written back to them; read once."""
        outbox, batch = self.ports.outbox, self.batch
        if self.shown is None and outbox is not None:
            by_line = {rows[0].pos: name for name, rows in batch.rows.items()}
            lines = enumerate(self.ports.staging.read_lines(self.mapped.raw))
            self.shown = {
                by_line[pos]: outbox.shown_in(msgspec.json.decode(line))
                for pos, line in lines
                if pos in by_line
            }
        return self.shown or {}

    def _forget(self, changes: Sequence[RecordChange]) -> None:
        """Forgets the fingerprints of bound rows that are created anew: a repeat must not take them for unchanged."""
        batch = self.batch
        sent = (
            batch.bound[each.object].get(each.key)
            for record in changes
            for each in record.changes
            if not each.target_id
        )
        lost = [replace(each, fingerprint="") for each in sent if each and each.source_id in batch.rows]
        if lost:
            self._bind(lost)

    def _bind(self, rows: Sequence[Binding]) -> None:
        kept = self.ports.crosswalk.bind(rows)
        self.batch.take_bound(rows)
        contest(self.batch, self.ports.letters, rows, kept)

    def _stage_refusals(self, refused: Sequence[Rejection]) -> PartRef:
        staging, name = self.ports.staging, self.mapped.name
        by_line = {self.batch.rows[each.source_id][0].pos: each for each in refused}
        rejected = with_raw(staging, self.mapped.raw, by_line)
        return write_rejections(staging, f"rejected/load-{name}.jsonl", rejected)


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
