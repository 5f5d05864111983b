"""Infor M3 as a target: objects of a table that a flow names, written through MI transactions in bulks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from airflow_provider_brightpearl.core.changes import Change, RecordChange, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.core.estimate import WriteVolume
from airflow_provider_brightpearl.core.ports.stores import Intents
from airflow_provider_brightpearl.core.ports.target import NewRow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient, Transaction
from airflow_provider_brightpearl.systems.infor.documents import Document
from airflow_provider_brightpearl.systems.infor.journals import JournalWriter
from airflow_provider_brightpearl.systems.infor.keyed import KeyedWriter, keys_of, target_id_of
from airflow_provider_brightpearl.systems.infor.lost import LostRows
from airflow_provider_brightpearl.systems.infor.objects import (
    DOCUMENTS,
    FINDING,
    KEYED,
    PICK,
    PICKS,
    check_objects,
    transactions_of,
)
from airflow_provider_brightpearl.systems.infor.orders import OrderWriter
from airflow_provider_brightpearl.systems.infor.rows import SEPARATOR, Row, row_of
from airflow_provider_brightpearl.systems.infor.shipments import Deliveries, PickWriter
from airflow_provider_brightpearl.systems.intent_log import IntentLog

log = logging.getLogger(__name__)


class DocumentWriter(Protocol):
    """Writes documents of one kind."""

    def write(self, documents: Sequence[Document]) -> Iterator[list[RowResult]]: ...

    def find(self, documents: Sequence[Document]) -> Iterator[list[RowResult]]: ...

    def min_calls(self, documents: Sequence[Document]) -> int: ...

    def min_calls_of(self, documents: int, parts: int, days: int) -> int: ...


_WRITERS: Mapping[str, type[OrderWriter] | type[JournalWriter]] = {
    "Order": OrderWriter,
    "Journal": JournalWriter,
}


class InforSink:
    """Writes the objects of one flow to M3.

    Args:
        client: calls.
        flow: its objects are named in ``systems.infor.objects``, or name one of them as their ``object``.
        intents: where writes that M3 would repeat are recorded.
        run: of this task, for those intents.

    Raises:
        Misconfigured: an object or field that M3's programs do not have.
    """

    def __init__(self, client: InforClient, flow: FlowSpec, intents: Intents, run: str = "") -> None:
        self.client = client
        self.flow = flow
        self.intents = intents
        self.run = run
        self.kinds = {name: flow.target_object(name) for name in flow.objects}
        check_objects(flow)

    @property
    def calls(self) -> int:
        return self.client.calls

    @property
    def looks(self) -> int:
        """None: M3 answers with its results."""
        return 0

    @property
    def left_today(self) -> int | None:
        return self.client.budget.left_today()

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        kind = self.kinds[self.flow.root]
        if kind in DOCUMENTS:
            fresh = [self._document(record) for record in records if not _is_there(record, self.flow.root)]
            return self._writer(kind).min_calls(fresh)
        return (
            self.estimate_write(WriteVolume.of(records))
            - self._lookups(len(records))
            + self._fewest_lookups(records)
        )

    def estimate_write(self, volume: WriteVolume) -> int:
        kind = self.kinds[self.flow.root]
        if kind in DOCUMENTS:
            parts = sum(count for name, count in volume.rows.items() if name != self.flow.root)
            return self._writer(kind).min_calls_of(volume.rows.get(self.flow.root, 0), parts, volume.days)
        written = (count for name, count in volume.rows.items() if transactions_of(self.kinds[name]))
        calls = sum(self.client.min_calls(count) for count in written)
        return calls + self.client.min_calls(volume.removed) + self._lookups(volume.records)

    def _lookups(self, records: int) -> int:
        """Calls that find the deliveries of so many shipped records and their heads."""
        finds = {PICK, *FINDING}.intersection(self.kinds.values())
        return 2 * self.client.min_calls(records) if finds else 0

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Writes the records; results come per call, refused rows as results with a reason."""
        writing = self._documents if self.kinds[self.flow.root] in DOCUMENTS else self._objects
        lost = LostRows(self.client, self.kinds)
        for results in writing(records):
            # before the lookup, which may fail: what is written is bound
            if certain := [each for each in results if not each.lost]:
                yield certain
            if suspected := [each for each in results if each.lost]:
                yield lost.confirmed(suspected)

    # lookups

    def new_rows(self, records: Sequence[RecordChange]) -> Iterator[NewRow]:
        """Rows that M3 knows by keys of ours, which the source gives and may give twice: items, customers."""
        entries = {
            name: KEYED[kind]
            for name, kind in self.kinds.items()
            if kind in KEYED and KEYED[kind].add and kind not in FINDING
        }
        for record in records:
            for change in record.changes:
                entry = entries.get(change.object)
                if entry and entry.keys and change.target_id is None:
                    target_id = target_id_of(entry, self._row(record, change))
                    yield NewRow(record.source_id, change.object, change.key, target_id)

    def finds(self, object_name: str) -> bool:
        """Whether M3 has a transaction that finds rows of an object by our keys."""
        kind = self.kinds[object_name]
        return bool(KEYED[kind].get and KEYED[kind].keys) if kind in KEYED else True

    def find(self, records: Sequence[RecordChange], *, dry_run: bool = False) -> Iterator[list[RowResult]]:
        """Rows of these records by their keys; documents and picks, which M3 takes once, are as written."""
        for results in self._found(records, dry_run):
            yield [
                each if each.refused else msgspec.structs.replace(each, outcome=RowOutcome.UPDATED)
                for each in results
            ]

    def _found(self, records: Sequence[RecordChange], dry_run: bool) -> Iterator[list[RowResult]]:
        kind = self.kinds[self.flow.root]
        if kind in DOCUMENTS:
            fresh = [self._document(record) for record in records if not _is_there(record, self.flow.root)]
            yield from self._writer(kind, dry_run=dry_run).find(fresh)
            return
        for name in filter(self.finds, self.flow.objects):
            rows = [
                self._row(each, change)
                for each in records
                for change in each.changes
                if change.object == name
            ]
            if self.kinds[name] == PICK:
                writer = PickWriter(self.client, PICKS, self._intent_log(name), Deliveries(self.client))
                yield from writer.find(rows)
            else:
                yield from KeyedWriter(self.client, KEYED[self.kinds[name]]).find(rows)

    # documents

    def _documents(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        root = self.flow.root
        yield [self._unchangeable(record) for record in records if _is_there(record, root)]
        fresh = [self._document(record) for record in records if not _is_there(record, root)]
        if fresh:
            yield from self._writer(self.kinds[root]).write(fresh)

    def _writer(self, kind: str, *, dry_run: bool = False) -> DocumentWriter:
        intent_log = self._intent_log(self.flow.root)
        intent_log.dry_run = dry_run
        return _WRITERS[kind](self.client, DOCUMENTS[kind], intent_log)

    def _document(self, record: RecordChange) -> Document:
        head, *parts = (self._row(record, change) for change in record.changes)
        transactions = DOCUMENTS[self.kinds[self.flow.root]].parts
        steps = [(row, transactions[self.kinds[row.change.object]]) for row in parts]
        return Document(head, steps, record.created_at)

    def _unchangeable(self, record: RecordChange) -> RowResult:
        row: Change | Removal = record.changes[0] if record.changes else record.removals[0]
        target_id = row.target_id or ""
        # the id of a part begins with that of its document
        number = target_id if row.object == self.flow.root else target_id.partition(SEPARATOR)[0]
        known = f" as {number}" if number else ""
        problem = f"is in M3 already{known} and flows do not change it: correct it there"
        reason = f"{self.kinds[self.flow.root]} {problem}"
        return RowResult(record.source_id, row.object, row.key, RowOutcome.REFUSED, reason=reason)

    # single objects

    def _objects(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        refused: set[str] = set()
        deliveries = Deliveries(self.client)
        for name in self.flow.objects:
            rows = [
                self._row(record, change)
                for record in records
                for change in record.changes
                if change.object == name and record.source_id not in refused
            ]
            for results in self._write_rows(name, rows, deliveries):
                refused.update(result.source_id for result in results if result.refused)
                yield results
        yield from self._removals(records)

    def _write_rows(
        self, name: str, rows: Sequence[Row], deliveries: Deliveries
    ) -> Iterator[list[RowResult]]:
        kind = self.kinds[name]
        if not rows:
            return
        if kind == PICK:
            yield from PickWriter(self.client, PICKS, self._intent_log(name), deliveries).write(rows)
            return
        if kind in FINDING:
            deliveries.read([row.fields.get("RIDN", "") for row in rows])
            placed = [deliveries.place(row) for row in rows]
            yield [each for each in placed if isinstance(each, RowResult)]
            rows = [each for each in placed if isinstance(each, Row)]
        # what people edit on both sides is never added a second time: the fields that differ are too little for it
        shared = self.flow.authority is not None and name == self.flow.root
        yield from KeyedWriter(self.client, KEYED[kind], adds_again=not shared).write(rows)

    def _removals(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        for name in self.flow.objects:
            entry = KEYED.get(self.kinds[name])
            gone = [(r.source_id, each) for r in records for each in r.removals if each.object == name]
            if not gone:
                continue
            if entry is None or not entry.remove:
                log.warning("%s rows of %s were deleted at the source and stay in M3", len(gone), name)
                yield [_removed(source_id, removal, Answer()) for source_id, removal in gone]
                continue
            sent = [Transaction(entry.remove, keys_of(entry, removal.target_id)) for _, removal in gone]
            for group in self.client.pack(sent):
                answers = self.client.bulk(entry.program, [sent[place] for place in group], repeatable=True)
                yield [_removed(*gone[place], answer) for place, answer in zip(group, answers, strict=True)]

    def _fewest_lookups(self, records: Sequence[RecordChange]) -> int:
        kinds = {PICK, *FINDING}
        shipped = sum(any(self.kinds[each.object] in kinds for each in record.changes) for record in records)
        return self._lookups(shipped)

    def _row(self, record: RecordChange, change: Change) -> Row:
        return row_of(record, change, self.flow.objects[change.object])

    def _intent_log(self, name: str) -> IntentLog:
        return IntentLog(
            self.intents, self.flow.flow, name, self.run, self.client.settle_seconds, self.client.sleep
        )


def _is_there(record: RecordChange, root: str) -> bool:
    """Whether a document has been written in an earlier run, so that only parts of it are to be changed."""
    changes = record.changes
    return (
        not changes or changes[0].object != root or changes[0].target_id is not None or bool(record.removals)
    )


def _removed(source_id: str, removal: Removal, answer: Answer) -> RowResult:
    if answer.done or answer.missing:
        return RowResult(source_id, removal.object, removal.key, RowOutcome.REMOVED, removal.target_id)
    return RowResult(
        source_id, removal.object, removal.key, RowOutcome.REFUSED, removal.target_id, reason=answer.reason,
        passing=answer.passing,
    )  # fmt: skip
