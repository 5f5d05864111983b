"""Writes what changed of one mapped part, binding every row as soon as the target has confirmed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from airflow_provider_brightpearl.core.changes import Change, RecordChange, Removal, RowResult
from airflow_provider_brightpearl.core.ports import Binding, Bindings, DeadLetters, Sink, Staging
from airflow_provider_brightpearl.core.records import Counts, Money, Outcome, PartRef, Rejection, Stage
from airflow_provider_brightpearl.mapping.mapped import MappedRow, read_mapped
from airflow_provider_brightpearl.mapping.spec import FlowSpec
from airflow_provider_brightpearl.pipeline import rejected
from airflow_provider_brightpearl.pipeline.write_back import Outbox

Rows = dict[str, list[tuple[str, MappedRow]]]


@dataclass(slots=True)
class _Batch:
    """One part while it is loaded: its rows by record, what is bound, and what the target said."""

    flow: FlowSpec
    run: str
    rows: Rows
    bound: dict[tuple[str, str], Binding]
    sweep: bool = False
    written: dict[str, list[RowResult]] = field(default_factory=dict)

    def changes(self, skip: set[str]) -> Iterator[RecordChange]:
        """What has to be written, record by record in source order."""
        by_record: dict[str, list[Binding]] = {}
        for binding in self.bound.values():
            by_record.setdefault(binding.source_id, []).append(binding)
        for source_id, rows in self.rows.items():
            if source_id in skip:
                continue
            change = self._change(source_id, rows, by_record.get(source_id, []))
            if change.changes or change.removals:
                yield change

    def _change(
        self, source_id: str, rows: Sequence[tuple[str, MappedRow]], bound: Sequence[Binding]
    ) -> RecordChange:
        there = {(name, row.key) for name, row in rows}
        gone = tuple(
            Removal(each.object, each.key, each.target_id)
            for each in bound
            if (each.object, each.key) not in there and each.object in self.flow.objects
        )
        changed = [pair for pair in rows if self._differs(*pair)]
        if (changed or gone) and rows[0] not in changed and self.flow.objects[self.flow.root].written_last:
            # a first object with a field written last opens and closes its rows, so it goes along
            changed.insert(0, rows[0])
        return RecordChange(source_id, tuple(self._write(*pair) for pair in changed), gone)

    def _differs(self, name: str, row: MappedRow) -> bool:
        bound = self.bound.get((name, row.key))
        if bound is None or bound.fingerprint != row.fingerprint:
            return True
        # a repeat of this run has sent it already
        return self.sweep and self.flow.objects[name].resend_in_sweep and bound.written_run != self.run

    def _write(self, name: str, row: MappedRow) -> Change:
        bound = self.bound.get((name, row.key))
        return Change(
            name, row.key, row.payload, row.fingerprint, row.parent, bound.target_id if bound else None
        )

    def bindings(self, results: Sequence[RowResult]) -> list[Binding]:
        """Crosswalk rows of what the target confirmed."""
        fingerprints = {
            (name, row.key): row.fingerprint
            for source_id in {result.source_id for result in results}
            for name, row in self.rows[source_id]
        }
        confirmed = [
            self._binding(result, "" if result.unfinished else fingerprints[result.object, result.key])
            for result in results
            if not result.error and not result.removed
        ]
        return [*self._touched(results), *confirmed]

    def _touched(self, results: Sequence[RowResult]) -> Iterator[Binding]:
        """The first rows of records that lost a row: a repeat of this run has to know that they were updated."""
        for source_id in {result.source_id for result in results if result.removed}:
            name, row = self.rows[source_id][0]
            bound = self.bound.get((name, row.key))
            if bound:
                yield replace(bound, written_run=self.run)

    def _binding(self, result: RowResult, fingerprint: str) -> Binding:
        earlier = self.bound.get((result.object, result.key))
        created_run = earlier.created_run if earlier else (self.run if result.created else "")
        return Binding(
            self.flow.flow,
            result.object,
            result.key,
            result.source_id,
            result.target_id or (earlier.target_id if earlier else ""),
            fingerprint,
            created_run,
            self.run,
        )

    def outcome(self, source_id: str) -> Outcome:
        """What became of a record, over all tries of this run."""
        results = self.written.get(source_id, [])
        if any(result.error for result in results):
            return Outcome.REJECTED
        root = self.rows[source_id][0]
        earlier = self.bound.get((root[0], root[1].key))
        if any(result.object == root[0] and result.created for result in results):
            return Outcome.CREATED
        if earlier and earlier.created_run == self.run:
            return Outcome.CREATED
        before = (self.bound.get((name, row.key)) for name, row in self.rows[source_id])
        touched = any(each and each.written_run == self.run for each in before)
        return Outcome.UPDATED if results or touched else Outcome.UNCHANGED


def load(
    flow: FlowSpec,
    run: str,
    mapped: Mapping[str, Any],
    verdict: Mapping[str, Any],
    sink: Sink,
    bindings: Bindings,
    letters: DeadLetters,
    staging: Staging,
    outbox: Outbox | None = None,
    *,
    sweep: bool = False,
) -> dict[str, Any]:
    """The report of one part: counts, money, calls and rejections, as plain values.

    What the source is to be told goes to the ``outbox``, which a flow with ``write_back`` needs.
    A repeat after a crash writes only what is not bound yet, and counts what the earlier try wrote.
    """
    batch = _Batch(flow, run, _rows(flow, mapped, staging), {}, sweep)
    held = {each.source_id for each, _ in rejected.read(staging, verdict["rejections"])}
    for each in bindings.of_records(flow.flow, list(batch.rows)):
        batch.bound[each.object, each.key] = each
    changes = list(batch.changes(held))
    calls = sink.calls
    for results in sink.write(changes):
        if outbox is not None:
            # before the rows are bound: a bound row is not written again, and would never be told of
            outbox.keep(results)
        _bind(batch, bindings, results)
    made = sink.calls - calls
    outcomes = {source_id: batch.outcome(source_id) for source_id in batch.rows if source_id not in held}
    refused = list(_refusals(batch, outcomes))
    passed = [source_id for source_id, outcome in outcomes.items() if outcome is not Outcome.REJECTED]
    letters.resolve(flow.flow, run, passed)
    counts = Counts.of(outcomes.values())
    return {
        "name": mapped["name"],
        "counts": _plain(counts),
        "rows_written": _rows_written(batch),
        "money": {
            "loaded": rejected.money_as_text(_money(batch, passed)),
            "rejected": rejected.money_as_text(rejected.money_of(refused)),
        },
        # rows of refused records are not sent, which the fewest do not know
        "calls": {"made": made, "fewest": min(made, sink.fewest_calls(changes))},
        "rejections": _keep_refused(staging, mapped, batch, refused),
    }


def _rows(flow: FlowSpec, mapped: Mapping[str, Any], staging: Staging) -> Rows:
    rows: Rows = {}
    for name in flow.objects:
        with staging.local(PartRef.from_dict(mapped["objects"][name])) as path:
            for row in read_mapped(path):
                rows.setdefault(row.source_id, []).append((name, row))
    return rows


def _bind(batch: _Batch, bindings: Bindings, results: Sequence[RowResult]) -> None:
    confirmed = batch.bindings(results)
    bindings.bind(confirmed)
    batch.bound |= {(each.object, each.key): each for each in confirmed}
    gone: dict[str, list[str]] = {}
    for result in results:
        batch.written.setdefault(result.source_id, []).append(result)
        if result.removed:
            gone.setdefault(result.object, []).append(result.key)
    for name, keys in gone.items():
        bindings.unbind(batch.flow.flow, name, keys)


def _refusals(batch: _Batch, outcomes: Mapping[str, Outcome]) -> Iterator[Rejection]:
    for source_id, outcome in outcomes.items():
        if outcome is Outcome.REJECTED:
            error = next(result for result in batch.written[source_id] if result.error)
            root = batch.rows[source_id][0][1]
            yield Rejection(
                source_id,
                Stage.LOAD,
                error.error,
                object=error.object,
                row=error.key,
                field=error.field,
                value=error.value,
                amount=root.amount,
                currency=root.currency,
            )


def _money(batch: _Batch, source_ids: Sequence[str]) -> Money:
    totals: Money = {}
    for source_id in source_ids:
        root = batch.rows[source_id][0][1]
        if root.amount is not None:
            totals[root.currency] = totals.get(root.currency, Decimal(0)) + root.amount
    return totals


def _rows_written(batch: _Batch) -> dict[str, int]:
    written = {
        (result.object, result.key)
        for results in batch.written.values()
        for result in results
        if not result.error
    }
    return dict(Counter(name for name, _ in written))


def _keep_refused(
    staging: Staging, mapped: Mapping[str, Any], batch: _Batch, refused: Sequence[Rejection]
) -> dict[str, Any]:
    places = {each.source_id: batch.rows[each.source_id][0][1].pos for each in refused}
    lines = rejected.raw_lines(staging, mapped["raw"], places.values())
    pairs = ((each, lines[places[each.source_id]]) for each in refused)
    return rejected.write(staging, f"rejected/load-{mapped['name']}.jsonl", pairs)


def _plain(counts: Counts) -> dict[str, int]:
    return {
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "rejected": counts.rejected,
    }
