"""Fills a crosswalk that was lost: finds the rows of mapped records in the target, and binds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.stores import Crosswalk, Staging
from airflow_provider_brightpearl.core.ports.target import FindsRows
from airflow_provider_brightpearl.core.reports import TransformReport
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.load import read_rows
from airflow_provider_brightpearl.pipeline.rejections import read_rejections
from airflow_provider_brightpearl.pipeline.write_back import Outbox


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was not bound, and why."""

    source_id: str
    object: str
    key: str
    reason: str


@dataclass(slots=True)
class RebuildReport:
    """What was found in the target so far.

    ``bound``, ``found``, ``missing`` and ``not_searched`` count the rows of each object: bound before, found and bound
    now, not in the target, and of an object that cannot be looked up: writing it again is harmless.
    ``not_mapped`` are records that could not be read, or were rejected or parked, so that nothing was looked for;
    ``waiting`` counts the parked ones by the flow that has to be rebuilt first.
    """

    flow: str
    dry_run: bool
    records: int = 0
    not_mapped: int = 0
    waiting: Counter[str] = field(default_factory=Counter)
    bound: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    not_searched: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


def rebuild_part(
    flow: FlowSpec,
    run: str,
    mapped: TransformReport,
    sink: FindsRows,
    crosswalk: Crosswalk,
    staging: Staging,
    outbox: Outbox,
    report: RebuildReport,
) -> None:
    """Looks for the rows of a part that are not bound, binds those that exist, and adds them to the report.

    Args:
        flow: the flow.
        run: names this rebuild in the crosswalk.
        mapped: the part.
        sink: looks the rows up.
        crosswalk: what is bound; stays as it is where the report is of a dry run.
        staging: the files of the rebuild.
        outbox: where write-backs are recorded, as they may have been lost too.
        report: so far.
    """
    batch = Batch(flow, run, {})
    read_rows(batch, mapped, staging)
    for bound in crosswalk.of_records(flow.flow, list(batch.rows)):
        batch.bound[bound.object][bound.key] = bound
        report.bound[bound.object] += 1
    takers = batch.reject_taken_keys(crosswalk, set())
    records = _unbound(batch, takers | batch.rejected.keys())
    here: set[tuple[str, str]] = set()
    owners: dict[tuple[str, str], str] = {}
    for results in sink.find(records, dry_run=report.dry_run):
        found = list(_accepted(batch, results, owners))
        if not report.dry_run:
            outbox.keep([replace(each, unfinished=False) for each in found])
            crosswalk.bind(batch.bindings(found))
        here.update((each.object, each.key) for each in found)
    report.found.update(name for name, _ in here)
    _count_others(batch, records, sink, here, report)
    report.records += mapped.records
    report.not_mapped += mapped.rejected + mapped.parked
    if mapped.parked:
        rejections = (each for each, _ in read_rejections(staging, mapped.rejections))
        report.waiting.update(each.waits_for[0] for each in rejections if each.waits_for)
    report.problems += [
        Problem(each.source_id, each.object, each.row, each.reason) for each in batch.rejected.values()
    ]


def _count_others(
    batch: Batch,
    records: Sequence[RecordChange],
    sink: FindsRows,
    found: Container[tuple[str, str]],
    report: RebuildReport,
) -> None:
    """Counts the rows that were not found, but for those of records with a problem."""
    judged = (record for record in records if record.source_id not in batch.rejected)
    places = ((each.object, each.key) for record in judged for each in record.changes)
    for name, count in Counter(place[0] for place in places if place not in found).items():
        (report.missing if sink.finds(name) else report.not_searched)[name] += count


def _accepted(
    batch: Batch, results: Sequence[RowResult], owners: dict[tuple[str, str], str]
) -> Iterator[RowResult]:
    """The results to bind; rejects records with a refused row, and those whose row another record has been given."""
    for each in results:
        if each.refused:
            batch.reject(each.source_id, each.reason, (each.object, each.key))
            continue
        owner = owners.setdefault((each.object, each.target_id), each.source_id)
        if owner != each.source_id:
            reason = f"{each.target_id} is that of record {owner} already: two records cannot be one row"
            batch.reject(each.source_id, reason, (each.object, each.key))
        else:
            yield each


def _unbound(batch: Batch, skip: set[str]) -> Sequence[RecordChange]:
    """The rows that are not bound, record by record."""
    records = (
        RecordChange(source_id, tuple(_changes(batch, source_id)))
        for source_id in batch.rows
        if source_id not in skip
    )
    return [record for record in records if record.changes]


def _changes(batch: Batch, source_id: str) -> list[Change]:
    return [
        Change(row.object, row.key, row.payload, row.fingerprint, row.parent)
        for row in batch.rows[source_id]
        if row.key not in batch.bound[row.object]
    ]
