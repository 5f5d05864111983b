"""One part while it is loaded: what changed of it, what was answered, and what became of its records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.stores import DETACHED, Binding, Crosswalk
from airflow_provider_brightpearl.core.readings import Reading, is_newer
from airflow_provider_brightpearl.core.records import Money, Outcome, Rejection, Stage
from airflow_provider_brightpearl.errors import OutOfBalance
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import MappedRow
from airflow_provider_brightpearl.pipeline.taken_keys import TakenKey, taken_keys

Rows = dict[str, list[MappedRow]]
Place = tuple[str, str]
# compared as they are: a property of each of a hundred thousand results takes time
_REMOVED, _REFUSED = RowOutcome.REMOVED, RowOutcome.REFUSED
UNREAD = Reading()
_CONTESTED = "another run wrote this record at the same time; it is read and written again"


@dataclass
class Batch:
    """One part while it is loaded: its rows by record, what is bound, and what the target answered.

    ``bound`` and ``fingerprints`` are by object and key, ``readings`` by record. ``open`` holds, by record, object and
    key, whether a row that goes out was answered; ``contested`` are the records that another run is writing too.
    """

    flow: FlowSpec
    run: str
    rows: Rows
    sweep: bool = False
    bound: dict[str, dict[str, Binding]] = field(default_factory=lambda: defaultdict(dict))
    fingerprints: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    written: dict[str, list[RowResult]] = field(default_factory=dict)
    rejected: dict[str, Rejection] = field(default_factory=dict)
    open: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    contested: set[str] = field(default_factory=set)

    @cached_property
    def parents(self) -> set[str]:
        """Objects that others of a record belong to."""
        return {name for spec in self.flow.objects.values() for name in spec.parent.values()}

    @property
    def read_since(self) -> datetime | None:
        """When the first of the records was read."""
        return min((each.read_at for each in self.readings.values() if each.read_at), default=None)

    def created_at(self, source_id: str) -> datetime | None:
        """When the source created a record; None where that is not known."""
        return self.readings.get(source_id, UNREAD).created_at

    def read_again(self, skip: set[str]) -> list[Binding]:
        """The first rows of unchanged records, now bound by this newer reading: an older one must not be written."""
        found: list[Binding] = []
        for source_id, reading in self.readings.items():
            if source_id in skip:
                continue
            first = self.rows[source_id][0]
            bound = self.bound[first.object].get(first.key)
            if bound and is_newer(reading, bound):
                new = replace(bound, source_version=reading.source_version, read_at=reading.read_at)
                found.append(new)
        return found

    def take_bound(self, written: Sequence[Binding]) -> None:
        """Notes what is bound."""
        for each in written:
            self.bound[each.object][each.key] = replace(each, revision=each.revision + 1)

    def contest(self, source_id: str, row: Place) -> None:
        """Rejects a record that another run is writing too: which of both the target has now is unknown."""
        self.contested.add(source_id)
        self.reject(source_id, _CONTESTED, row, passing=True)

    def changes(self, skip: set[str]) -> Iterator[RecordChange]:
        """What has to be written, record by record in source order."""
        by_record: dict[str, list[Binding]] = {}
        for bindings in self.bound.values():
            for binding in bindings.values():
                by_record.setdefault(binding.source_id, []).append(binding)
        for source_id, rows in self.rows.items():
            if source_id in skip or self.detached(source_id):
                continue
            change = self._change(source_id, rows, by_record.get(source_id, []))
            if change.changes or change.removals:
                yield change

    def _change(self, source_id: str, rows: Sequence[MappedRow], bound: Sequence[Binding]) -> RecordChange:
        gone = tuple(self.gone(rows, bound)) if bound else ()
        anew = {(row.object, row.key) for row in rows if row.object in self.parents and self.own(row) is None}
        changed = [row for row in rows if self._differs(row, anew)]
        first_goes = bool(changed) and changed[0] is rows[0]
        if (changed or gone) and not first_goes and self.flow.objects[self.flow.root].set_last:
            # a first object with a field that is set last opens and closes its rows, so it goes along
            changed.insert(0, rows[0])
        if not (changed or gone):
            return RecordChange(source_id, ())
        written = tuple([self._write(row, anew) for row in changed])
        return RecordChange(source_id, written, gone, self.created_at(source_id))

    def gone(self, rows: Sequence[MappedRow], bound: Iterable[Binding]) -> Iterator[Removal]:
        """The bound rows that a record no longer has."""
        there = {(row.object, row.key) for row in rows}
        for each in bound:
            spec = self.flow.objects.get(each.object)
            if spec and not spec.owner and (each.object, each.key) not in there:
                yield Removal(each.object, each.key, each.target_id)

    def detached(self, source_id: str) -> bool:
        """Whether the other side's record was deleted, and this one is left alone since."""
        first = self.own(self.rows[source_id][0])
        return first is not None and first.fingerprint == DETACHED

    def own(self, row: MappedRow) -> Binding | None:
        """The binding of a row, unless it is that of another record."""
        bound = self.bound[row.object].get(row.key)
        return bound if bound and bound.source_id == row.source_id else None

    def _lost_parent(self, row: MappedRow, anew: set[Place]) -> bool:
        """Whether a row's parent is created anew, as after a change of its key: the row went with the one before."""
        return bool(anew) and any(
            (name, row.parent) in anew for name in self.flow.objects[row.object].parent.values()
        )

    def _differs(self, row: MappedRow, anew: set[Place]) -> bool:
        bound = self.own(row)
        if bound is None or bound.fingerprint != row.fingerprint or self._lost_parent(row, anew):
            return True
        # a repeat of this run has sent it already
        return self.sweep and self.flow.objects[row.object].resend_in_sweep and bound.written_run != self.run

    def _write(self, row: MappedRow, anew: set[Place]) -> Change:
        bound = None if self._lost_parent(row, anew) else self.own(row)
        target_id = bound.target_id if bound else None
        return Change(row.object, row.key, row.payload, row.fingerprint, row.parent, target_id)

    def bindings(self, results: Sequence[RowResult]) -> list[Binding]:
        """Crosswalk rows of what the target confirmed."""
        confirmed = [self._binding(result) for result in results if result.stands]
        return [*self._touched([result for result in results if result.outcome is _REMOVED]), *confirmed]

    def _touched(self, removed: Sequence[RowResult]) -> Iterator[Binding]:
        """The first rows of records that lost a row: a repeat of this run has to know that they were updated."""
        for source_id in {result.source_id for result in removed}:
            first = self.rows[source_id][0]
            bound = self.bound[first.object].get(first.key)
            if bound:
                reading = self.readings.get(source_id, UNREAD)
                yield replace(
                    bound,
                    written_run=self.run,
                    source_version=reading.source_version,
                    read_at=reading.read_at,
                )

    def _binding(self, result: RowResult) -> Binding:
        earlier = self.bound[result.object].get(result.key)
        created = self.run if result.outcome is RowOutcome.CREATED else ""
        reading = self.readings.get(result.source_id, UNREAD)
        unsent = earlier is not None and result.outcome is RowOutcome.UNCHANGED
        unsure = result.unfinished or result.source_id in self.contested
        return Binding(
            self.flow.flow,
            result.object,
            result.key,
            result.source_id,
            result.target_id or (earlier.target_id if earlier else ""),
            "" if unsure else self.fingerprints[result.object][result.key],
            earlier.created_run if earlier else created,
            earlier.written_run if earlier and unsent else self.run,
            reading.source_version,
            reading.read_at,
            earlier.revision if earlier else 0,
        )

    def outcome(self, source_id: str) -> Outcome:
        """What became of a record, over all tries of this run."""
        if source_id in self.rejected:
            return self.rejected[source_id].outcome
        if self.created(source_id):
            return Outcome.CREATED
        results = self.written.get(source_id, [])
        before = (self.bound[row.object].get(row.key) for row in self.rows[source_id])
        touched = any(each and each.written_run == self.run for each in before)
        sent = any(result.outcome is not RowOutcome.UNCHANGED for result in results)
        return Outcome.UPDATED if sent or touched else Outcome.UNCHANGED

    def created(self, source_id: str) -> bool:
        """Whether the first row of a record was created, by any try of this run."""
        first = self.rows[source_id][0]
        earlier = self.bound[first.object].get(first.key)
        results = self.written.get(source_id, [])
        new = any(each.outcome is RowOutcome.CREATED and each.object == first.object for each in results)
        return new or bool(earlier and earlier.created_run == self.run)

    def reject(self, source_id: str, reason: str, row: Place, **more: Any) -> None:
        """Rejects a record for one of its rows; its first reason counts."""
        root = self.rows[source_id][0]
        rejection = Rejection(
            source_id, Stage.LOAD, reason, row[0], row[1], amount=root.amount, currency=root.currency, **more
        )
        self.rejected.setdefault(source_id, rejection)

    def reject_taken_keys(self, crosswalk: Crosswalk, held: set[str]) -> set[str]:
        """Rejects records with a row whose key is bound to another record; returns those whose key is given up now.

        They are written last. A record that waits for one that waits itself is tried again by the next run.
        """
        taken = list(taken_keys(self.flow, self.rows, self.bound, crosswalk))
        takers = {each.source_id for each in taken}
        for each in taken:
            free = each.given_up and each.owner not in takers | held | self.rejected.keys()
            if not free:
                self._reject_taken(each)
        return takers - self.rejected.keys()

    def free_to_take(self, records: Sequence[RecordChange]) -> list[RecordChange]:
        """Those of the records whose keys have been given up; the others are rejected until the next run."""
        for record in records:
            for change in record.changes:
                known = self.bound[change.object].get(change.key)
                if known and known.source_id != record.source_id:
                    self._reject_taken(
                        TakenKey(record.source_id, change.object, change.key, known.source_id, given_up=True)
                    )
        return [record for record in records if record.source_id not in self.rejected]

    def _reject_taken(self, taken: TakenKey) -> None:
        reason, place = taken.reason(self.flow.target), (taken.object, taken.key)
        self.reject(taken.source_id, reason, place, value=taken.key, passing=taken.given_up)

    def expect(self, changes: Sequence[RecordChange]) -> None:
        """Notes the rows that go out, so that what is answered can be held against them."""
        for record in changes:
            rows: tuple[Change | Removal, ...] = (*record.changes, *record.removals)
            self.open.update(((record.source_id, each.object, each.key), False) for each in rows)

    def take_answers(self, results: Sequence[RowResult]) -> None:
        """Ticks the rows off that were answered, and rejects records with a refused one.

        Raises:
            OutOfBalance: a row was answered that was not sent.
        """
        for each in results:
            row = (each.source_id, each.object, each.key)
            if row in self.open:
                self.open[row] = not each.unfinished
            elif each.object or not each.refused:
                raise OutOfBalance(
                    f"{self.flow.target} answered row {each.key!r} of {each.object}, record {each.source_id}, "
                    "which was not sent"
                )
            if each.outcome is _REFUSED:
                more = {
                    "field": each.field,
                    "value": each.value,
                    "passing": each.passing,
                    "review": each.review,
                }
                self.reject(each.source_id, each.reason, (each.object, each.key), **more)

    def reject_unanswered(self) -> None:
        """Rejects records with a row that was sent and not answered, and of which no other was refused."""
        reason = (
            f"{self.flow.target} gave no answer to this row: whether it was written is looked up next time"
        )
        unanswered = sorted(row for row, answered in self.open.items() if not answered)
        for source_id, name, key in unanswered:
            self.reject(source_id, reason, (name, key), passing=True)

    def money(self, source_ids: Sequence[str]) -> Money:
        """Totals of these records."""
        totals: Money = {}
        for source_id in source_ids:
            root = self.rows[source_id][0]
            if root.amount is not None:
                totals[root.currency] = totals.get(root.currency, Decimal(0)) + root.amount
        return totals

    def rows_written(self) -> dict[str, int]:
        """Rows that the target confirmed, by object."""
        written: dict[str, set[str]] = defaultdict(set)
        for results in self.written.values():
            for result in results:
                if result.outcome is not _REFUSED:
                    written[result.object].add(result.key)
        return {name: len(keys) for name, keys in written.items()}
