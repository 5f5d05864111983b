"""Stand-ins for the ports of ``core.ports``, in memory, with the same promises."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from uuid import uuid4

import msgspec

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.conflicts import FieldConflict
from airflow_provider_brightpearl.core.estimate import WriteVolume
from airflow_provider_brightpearl.core.events import RecordEvent
from airflow_provider_brightpearl.core.letters import judged_digest
from airflow_provider_brightpearl.core.ports.estimate import EstimatesWrites
from airflow_provider_brightpearl.core.ports.gate import Gate, GateResult
from airflow_provider_brightpearl.core.ports.notices import REMINDER
from airflow_provider_brightpearl.core.ports.source import Message, Read, Reply, Source, Unread, WriteBack
from airflow_provider_brightpearl.core.ports.stores import (
    Binding,
    Conflicts,
    Crosswalk,
    DeadLetters,
    Intent,
    Intents,
    IntentState,
    Ledger,
    RecordEvents,
    Resolver,
)
from airflow_provider_brightpearl.core.ports.target import Sink
from airflow_provider_brightpearl.core.presence import Presence
from airflow_provider_brightpearl.core.readings import both_wrote, is_as_read
from airflow_provider_brightpearl.core.records import Counts, Rejection
from airflow_provider_brightpearl.core.reports import RunSummary, StateMark, run_of
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import SyncError, TimedOut, Unavailable


class NothingBound:
    """A crosswalk without rows."""

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        return {}

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        return {}


class EverythingBound:
    """A crosswalk in which every key is bound, to an id made of it; ``missing`` keys are not."""

    def __init__(self, *missing: str) -> None:
        self.missing = missing

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        return {key: f"{object_name}:{key}" for key in keys if key not in self.missing}

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        return {each: [f"key of {object_name}:{each}"] for each in target_ids if each not in self.missing}


class MemoryCrosswalk:
    """``Crosswalk`` in a dict, for flows of both directions."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Binding] = {}

    def of_records(self, flow: str, source_ids: Sequence[str]) -> list[Binding]:
        wanted = set(source_ids)
        found = (each for each in self.rows.values() if each.flow == flow and each.source_id in wanted)
        return sorted(found, key=lambda each: (each.object, each.key))

    def roots(self, flow: str, object_name: str) -> Iterator[Binding]:
        mine = (each for each in self.rows.values() if (each.flow, each.object) == (flow, object_name))
        yield from sorted(mine, key=lambda each: each.key)

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        found = ((key, self.rows.get((flow, object_name, key))) for key in keys)
        return {key: each.target_id for key, each in found if each}

    def source_ids(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        found = ((key, self.rows.get((flow, object_name, key))) for key in keys)
        return {key: each.source_id for key, each in found if each}

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in self.of_targets(object_name, target_ids):
            if each.flow == flow:
                found.setdefault(each.target_id, []).append(each.key)
        return found

    def of_targets(self, object_name: str, target_ids: Iterable[str]) -> list[Binding]:
        wanted = set(target_ids)
        found = (each for each in self.rows.values() if each.object == object_name)
        mine = (each for each in found if each.target_id in wanted)
        return sorted(mine, key=lambda each: (each.flow, each.key))

    def bind(self, bindings: Sequence[Binding]) -> list[Binding]:
        latest = {(each.flow, each.object, each.key): each for each in bindings}
        contested = []
        for place, each in latest.items():
            now = self.rows.get(place)
            if is_as_read(now, each) if now else not each.revision:
                self.rows[place] = msgspec.structs.replace(each, revision=each.revision + 1)
            else:
                self.rows[place] = both_wrote(each, now)
                contested.append(self.rows[place])
        return contested

    def unbind(self, bindings: Sequence[Binding]) -> list[Binding]:
        contested = []
        for each in bindings:
            place = (each.flow, each.object, each.key)
            now = self.rows.get(place)
            if now and is_as_read(now, each):
                del self.rows[place]
            elif now:
                self.rows[place] = both_wrote(now, now)
                contested.append(self.rows[place])
        return contested


@dataclass
class MemoryConflicts:
    """``Conflicts`` in a dict."""

    rows: dict[tuple[str, ...], FieldConflict] = field(default_factory=dict)

    def record(self, conflicts: Sequence[FieldConflict]) -> None:
        for each in conflicts:
            place = (each.flow, each.object, each.key, each.field)
            waiting = [key for key, row in self.rows.items() if key[:4] == place and row.closed_at is None]
            if each.closed_at is None and waiting:
                now = {
                    name: getattr(each, name)
                    for name in each.__struct_fields__
                    if name[:6] in ("source", "target")
                }
                self.rows[waiting[0]] = msgspec.structs.replace(self.rows[waiting[0]], **now)
            else:
                self.rows.setdefault((*place, each.run), each)

    def close(self, flow: str, agreed: Collection[tuple[str, str, str]], at: datetime) -> int:
        ended = [
            key for key, row in self.rows.items()
            if key[0] == flow and key[1:4] in agreed and row.closed_at is None
        ]  # fmt: skip
        for key in ended:
            self.rows[key] = msgspec.structs.replace(self.rows[key], closed_at=at)
        return len(ended)

    def listed(self, flow: str = "", *, open_only: bool = False) -> list[FieldConflict]:
        found = [row for row in self.rows.values() if flow in ("", row.flow)]
        found = [row for row in found if not (open_only and row.closed_at)]
        found.sort(key=lambda row: (row.flow, row.object, row.key, row.field))
        return sorted(found, key=lambda row: (row.closed_at is not None, -row.at.timestamp()))


@dataclass
class MemoryRecordEvents:
    """``RecordEvents`` in a dict."""

    rows: dict[tuple[str, ...], RecordEvent] = field(default_factory=dict)

    def record(self, flow: str, events: Iterable[RecordEvent]) -> None:
        for each in events:
            key = (flow, each.source_id, each.run, each.stage, each.outcome, each.object)
            self.rows.setdefault(key, each)

    def of_record(self, flow: str, source_id: str) -> list[RecordEvent]:
        mine = (each for key, each in self.rows.items() if key[:2] == (flow, source_id))
        return sorted(mine, key=lambda each: (each.at, each.stage, each.outcome))

    def written(self, flow: str, run: str) -> Counts:
        mine = {
            (key[1], each.outcome.value)
            for key, each in self.rows.items()
            if (key[0], each.run) == (flow, run)
        }
        return Counts(**Counter(outcome for _, outcome in mine if outcome in ("created", "updated")))

    def wrote_since(self, flow: str, since: datetime) -> bool:
        written = ("created", "updated")
        return any(
            key[0] == flow and each.at > since and each.outcome.value in written
            for key, each in self.rows.items()
        )


@dataclass(frozen=True)
class Letter:
    """A pending record, rejected or parked, with the mapping version that last rejected it."""

    rejection: Rejection
    payload: bytes
    mapping_version: str
    run: str
    seen: datetime
    judged: str = ""


@dataclass
class MemoryLetters:
    """``DeadLetters`` in a dict, least recently tried first; ``crosswalk`` knows which parents are bound."""

    crosswalk: Resolver = field(default_factory=NothingBound)
    letters: dict[tuple[str, str], Letter] = field(default_factory=dict)
    closed: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.min.replace(tzinfo=UTC)

    @property
    def kept(self) -> dict[str, tuple[Rejection, bytes]]:
        """Rejection and record by source id, for tests of one flow."""
        return {name: (each.rejection, each.payload) for (_, name), each in self.letters.items()}

    def keep(
        self,
        flow: str,
        run: str,
        mapping_version: str,
        letters: Iterable[tuple[Rejection, bytes]],
        read_since: datetime | None = None,
        *,
        judged: bool = False,
    ) -> list[str]:
        chosen: dict[str, Letter] = {}
        for rejection, payload in letters:
            earlier = chosen.get(rejection.source_id)
            if earlier is None or (earlier.rejection.waits_for and not rejection.waits_for):
                if read_since and self._is_read_by_others(flow, run, rejection.source_id, read_since):
                    rejection = replace(rejection, passing=True)
                before = self.letters.get((flow, rejection.source_id))
                kept = before.judged if before else ""
                digest = judged_digest(mapping_version, payload) if judged else kept
                chosen[rejection.source_id] = Letter(
                    rejection, payload, mapping_version, run, self.now(), digest
                )
        for name in sorted(chosen):
            self.letters.pop((flow, name), None)
            self.letters[flow, name] = chosen[name]
        return []

    def resolve(
        self, flow: str, run: str, source_ids: Sequence[str], read_since: datetime | None = None
    ) -> int:
        known = [(flow, name) for name in set(source_ids) if (flow, name) in self.letters]
        closed = [each for each in known if self._is_settled(self.letters[each], run, read_since)]
        for each in closed:
            del self.letters[each]
            self.closed[each] = run, self.now()
        for each in set(known) - set(closed):
            letter = self.letters[each]
            self.letters[each] = replace(letter, rejection=replace(letter.rejection, passing=True))
        return len(closed)

    def judged(self, flow: str, digests: Mapping[str, str]) -> set[str]:
        known = {name: each.judged for (owner, name), each in self.letters.items() if owner == flow}
        return {name for name, digest in digests.items() if known.get(name) == digest}

    def _is_read_by_others(self, flow: str, run: str, source_id: str, since: datetime) -> bool:
        rows = self.crosswalk.rows.values() if isinstance(self.crosswalk, MemoryCrosswalk) else ()
        found = [
            (each.written_run, each.read_at)
            for each in rows
            if (each.flow, each.source_id) == (flow, source_id)
        ]
        if letter := self.letters.get((flow, source_id)):
            found.append((letter.run, letter.seen))
        if closed := self.closed.get((flow, source_id)):
            found.append(closed)
        return any(at and at > since and run_of(by) != run_of(run) for by, at in found)

    def _is_settled(self, letter: Letter, run: str, read_since: datetime | None) -> bool:
        return read_since is None or letter.seen <= read_since or letter.run == run_of(run)

    def due(self, flow: str, mapping_version: str, limit: int) -> list[str]:
        turns: Counter[tuple[object, ...]] = Counter()
        found: list[tuple[int, str]] = []
        for (owner, name), each in self.letters.items():
            if owner == flow and self._due(each, mapping_version):
                kind = (each.rejection.missing, each.rejection.passing, each.rejection.waits_for)
                turns[kind] += 1
                found.append((turns[kind], name))
        return [name for _, name in sorted(found, key=itemgetter(0))][:limit]

    def _due(self, letter: Letter, mapping_version: str) -> bool:
        if letter.rejection.missing or letter.rejection.passing or letter.mapping_version != mapping_version:
            return True
        if letter.rejection.waits_for is None:
            return False
        flow, object_name, key = letter.rejection.waits_for
        found: Mapping[str, object] = self.crosswalk.resolve(flow, object_name, [key])
        return key in (found or self.crosswalk.keys_of(flow, object_name, [key]))

    def waiting(self, flow: str, source_ids: Sequence[str]) -> set[str]:
        return {name for name in source_ids if (flow, name) in self.letters}


def _changed(intent: Intent) -> datetime:
    return intent.changed_at or datetime.min.replace(tzinfo=UTC)


@dataclass
class MemoryIntents:
    """``Intents`` in a dict."""

    rows: dict[tuple[str, str, str], Intent] = field(default_factory=dict)

    beginnings: dict[str, datetime] = field(default_factory=dict)

    def start(self, flow: str) -> None:
        self.beginnings.setdefault(flow, datetime.now(UTC))

    def began(self, flow: str) -> datetime | None:
        return self.beginnings.get(flow)

    def restored(self) -> datetime | None:
        return None

    def of(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, Intent]:
        found = ((key, self.rows.get((flow, object_name, key))) for key in keys)
        return {key: each for key, each in found if each}

    def begin(self, intents: Sequence[Intent]) -> list[Intent]:
        if not all(self._is_newest(each) for each in intents):
            raise Unavailable("another worker is writing some of the same records")
        return self._put(intents, IntentState.IN_DOUBT)

    def confirm(self, intents: Sequence[Intent]) -> None:
        self._put(intents, IntentState.DONE)

    def fail(self, intents: Sequence[Intent]) -> None:
        self._put(intents, IntentState.REFUSED)

    def plan(self, intents: Sequence[Intent]) -> None:
        self._put(intents, IntentState.DUE)

    def unsettled(self, flow: str, objects: Iterable[str], records: int | None = None) -> list[Intent]:
        wanted, open_states = set(objects), (IntentState.DUE, IntentState.IN_DOUBT)
        mine = (each for each in self.rows.values() if each.flow == flow and each.object in wanted)
        found = [each for each in mine if each.state in open_states]
        oldest = {each.key: _changed(each) for each in sorted(found, key=_changed, reverse=True)}
        longest = sorted(oldest, key=lambda key: (oldest[key], key))[:records]
        return sorted(
            (each for each in found if each.key in longest), key=lambda each: (each.key, each.object)
        )

    def waiting(self, flow: str, objects: Iterable[str]) -> int:
        return len({each.key for each in self.unsettled(flow, objects)})

    def made(self, flow: str, object_name: str, target_ids: Iterable[str]) -> set[str]:
        mine = (each for each in self.rows.values() if (each.flow, each.object) == (flow, object_name))
        done = {each.target_id for each in mine if each.state is IntentState.DONE}
        return done & set(target_ids)

    def _is_newest(self, intent: Intent) -> bool:
        known = self.rows.get((intent.flow, intent.object, intent.key))
        return known is None or known.attempt == intent.attempt

    def _put(self, intents: Sequence[Intent], state: IntentState) -> list[Intent]:
        """Records what builds on the newest state; what was read before that is ignored."""
        now = datetime.now(UTC)
        put = [
            replace(each, state=state, attempt=each.attempt + 1, changed_at=now)
            for each in intents
            if self._is_newest(each)
        ]
        self.rows |= {(each.flow, each.object, each.key): each for each in put}
        return put


@dataclass
class MemoryLedger:
    """``Ledger`` in a list."""

    marks: dict[str, datetime] = field(default_factory=dict)
    sweeps: dict[str, datetime] = field(default_factory=dict)
    entries: list[RunSummary] = field(default_factory=list)
    name: str = field(default_factory=lambda: uuid4().hex)
    writes: int = 0

    def mark(self) -> StateMark:
        return StateMark(self.name, self.writes)

    def advance(self) -> None:
        self.writes += 1

    def watermark(self, flow: str, pair: str = "") -> datetime | None:
        return self.marks.get(flow)

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def swept_to(self, flow: str, pair: str = "") -> datetime | None:
        return self.sweeps.get(flow)

    def record(
        self, run: RunSummary, watermark: datetime | None = None, swept_to: datetime | None = None
    ) -> None:
        self.entries = [each for each in self.entries if (each.flow, each.run) != (run.flow, run.run)]
        self.entries.append(run)
        if watermark:
            self.marks[run.flow] = max(watermark, self.marks.get(run.flow, watermark))
            if swept_to:
                self.sweeps[run.flow] = max(swept_to, self.sweeps.get(run.flow, swept_to))

    def runs(
        self, flow: str, limit: int = 20, pair: str | None = None, states: Collection[str] = ()
    ) -> list[RunSummary]:
        mine = (
            replace(each, warnings=(), write_back=None)
            for each in self.entries
            if each.flow == flow and pair in (None, each.pair) and (not states or each.state in states)
        )
        by_name = sorted(mine, key=lambda each: each.run)
        return sorted(by_name, key=lambda each: each.started_at, reverse=True)[:limit]

    def check(self) -> None:
        return None


class FakeSource:
    """``Source`` over given lines with an ``id`` each; remembers what was selected. Each reading is one call."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = list(lines)
        self.selections: list[Selection] = []
        self.calls = 0

    def read(self, selection: Selection) -> Iterator[Read]:
        self.selections.append(selection)
        if selection.window is not None or selection.full_resync:
            self.calls += 1
            yield from self._pairs()

    def read_ids(self, ids: Sequence[str]) -> Iterator[Read]:
        self.calls += 1
        known = dict(self._pairs())
        for source_id in ids:
            yield source_id, known.get(source_id, Unread(f"no record {source_id}", gone=True))

    def _pairs(self) -> Iterator[Read]:
        for line in self.lines:
            yield str(json.loads(line).get("id", "")), line


@dataclass
class MemoryNotices:
    """``Notices`` in a dict."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    said: dict[tuple[str, str], tuple[datetime, str]] = field(default_factory=dict)

    def is_news(self, flow: str, topic: str, run: str) -> bool:
        at, by = self.said.get((flow, topic), (None, ""))
        if at and by != run and at > self.now() - REMINDER:
            return False
        self.said[flow, topic] = self.now(), run
        return True

    def forget(self, flow: str, topic: str) -> None:
        self.said.pop((flow, topic), None)


class MemorySeenColumns:
    """``SeenColumns`` in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, Presence]] = {}

    def of(self, flow: str) -> dict[str, Presence]:
        return dict(self.kept.get(flow, {}))

    def keep(self, flow: str, columns: Mapping[str, Presence]) -> None:
        self.kept[flow] = columns


class PassingGate:
    """``Gate`` that finds the given in every part, nothing by default."""

    def __init__(self, *rejections: Rejection, batch: Sequence[str] = ()) -> None:
        self.result = GateResult(rejections, tuple(batch), 0)

    def evaluate(self, parts: Sequence[Mapping[str, Path]]) -> Iterator[GateResult]:
        return (self.result for _ in parts)


class Crash(Exception):
    """The worker dies in the middle of a load."""


@dataclass
class FakeSink:
    """``Sink`` over a dict of rows by object and key.

    ``refuse`` maps (object, key) to a reason; a record with such a row is refused whole. ``crash_after`` is
    how many records are answered before the worker dies, None for all.
    """

    rows: dict[tuple[str, str], str] = field(default_factory=dict)
    refuse: dict[tuple[str, str], str] = field(default_factory=dict)
    crash_after: int | None = None
    per_call: int = 2
    calls: int = 0
    log: list[RecordChange] = field(default_factory=list)

    @property
    def looks(self) -> int:
        return 0

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        return -(-len(records) // self.per_call)

    def estimate_write(self, volume: WriteVolume) -> int:
        return -(-volume.records // self.per_call)

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        for start in range(0, len(records), self.per_call):
            if self.crash_after is not None and start >= self.crash_after:
                raise Crash
            self.calls += 1
            yield [each for record in records[start : start + self.per_call] for each in self._write(record)]

    def _write(self, record: RecordChange) -> Iterator[RowResult]:
        self.log.append(record)
        for change in record.changes:
            reason = self.refuse.get((change.object, change.key))
            if reason:
                yield RowResult(
                    record.source_id, change.object, change.key, RowOutcome.REFUSED, reason=reason, field="F",
                    value="v",
                )  # fmt: skip
                return
        for removal in record.removals:
            self.rows.pop((removal.object, removal.key), None)
            yield RowResult(
                record.source_id, removal.object, removal.key, RowOutcome.REMOVED, removal.target_id
            )
        for change in record.changes:
            created = (change.object, change.key) not in self.rows
            self.rows[change.object, change.key] = change.payload
            yield RowResult(
                record.source_id,
                change.object,
                change.key,
                RowOutcome.CREATED if created else RowOutcome.UPDATED,
                f"T-{change.object}-{change.key}",
            )


class LostAnswer(TimedOut):
    """The messages arrived, and the answer to them did not."""


@dataclass
class FakeWriteBack:
    """Records that take messages, two a call; ``answers`` are raised or given instead, call by call."""

    answers: list[Reply | SyncError] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    calls: int = 0

    def groups(self, messages: Sequence[Message]) -> Iterator[Sequence[int]]:
        for start in range(0, len(messages), 2):
            yield range(start, min(start + 2, len(messages)))

    def send(self, messages: Sequence[Message]) -> list[Reply]:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else Reply(IntentState.DONE)
        if isinstance(answer, Reply | LostAnswer):
            self.sent += messages
        if isinstance(answer, SyncError):
            raise answer
        return [answer for _ in messages]

    def find_notes(self, messages: Sequence[Message]) -> list[bool]:
        self.calls += 1
        there = {(each.source_id, each.note) for each in self.sent}
        return [(each.source_id, each.note) in there for each in messages]

    def min_calls(self, messages: int) -> int:
        return -(-messages // 2)

    def notes(self) -> list[tuple[str, str]]:
        return [(each.source_id, each.note) for each in self.sent if each.note]


# the type checker compares each fake with its port here
RESOLVERS: tuple[type[Resolver], ...] = (NothingBound, EverythingBound, MemoryCrosswalk)
STORES: tuple[type[Crosswalk], type[DeadLetters], type[Intents], type[Ledger], type[RecordEvents]] = (
    MemoryCrosswalk, MemoryLetters, MemoryIntents, MemoryLedger, MemoryRecordEvents,
)  # fmt: skip
CONFLICTS: type[Conflicts] = MemoryConflicts
SOURCE: type[Source] = FakeSource
GATE: type[Gate] = PassingGate
SINK: type[Sink] = FakeSink
WRITE_BACK: type[WriteBack] = FakeWriteBack
ESTIMATE: type[EstimatesWrites] = FakeSink
