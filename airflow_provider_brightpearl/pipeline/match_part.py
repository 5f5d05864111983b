"""What the records of one mapped part would be linked to, or that they would be created; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from airflow_provider_brightpearl.core.changes import RecordChange
from airflow_provider_brightpearl.core.conflicts import MANUAL
from airflow_provider_brightpearl.core.matched import Found, MatchRow
from airflow_provider_brightpearl.core.ports.matching import LinkedRows, Match, MatchesRows
from airflow_provider_brightpearl.core.ports.stores import Crosswalk, Staging
from airflow_provider_brightpearl.core.ports.target import FindsRows
from airflow_provider_brightpearl.core.records import Outcome
from airflow_provider_brightpearl.core.reports import TransformReport
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.load import read_rows
from airflow_provider_brightpearl.pipeline.matching import unmatched
from airflow_provider_brightpearl.pipeline.rejections import read_rejections
from airflow_provider_brightpearl.pipeline.two_way import TwoWay

Look = Callable[[Sequence[RecordChange]], Iterator[list[Match]]]


@dataclass(frozen=True)
class MatchPorts:
    """What matching a part reads.

    Args:
        look: finds the rows of records in the target.
        crosswalk: what is bound.
        staging: the files of the dry run.
        two_way: merges with what the target holds, where another flow brings changes back.
    """

    look: Look
    crosswalk: Crosswalk
    staging: Staging
    two_way: TwoWay | None = None


def match_part(flow: FlowSpec, mapped: TransformReport, ports: MatchPorts) -> Iterator[MatchRow]:
    """One row for each record of a part that the flow wants.

    Args:
        flow: the flow.
        mapped: the part.
        ports: target and stores.
    """
    for each, _ in read_rejections(ports.staging, mapped.rejections):
        found = Found.WAITS if each.outcome is Outcome.PARKED else Found.REJECTED
        yield MatchRow(found, each.source_id, each.row, reason=each.reason)
    batch = Batch(flow, "match", {})
    read_rows(batch, mapped, ports.staging)
    for bound in ports.crosswalk.of_records(flow.flow, list(batch.rows)):
        batch.bound[bound.object][bound.key] = bound
    if ports.two_way:
        ports.two_way.adopt(batch)
    for source_id, rows in batch.rows.items():
        if known := batch.own(rows[0]):
            yield MatchRow(Found.LINKED, source_id, known.key, known.target_id)
    new = unmatched(batch, ())
    if ports.two_way is None:
        for matches in ports.look(new):
            yield from map(_row, matches)
        return
    new = ports.two_way.linked_or_new(batch, new)
    for each in batch.rejected.values():
        yield MatchRow(Found.WAITS, each.source_id, each.row, reason=each.reason)
    looked = [match for some in ports.look(new) for match in some]
    conflicts = _conflicts(batch, ports.two_way, looked)
    yield from (replace(_row(each), conflicts=tuple(conflicts.get(each.source_id, ()))) for each in looked)


def _conflicts(batch: Batch, two_way: TwoWay, found: Sequence[Match]) -> dict[str, list[str]]:
    """The fields of records that would be linked of which both sides hold another value, by record."""
    linked = {each.source_id for each in found if each.target_id and not each.question}
    two_way.take_over(batch, found)
    two_way.merged(batch, list(batch.changes(batch.rows.keys() - linked)))
    conflicts: dict[str, list[str]] = {}
    for each in two_way.conflicts.rows:
        winner = two_way.conflicts.winner(each)
        counts = "a person decides" if winner == MANUAL else f"{winner} counts"
        text = f"{each.link.place[0]}.{each.conflict.field}: {counts}"
        conflicts.setdefault(each.link.source_id, []).append(text)
    return conflicts


def _row(match: Match) -> MatchRow:
    found = (
        Found.REVIEW if match.question else
        Found.REJECTED if match.refused else
        Found.LINK if match.target_id else
        Found.CREATE
    )  # fmt: skip
    return MatchRow(
        found, match.source_id, match.key, match.target_id, match.rule, match.question or match.refused,
        match.candidates,
    )  # fmt: skip


def look_of(flow: FlowSpec, sink: MatchesRows | FindsRows, linked: LinkedRows) -> Look:
    """How the rows of a sink are found: by its rules of matching, or else by the keys of the flow."""

    def by_key(records: Sequence[RecordChange]) -> Iterator[list[Match]]:
        if isinstance(sink, FindsRows):
            yield list(_by_key(flow, sink, linked, records))

    return sink.match if isinstance(sink, MatchesRows) and sink.looks_for_rows else by_key


def _by_key(
    flow: FlowSpec, sink: FindsRows, linked: LinkedRows, records: Sequence[RecordChange]
) -> Iterator[Match]:
    root, rule = flow.root, flow.objects[flow.root].key_field
    bare = [_first_only(each) for each in records]
    found = {
        each.source_id: each for some in sink.find(bare, dry_run=True) for each in some if each.object == root
    }
    owners = linked.owners(root, [each.target_id for each in found.values() if each.target_id])
    for record in records:
        key = record.changes[0].key
        row = found.get(record.source_id)
        if row is None:
            yield Match(record.source_id, root, key)
        elif row.refused:
            yield Match(record.source_id, root, key, refused=row.reason)
        else:
            owner = owners.get(row.target_id) or linked.first(f"{root} {row.target_id}", record.source_id)
            taken = f"{root} {row.target_id} of {flow.target} is that of record {owner}: two records cannot be one row"
            question = taken if owner != record.source_id else ""
            yield Match(record.source_id, root, key, row.target_id, rule, question)


def _first_only(record: RecordChange) -> RecordChange:
    return RecordChange(record.source_id, record.changes[:1], created_at=record.created_at)
