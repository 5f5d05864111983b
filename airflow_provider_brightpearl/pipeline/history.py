"""What the stages add to the history of records: one event for each that was written, left out or rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from airflow_provider_brightpearl.core.changes import RowOutcome
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.records import Outcome, Rejection, Stage
from airflow_provider_brightpearl.pipeline.batch import UNREAD, Batch
from airflow_provider_brightpearl.pipeline.rejections import cause_of

_WRITTEN = {Outcome.CREATED: EventOutcome.CREATED, Outcome.UPDATED: EventOutcome.UPDATED}


def load_events(
    batch: Batch, outcomes: Mapping[str, Outcome], superseded: Collection[str], at: datetime
) -> Iterator[RecordEvent]:
    """Events of the records of a part that were written or left out; unchanged ones have none."""
    for source_id, outcome in outcomes.items():
        left_out = source_id in superseded
        written = _WRITTEN.get(outcome)
        if not (written or left_out):
            continue
        first = batch.rows[source_id][0]
        bound = batch.bound[first.object].get(first.key)
        reading = batch.readings.get(source_id, UNREAD)
        place = (
            at,
            first.object,
            bound.target_id if bound else "",
            "",
            reading.read_at,
            reading.source_version,
        )
        if written:
            yield RecordEvent(source_id, batch.run, Stage.LOAD, written, *place)
        if left_out:
            yield RecordEvent(source_id, batch.run, Stage.LOAD, EventOutcome.SUPERSEDED, *place)
    removed = Counter(
        (source_id, each.object)
        for source_id, results in batch.written.items()
        for each in results
        if each.outcome is RowOutcome.REMOVED
    )
    for (source_id, name), count in removed.items():
        note = f"{count} rows"
        yield RecordEvent(source_id, batch.run, Stage.LOAD, EventOutcome.REMOVED, at, name, note=note)


def rejection_events(run: str, rejections: Iterable[Rejection], at: datetime) -> Iterator[RecordEvent]:
    """Events of the records that a run rejected or parked, or could not read."""
    for each in rejections:
        outcome = EventOutcome.MISSING if each.missing else EventOutcome(each.outcome.value)
        # the value is the letter's
        note = cause_of(each).replace(repr(each.value), "…") if each.value else cause_of(each)
        yield RecordEvent(each.source_id, run, each.stage, outcome, at, each.object, note=note)
