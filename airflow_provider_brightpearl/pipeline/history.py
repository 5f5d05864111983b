"""What the stages add to the history of records: one event for each that was written, left out or rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent, fingerprint_of
from airflow_provider_brightpearl.core.records import Outcome, Rejection, Stage
from airflow_provider_brightpearl.pipeline.batch import UNREAD, Batch
from airflow_provider_brightpearl.pipeline.rejections import cause_of

_CONFIRMED = (RowOutcome.CREATED, RowOutcome.UPDATED, RowOutcome.REMOVED)
_WRITTEN = {Outcome.CREATED: EventOutcome.CREATED, Outcome.UPDATED: EventOutcome.UPDATED}


class LoadHistory:
    """What a load adds to the history of the records of a part.

    A record that was written has its event as soon as one of its rows is bound, whatever becomes of the others.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._before: dict[str, str] = {}
        self._recorded: set[str] = set()

    def begin(self, changes: Iterable[RecordChange]) -> None:
        """Notes what the records that are going to be written were last written with."""
        rows: dict[str, list[tuple[str, str, str]]] = {each.source_id: [] for each in changes}
        for bindings in self._batch.bound.values() if rows else ():
            for each in bindings.values():
                if each.source_id in rows:
                    rows[each.source_id].append((each.object, each.key, each.fingerprint))
        self._before = {source_id: fingerprint_of(some) for source_id, some in rows.items()}

    def written(self, results: Sequence[RowResult], at: datetime) -> Iterator[RecordEvent]:
        """Events of the records of which the target has just confirmed rows; these are bound."""
        confirmed = [each for each in results if each.outcome in _CONFIRMED]
        for source_id in dict.fromkeys(each.source_id for each in confirmed):
            if source_id in self._batch.rows and source_id not in self._recorded:
                self._recorded.add(source_id)
                outcome = EventOutcome.CREATED if self._batch.created(source_id) else EventOutcome.UPDATED
                yield self._event(source_id, outcome, at)
        removed = [each for each in confirmed if each.outcome is RowOutcome.REMOVED]
        for (source_id, name), count in Counter((each.source_id, each.object) for each in removed).items():
            where = (at, name, "", f"{count} rows")
            yield RecordEvent(source_id, self._batch.run, Stage.LOAD, EventOutcome.REMOVED, *where)

    def ended(
        self, outcomes: Mapping[str, Outcome], superseded: Collection[str], at: datetime
    ) -> Iterator[RecordEvent]:
        """Events of the records that an earlier try of this run has written, or that were left out."""
        for source_id, outcome in outcomes.items():
            written = _WRITTEN.get(outcome)
            if written and source_id not in self._recorded:
                yield self._event(source_id, written, at)
            if source_id in superseded:
                yield self._event(source_id, EventOutcome.SUPERSEDED, at)

    def _event(self, source_id: str, outcome: EventOutcome, at: datetime) -> RecordEvent:
        batch = self._batch
        rows = batch.rows[source_id]
        first = rows[0]
        bound = batch.bound[first.object].get(first.key)
        reading = batch.readings.get(source_id, UNREAD)
        prints = batch.fingerprints
        after = fingerprint_of(
            (each.object, each.key, prints[each.object].get(each.key, each.fingerprint)) for each in rows
        )
        written = outcome is not EventOutcome.SUPERSEDED
        return RecordEvent(
            source_id, batch.run, Stage.LOAD, outcome, at, first.object, bound.target_id if bound else "", "",
            reading.read_at, reading.source_version, self._before.get(source_id, "") if written else "",
            after if written else "",
        )  # fmt: skip


def rejection_events(run: str, rejections: Iterable[Rejection], at: datetime) -> Iterator[RecordEvent]:
    """Events of the records that a run rejected or parked, or could not read."""
    for each in rejections:
        outcome = EventOutcome.MISSING if each.missing else EventOutcome(each.outcome.value)
        # the value is the letter's
        note = cause_of(each).replace(repr(each.value), "…") if each.value else cause_of(each)
        yield RecordEvent(each.source_id, run, each.stage, outcome, at, each.object, note=note)
