"""Salesforce as a target: any object that a flow names, upserted by its external id.

Few rows go by sObject Collections, many by Bulk API 2.0. An object with a field that is set last (an order's
status) goes with its rows as one composite graph per record, which happens whole or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, compress

import msgspec
from more_itertools import chunked
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.core.estimate import WriteVolume
from airflow_provider_brightpearl.core.ports.matching import LinkedRows, NothingLinked
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.salesforce.address_codes import AddressCodes
from airflow_provider_brightpearl.systems.salesforce.answers import GONE, is_passing
from airflow_provider_brightpearl.systems.salesforce.client import (
    BULK_THRESHOLD,
    GRAPH_NODES,
    RowAnswer,
    SalesforceClient,
)
from airflow_provider_brightpearl.systems.salesforce.collections import COLLECTION_ROWS
from airflow_provider_brightpearl.systems.salesforce.estimate import calls_by_graph, calls_by_object
from airflow_provider_brightpearl.systems.salesforce.existing import ExistingRows, refused_as_existing
from airflow_provider_brightpearl.systems.salesforce.lost import LostRows, refused_as_lost
from airflow_provider_brightpearl.systems.salesforce.merged import MergedRows
from airflow_provider_brightpearl.systems.salesforce.rows import (
    Row,
    decoded,
    extended,
    raw,
    really_last,
    relationship,
    row_of,
    was_removed,
)
from airflow_provider_brightpearl.systems.salesforce.unkeyed import unkeyed_contacts
from airflow_provider_brightpearl.systems.salesforce.whole import WholeRecords, most_nodes

log = logging.getLogger(__name__)

Owned = tuple[str, Change]
# from so many records with a field set last on, they go object by object, in far fewer calls
WHOLE_BELOW = 2_000


class SalesforceSink:
    """Writes the objects of one flow to an org.

    Args:
        client: calls to the org.
        flow: whose objects are written.
        bulk_from: number of rows of an object from which on Bulk API is used.
        whole_below: number of records with a field set last up to which each is written whole.
        begun: when the run began, aware; unbound rows that were created since count as created by it.
    """

    def __init__(
        self,
        client: SalesforceClient,
        flow: FlowSpec,
        bulk_from: int = BULK_THRESHOLD,
        whole_below: int = WHOLE_BELOW,
        begun: datetime | None = None,
    ) -> None:
        self.client = client
        self.flow = flow
        self.specs = flow.objects
        self._codes = AddressCodes(client, flow)
        self._closing = {name for name, spec in self.specs.items() if spec.set_last}
        self.whole = bool(self._closing)
        self.bulk_from = bulk_from
        self.whole_below = whole_below
        self.begun = begun
        self.owned: LinkedRows = NothingLinked()
        self._jobs_with_refusals = 0
        self._extra_calls = 0
        self._last_id = ""

    @property
    def calls(self) -> int:
        return self.client.calls

    @property
    def page(self) -> str:
        """Address of the last bulk job, or else of the first record of the last call."""
        return self.client.job_page or (self.client.record_page(self._last_id) if self._last_id else "")

    @property
    def looks(self) -> int:
        return self.client.looks

    @property
    def left_today(self) -> int | None:
        return self.client.daily.left() if self.client.daily else None

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls; asked after writing, with those that ask why bulk rows were refused and what was merged."""
        whole, others = self._ways(records)
        found = calls_by_graph(self.specs, self._volume(whole)) + calls_by_object(
            self.specs, self._volume(others)
        )
        return found + self._jobs_with_refusals + self._extra_calls + self._codes.calls

    def estimate_write(self, volume: WriteVolume) -> int:
        way = calls_by_graph if self.whole and volume.records < self.whole_below else calls_by_object
        return way(self.specs, volume) + bool(volume.records and self._codes.named)

    def _volume(self, records: Sequence[RecordChange]) -> WriteVolume:
        closed = sum(self._closes(change) for record in records for change in record.changes)
        return WriteVolume.of(records, closed)

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Writes the records; results come per call, refused rows as results with a reason.

        Rows that were merged away go to their survivors. Records with a row that is refused since it exists, or since
        what it refers to was merged, are looked up and written once more. Codes of states that the org does not have
        are left out, with a warning.
        """
        merged = MergedRows(self.client, self.flow, records, self.owned)
        self._extra_calls += merged.calls
        if merged.refused:
            yield [merged.noted(each) for each in merged.refused.values()]
        records = [self._codes.written(record) for record in merged.passing(records)]
        self._codes.log_left_out()
        doubtful: dict[str, list[RowResult]] = {}
        for results in self._write_once(records):
            for each in filter(_may_be_mended, results):
                doubtful.setdefault(each.source_id, []).append(each)
            yield [merged.noted(each) for each in results if not _may_be_mended(each)]
        if doubtful:
            yield from self._write_again([each for each in records if each.source_id in doubtful], doubtful)

    def _write_again(
        self, records: Sequence[RecordChange], refusals: Mapping[str, Sequence[RowResult]]
    ) -> Iterator[list[RowResult]]:
        """Writes records again of which a lookup shows why they were refused, and gives the refusals of all others."""
        taken = {name for name, some in refusals.items() if any(map(refused_as_existing, some))}
        existing = ExistingRows(
            self.client, self.flow, [each for each in records if each.source_id in taken], self.begun
        )
        lost = LostRows(self.client, [each for each in records if each.source_id not in taken])
        again = existing.bound() if existing.ids else []
        again += filter(None, (lost.followed(each) for each in records if each.source_id not in taken))
        mended = {each.source_id for each in again}
        yield [lost.noted(each) for name, some in refusals.items() if name not in mended for each in some]
        if existing.ids:
            log.info(
                "%s exist already and are not bound: written without what is taken once", len(existing.ids)
            )
        for results in self._write_once(again) if again else ():
            yield [lost.noted(existing.counted(each)) for each in results]

    def finds(self, object_name: str) -> bool:
        """Always: every object has an external id."""
        return object_name in self.specs

    def find(self, records: Sequence[RecordChange], *, dry_run: bool = False) -> Iterator[list[RowResult]]:
        """Rows of these records by external id; the next run writes each of them again."""
        for some in chunked(records, self.whole_below):
            ids = ExistingRows(self.client, self.flow, some, None).ids
            pairs = ((record.source_id, change) for record in some for change in record.changes)
            yield [
                RowResult(source_id, each.object, each.key, RowOutcome.UPDATED, target_id, unfinished=True)
                for source_id, each in pairs
                if (target_id := ids.get((each.object, each.key)))
            ]

    def _write_once(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        whole, others = self._ways(records)
        for results in chain(WholeRecords(self.client, self.flow).write(whole), self._write_objects(others)):
            self._last_id = next((each.target_id for each in results if each.target_id), self._last_id)
            yield results

    def _ways(self, records: Sequence[RecordChange]) -> tuple[list[RecordChange], list[RecordChange]]:
        """Records that go whole, as a graph each, and those that go object by object."""
        if not self.whole or len(records) >= self.whole_below:
            return [], list(records)
        fits = [most_nodes(record) <= GRAPH_NODES for record in records]
        return list(compress(records, fits)), list(compress(records, (not each for each in fits)))

    # object by object

    def _write_objects(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Rows object by object; those with a field set last are unfinished until all of their record is there."""
        refused: set[str] = set()
        rows = self._rows(records)
        for results in chain(self._reopened(rows), self._removals(records)):
            yield _note(results, refused)
        # unbound rows that the org had by their keys, with their ids
        there: dict[tuple[str, str], str] = {}
        for name, spec in self.specs.items():
            passing = [row for row in rows[name] if row[0] not in refused]
            if self.flow.authority and spec.parent and self.flow.target_object(name) == "Contact":
                passing = self._with_unkeyed(name, passing, there)
            late = {change.key for _, change in passing if self._closes(change)}
            new = {change.key for _, change in passing if not change.target_id}
            for results in self._upsert(name, passing, meanwhile=spec.set_last, unfinished=late):
                yield _note(results, refused)
                there |= {
                    (name, each.key): each.target_id
                    for each in results
                    if each.key in new and each.outcome is RowOutcome.UPDATED
                }
        yield from self._last_fields(rows, refused)

    def _with_unkeyed(
        self, name: str, rows: Sequence[Owned], there: Mapping[tuple[str, str], str]
    ) -> list[Owned]:
        """The rows, new contacts with the ids of those that the org has without a key."""
        parent = next(iter(self.specs[name].parent.values()))
        new = [change for _, change in rows if not change.target_id and (parent, change.parent) in there]
        if not new:
            return list(rows)
        accounts = {each.parent: there[parent, each.parent] for each in new}
        before = self.client.calls
        bound = {change.target_id for _, change in rows if change.target_id}
        found = unkeyed_contacts(self.client, self.specs[name].key_field, new, accounts, bound)
        self._extra_calls += self.client.calls - before
        return [
            (source_id, replace(change, target_id=found.get(change.key, change.target_id)))
            for source_id, change in rows
        ]

    def _rows(self, records: Sequence[RecordChange]) -> dict[str, list[Owned]]:
        """The rows of records by object, each with the record that it belongs to."""
        rows: dict[str, list[Owned]] = {name: [] for name in self.specs}
        for record in records:
            for change in record.changes:
                rows[change.object].append((record.source_id, change))
        return rows

    def _closes(self, change: Change) -> bool:
        """Whether a row's field that is set last differs from its interim value."""
        name = change.object
        return name in self._closing and really_last(decoded(change.payload), self.specs[name])

    def _reopened(self, rows: Mapping[str, Sequence[Owned]]) -> Iterator[list[RowResult]]:
        """Rows that exist go back to the interim value first, alone, or the target takes no other change."""
        for name, spec in self.specs.items():
            bound = [row for row in rows[name] if spec.set_last and row[1].target_id]
            keys = {change.key for _, change in bound}
            yield from self._upsert(name, bound, spec.set_last, tuple(spec.set_last), keys)

    def _last_fields(
        self, rows: Mapping[str, Sequence[Owned]], refused: set[str]
    ) -> Iterator[list[RowResult]]:
        for name, spec in self.specs.items():
            passing = [row for row in rows[name] if row[0] not in refused and self._closes(row[1])]
            yield from self._upsert(name, passing, only=tuple(spec.set_last))

    def _upsert(
        self,
        name: str,
        rows: Sequence[Owned],
        meanwhile: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
        unfinished: Container[str] = (),
    ) -> Iterator[list[RowResult]]:
        key_field, target = self.specs[name].key_field, self.flow.target_object(name)
        if self.flow.authority:
            # the other direction has linked rows that do not have their key yet
            yield from self._update_by_id(name, [row for row in rows if row[1].target_id])
            rows = [row for row in rows if not row[1].target_id]
        bodies = list(self._bodies(name, rows, meanwhile or {}, only))
        by_key = {row[1].key: row for row in rows}
        for answers in self._answers(target, key_field, bodies):
            yield [self._result(*by_key[answer.key], answer, answer.key in unfinished) for answer in answers]

    def _update_by_id(self, name: str, rows: Sequence[Owned]) -> Iterator[list[RowResult]]:
        """Rows that exist, by their ids, with their keys; their parents stay."""
        spec, owners = self.specs[name], {str(row[1].target_id): row for row in rows}
        bodies = []
        for target_id, (_, change) in owners.items():
            fields = decoded(change.payload)
            kept = {field: value for field, value in fields.items() if field not in spec.sent_on_create}
            body = {"Id": raw(target_id), spec.key_field: raw(change.key), **kept}
            bodies.append(msgspec.json.encode(body).decode())
        for answers in self._answers(self.flow.target_object(name), "Id", bodies):
            yield [self._result(*owners[answer.key], answer, unfinished=False) for answer in answers]

    def _answers(self, target: str, key_field: str, bodies: Sequence[str]) -> Iterator[list[RowAnswer]]:
        if len(bodies) >= self.bulk_from:
            answers = list(self.client.bulk_upsert(target, key_field, bodies))
            self._jobs_with_refusals += not all(answer.success for answer in answers)
            yield answers
            return
        for chunk in chunked(bodies, COLLECTION_ROWS):
            yield self.client.upsert(target, key_field, chunk)

    def _bodies(
        self, name: str, rows: Sequence[Owned], meanwhile: Mapping[str, str], only: Sequence[str]
    ) -> Iterator[str]:
        """JSON texts of rows with their keys: all fields, those of ``meanwhile`` with that value, or ``only`` some."""
        spec = self.specs[name]
        interim = {field: raw(value) for field, value in meanwhile.items()}
        parents = [
            (relationship(lookup), self.specs[parent].key_field) for lookup, parent in spec.parent.items()
        ]
        added = {spec.key_field, *(relation for relation, _ in parents)}
        # the text of most rows is complete but for the ends
        left_out = spec.sent_on_create
        as_is = not interim and not only and added.isdisjoint(spec.fields)
        for source_id, change in rows:
            if as_is and not (change.target_id and left_out):
                yield extended(change, spec.key_field, parents)
            else:
                row = row_of(self.specs, source_id, change)
                early = Row(source_id, change, {**row.fields, **interim}) if interim else row
                yield early.body(spec.key_field, only)

    def _result(self, source_id: str, change: Change, answer: RowAnswer, unfinished: bool) -> RowResult:
        if not answer.success:
            return row_of(self.specs, source_id, change).refused(answer)
        outcome = RowOutcome.CREATED if answer.created else RowOutcome.UPDATED
        return RowResult(source_id, change.object, change.key, outcome, answer.id, unfinished=unfinished)

    def _removals(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        gone = [(record.source_id, removal) for record in records for removal in record.removals]
        for chunk in chunked(gone, COLLECTION_ROWS):
            answers = self.client.delete([removal.target_id for _, removal in chunk])
            yield [_removed(*pair, answer) for pair, answer in zip(chunk, answers, strict=True)]


def _may_be_mended(result: RowResult) -> bool:
    return refused_as_existing(result) or refused_as_lost(result)


def _note(results: list[RowResult], refused: set[str]) -> list[RowResult]:
    refused.update(result.source_id for result in results if result.refused)
    return results


def _removed(source_id: str, removal: Removal, answer: RowAnswer) -> RowResult:
    if answer.success or answer.code in GONE:
        return was_removed(source_id, removal)
    reason = f"{answer.code}: {answer.message}"
    return RowResult(
        source_id, removal.object, removal.key, RowOutcome.REFUSED, removal.target_id, reason=reason,
        passing=is_passing(answer.code, answer.message),
    )  # fmt: skip
