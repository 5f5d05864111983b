"""Writes back to the source what became of its records: recorded before a row is bound, delivered after settle.

A write-back never undoes what was loaded. What could not be delivered stays due and is delivered by the next run; a
note, which a second delivery would duplicate, is looked for where an answer was lost.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from hashlib import blake2b
from typing import Any

from airflow_provider_brightpearl.core.beginning import may_be_written
from airflow_provider_brightpearl.core.changes import RowOutcome, RowResult
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.ports.source import Message, Reply, WriteBack
from airflow_provider_brightpearl.core.ports.stores import Intent, Intents, IntentState, RecordEvents
from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.core.records import Calls, Stage
from airflow_provider_brightpearl.core.reports import WriteBackReport
from airflow_provider_brightpearl.errors import SyncError, TimedOut
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.write_back import WriteBackSpec, render


class Kind(StrEnum):
    """How a record is written back to: by fields, which may be set again, or by a note, which would be duplicated."""

    FIELDS = "fields"
    NOTE = "note"


# how long a note whose answer was lost may still arrive
QUIET = timedelta(seconds=60)
# the step of a note that may exist although nothing is known of it, as the state is new or was lost
LOOK = "look"
# where sources keep the fields of their users
_CUSTOM = ("custom", "customFields")
# by record, the text of fields that are written back
Shown = Mapping[str, Mapping[str, str]]
_REASONS = 3


@dataclass(frozen=True, slots=True)
class Outbox:
    """What a flow has to write back to its source, kept in the intent table under the source's ids.

    Args:
        flow: its ``write_back`` says what is written back for which object.
        run: recorded with every intent.
        intents: the store.
        events: the history of the records.
    """

    flow: FlowSpec
    run: str
    intents: Intents
    events: RecordEvents

    @property
    def places(self) -> dict[str, tuple[WriteBackSpec, Kind]]:
        """What is written back, by its name in the intent table: ``Order.fields``, ``Order.note``."""
        return {
            f"{name}.{kind}": (spec, kind)
            for name, spec in self.flow.write_back.items()
            for kind in Kind
            if (spec.fields if kind is Kind.FIELDS else spec.note)
        }

    def keep(
        self,
        results: Sequence[RowResult],
        created_at: Callable[[str], datetime | None] = lambda _: None,
        shown: Callable[[], Shown] = dict,
    ) -> None:
        """Records what has to be written back for these rows, unless it was delivered or is due already.

        ``created_at``: when the source created a record; a note that another state may have delivered is looked for
        before it is written. ``shown``: the fields that records have, as they were read: what they show already is
        not sent, as the source would take it for a change. It is asked for rows alone that the target had before.
        """
        for place, (spec, kind) in self.places.items():
            name = place.partition(".")[0]
            mine = [each for each in results if each.object == name and _is_written(each)]
            if wanted := [self._intent(place, each, spec, kind) for each in mine]:
                had = {each.source_id for each in mine if each.outcome is not RowOutcome.CREATED}
                self._plan(place, wanted, created_at, had, shown)

    def shown_in(self, record: Mapping[str, Any]) -> dict[str, str]:
        """What a record shows of the fields that are written back, custom ones among them."""
        names = {name for spec in self.flow.write_back.values() for name in spec.fields}
        custom = [record[each] for each in _CUSTOM if isinstance(record.get(each), Mapping)]
        return {name: part[name] for part in (*custom, record) for name in names if name in part}

    def _plan(
        self,
        place: str,
        wanted: Sequence[Intent],
        created_at: Callable[[str], datetime | None],
        had: Collection[str],
        shown: Callable[[], Shown],
    ) -> None:
        known = self.intents.of(self.flow.flow, place, [each.key for each in wanted])
        attempts = {key: each.attempt for key, each in known.items()}
        recorded = {(key, each.digest) for key, each in known.items()}
        fresh = [each for each in wanted if (each.key, each.digest) not in recorded]
        notes = self.places[place][1] is Kind.NOTE
        if not notes and any(each.key in had for each in fresh):
            there = shown()
            fresh = [
                each
                for each in fresh
                if each.key not in had
                or not json.loads(each.digest).items() <= there.get(each.key, {}).items()
            ]
        if not fresh:
            return
        began = self.intents.began(self.flow.flow)
        self.intents.plan(
            [
                replace(
                    each,
                    attempt=attempts.get(each.key, 0),
                    step=LOOK if notes and may_be_written(began, created_at(each.key)) else "",
                )
                for each in fresh
            ]
        )

    def _intent(self, place: str, row: RowResult, spec: WriteBackSpec, kind: Kind) -> Intent:
        said = {
            **dict(row.returned_fields),
            "target_id": row.target_id,
            "source_id": row.source_id,
            "key": row.key,
        }
        # one note per target row, however its status and the flow file change later
        digest = row.target_id if kind is Kind.NOTE else json.dumps(_fields(spec, said), sort_keys=True)
        return Intent(
            self.flow.flow, place, row.source_id, digest, self.run, reference=json.dumps({"said": said}),
            target_id=row.target_id,
        )  # fmt: skip

    def deliver(
        self, connect: Callable[[], WriteBack], now: datetime, limit: int
    ) -> tuple[WriteBackReport, SyncError | None]:
        """Delivers what is due, also what earlier runs left: the records that have waited longest come first.

        Args:
            connect: opens the source; called if something is due.
            now: an aware instant.
            limit: messages to send at most; what is left stays due.

        Returns:
            The outcome, and the source's error where one ended the delivery: what it left stays due, and the outcome
            says so.
        """
        places, error = self.places, None
        records = max(1, limit // max(1, len(places)))
        unsettled = self.intents.unsettled(self.flow.flow, places, records) if places else []
        delivery = _Delivery(self.intents, self.flow.source_system, places, partial(self._record, now))
        if unsettled:
            delivery.began = self.intents.began(self.flow.flow)
            try:
                delivery.go(connect(), unsettled, now)
            except SyncError as ended:
                error = ended
                delivery.reasons[str(error)] += 1
        waiting = self.intents.waiting(self.flow.flow, places) if unsettled else 0
        return delivery.report(unsettled, waiting, limit), error

    def _record(self, at: datetime, outcome: EventOutcome, intents: Sequence[Intent]) -> None:
        """Adds to the history of the records that they were written back to, or that the source refused it."""
        refused = outcome is EventOutcome.REFUSED
        events = [
            RecordEvent(
                each.key, self.run, Stage.WRITE_BACK, outcome, at, each.object, each.target_id,
                each.reason if refused else "", after="" if refused else _print(each),
            )
            for each in intents
        ]  # fmt: skip
        if events:
            self.events.record(self.flow.flow, events)


@dataclass(slots=True)
class _Delivery:
    """One attempt at everything that is due."""

    intents: Intents
    system: str
    places: Mapping[str, tuple[WriteBackSpec, Kind]]
    record: Callable[[EventOutcome, Sequence[Intent]], None]
    began: datetime | None = None
    done: set[tuple[str, str]] = field(default_factory=set)
    refused: list[Intent] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    made: int = 0
    minimum: int = 0

    def go(self, writer: WriteBack, unsettled: Sequence[Intent], now: datetime) -> None:
        before = writer.calls
        try:
            due = self._not_there_yet(writer, [each for each in unsettled if each.state is IntentState.DUE])
            self.minimum = writer.calls - before
            due += self._missing(writer, [each for each in unsettled if _is_quiet(each, now)])
            due.sort(key=lambda each: (each.key, each.object))
            self.minimum += writer.min_calls(len(due))
            messages = [self._message(each) for each in due]
            progress = current()
            progress.begin("wrote back", "messages", len(due), lambda: writer.calls - before)
            for group in writer.groups(messages):
                replies = self._send(writer, [(due[place], messages[place]) for place in group])
                progress.advance(len(replies))
                if any(reply.stops for reply in replies):
                    break
        finally:
            self.made = writer.calls - before

    def _not_there_yet(self, writer: WriteBack, due: Sequence[Intent]) -> list[Intent]:
        """What is due, without notes that are there although this is not known: the state was lost, or restored."""
        notes = [each for each in due if self._may_be_there(each)]
        there = writer.find_notes([self._message(each) for each in notes]) if notes else []
        found = [each for each, is_there in zip(notes, there, strict=True) if is_there]
        self._confirm(found)
        return [each for each in due if each not in found]

    def _may_be_there(self, intent: Intent) -> bool:
        if self.places[intent.object][1] is not Kind.NOTE:
            return False
        return intent.step == LOOK or may_be_written(self.began, None, intent.changed_at)

    def _missing(self, writer: WriteBack, doubtful: Sequence[Intent]) -> list[Intent]:
        """Those of the notes in doubt that do not exist; the others are done."""
        if not doubtful:
            return []
        there = writer.find_notes([Message(each.key, note=_sent(each)) for each in doubtful])
        pairs = list(zip(doubtful, there, strict=True))
        self._confirm([each for each, found in pairs if found])
        return [each for each, found in pairs if not found]

    def _message(self, intent: Intent) -> Message:
        spec, kind = self.places[intent.object]
        said = json.loads(intent.reference)["said"]
        if kind is Kind.NOTE:
            return Message(intent.key, note=render(spec.note or "", said))
        return Message(intent.key, fields=_fields(spec, said))

    def _send(self, writer: WriteBack, group: Sequence[tuple[Intent, Message]]) -> list[Reply]:
        notes = [_sending(each, message.note) for each, message in group if message.note]
        begun = {(each.object, each.key): each for each in self.intents.begin(notes)}
        intents = [begun.get((each.object, each.key), each) for each, _ in group]
        try:
            replies = writer.send([message for _, message in group])
        except TimedOut:
            raise
        except SyncError as error:
            self.intents.plan([replace(each, reason=str(error)) for each in intents])
            raise
        self._take(list(zip(intents, replies, strict=True)))
        return replies

    def _take(self, answered: Sequence[tuple[Intent, Reply]]) -> None:
        replied = [(replace(each, reason=reply.reason), reply) for each, reply in answered]
        self._confirm([each for each, reply in replied if reply.state is IntentState.DONE])
        self.intents.plan([each for each, reply in replied if reply.state is IntentState.DUE])
        refused = [each for each, reply in replied if reply.state is IntentState.REFUSED]
        self.record(EventOutcome.REFUSED, refused)
        self.intents.fail(refused)
        for each, reply in replied:
            if reply.state is IntentState.REFUSED:
                self.refused.append(each)
            elif reply.state is not IntentState.DONE:
                self.reasons[reply.reason] += 1

    def _confirm(self, intents: Sequence[Intent]) -> None:
        # the history first: what is done is never looked at again, and one line twice is one
        self.record(EventOutcome.WRITTEN_BACK, intents)
        self.intents.confirm(intents)
        self.done |= {(each.object, each.key) for each in intents}

    def report(self, unsettled: Sequence[Intent], waiting: int, limit: int) -> WriteBackReport:
        open_ones = {each.key for each in unsettled if (each.object, each.key) not in self.done}
        gone = {each.key for each in self.refused}
        held = len(open_ones - gone)
        later = max(0, waiting - held)
        return WriteBackReport(
            delivered=len({each.key for each in unsettled} - open_ones),
            waiting=held + later,
            given_up=len(gone),
            calls=Calls.of(self.system, self.made, self.minimum),
            warnings=tuple(self._warnings(held, len(gone))),
            note=f"{later} write-backs to {self.system} wait for later runs: one sends at most {limit} messages"
            if later
            else "",
        )

    def _warnings(self, held: int, gone: int) -> Iterator[str]:
        if held:
            why = "; ".join(text for text, _ in self.reasons.most_common(_REASONS))
            why = why or "an answer was lost a moment ago"
            yield f"{held} write-backs to {self.system} wait for the next run: {why}"
        if gone:
            named = ", ".join(f"{each.key} ({each.reason})" for each in self.refused[:_REASONS])
            yield f"{gone} write-backs to {self.system} were given up: {named}"


def _fields(spec: WriteBackSpec, said: Mapping[str, str]) -> dict[str, str]:
    return {name: render(text, said) for name, text in spec.fields.items()}


def _sending(intent: Intent, text: str) -> Intent:
    """The intent of a note with the text by which it will be found."""
    return replace(intent, reference=json.dumps({**json.loads(intent.reference), "sent": text}))


def _sent(intent: Intent) -> str:
    return str(json.loads(intent.reference).get("sent", ""))


def _print(intent: Intent) -> str:
    """The fingerprint of what is written back, which shows no value of it."""
    return blake2b(intent.digest.encode(), digest_size=16).hexdigest()


def _is_written(result: RowResult) -> bool:
    return bool(result.target_id) and result.stands and not result.unfinished


def _is_quiet(intent: Intent, now: datetime) -> bool:
    """Whether a note in doubt can no longer arrive, so that a missing note was not sent."""
    if intent.state is not IntentState.IN_DOUBT:
        return False
    return intent.changed_at is None or now - intent.changed_at >= QUIET
