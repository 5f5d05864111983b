"""Stand-ins for the ports of ``core.ports``, in memory, with the same promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports import Binding, RunEntry, Verdict
from airflow_provider_brightpearl.core.records import Rejection
from airflow_provider_brightpearl.core.window import Selection


class NothingBound:
    """A crosswalk without rows."""

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        return {}


class EverythingBound:
    """A crosswalk in which every key is bound, to an id made of it; ``missing`` keys are not."""

    def __init__(self, *missing: str) -> None:
        self.missing = missing

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        return {key: f"{object_name}:{key}" for key in keys if key not in self.missing}


class MemoryBindings:
    """``Bindings`` in a dict."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Binding] = {}

    def of_records(self, flow: str, source_ids: Sequence[str]) -> list[Binding]:
        wanted = set(source_ids)
        return [each for each in self.rows.values() if each.flow == flow and each.source_id in wanted]

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        found = ((key, self.rows.get((flow, object_name, key))) for key in keys)
        return {key: each.target_id for key, each in found if each}

    def bind(self, bindings: Sequence[Binding]) -> None:
        for each in bindings:
            place = (each.flow, each.object, each.key)
            earlier = self.rows.get(place)
            if earlier and earlier.target_id == each.target_id:
                each = replace(each, created_run=earlier.created_run)
            self.rows[place] = each

    def unbind(self, flow: str, object_name: str, keys: Sequence[str]) -> None:
        for key in keys:
            self.rows.pop((flow, object_name, key), None)


@dataclass
class MemoryLetters:
    """``DeadLetters`` in a dict; ``ready`` is what ``due`` gives."""

    ready: list[str] = field(default_factory=list)
    kept: dict[str, tuple[Rejection, bytes]] = field(default_factory=dict)
    resolved: list[str] = field(default_factory=list)

    def keep(
        self, flow: str, run: str, mapping_version: str, letters: Sequence[tuple[Rejection, bytes]]
    ) -> None:
        for rejection, payload in letters:
            self.kept[rejection.source_id] = rejection, payload

    def resolve(self, flow: str, run: str, source_ids: Sequence[str]) -> int:
        self.resolved += source_ids
        return sum(1 for source_id in source_ids if self.kept.pop(source_id, None))

    def due(self, flow: str, mapping_version: str, limit: int) -> list[str]:
        return self.ready[:limit]


@dataclass
class MemoryLedger:
    """``Ledger`` in a list."""

    marks: dict[str, datetime] = field(default_factory=dict)
    entries: list[RunEntry] = field(default_factory=list)

    def watermark(self, flow: str) -> datetime | None:
        return self.marks.get(flow)

    def record(self, entry: RunEntry, watermark: datetime | None = None) -> None:
        self.entries.append(entry)
        if watermark and watermark > self.marks.get(
            entry.flow, datetime.min.replace(tzinfo=watermark.tzinfo)
        ):
            self.marks[entry.flow] = watermark

    def check(self) -> None:
        return None


class FakeSource:
    """``Source`` over given lines; remembers what was selected."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = list(lines)
        self.selections: list[Selection] = []
        self.calls = self.fewest_calls = 1

    def read(self, selection: Selection) -> Iterator[bytes]:
        self.selections.append(selection)
        yield from self.lines


class PassingGate:
    """``Gate`` that finds what it is told to: nothing, unless told otherwise."""

    def __init__(self, *rejections: Rejection, batch: Sequence[str] = ()) -> None:
        self.verdict = Verdict(rejections, tuple(batch), 0)

    def judge(self, parts: Sequence[Mapping[str, Path]]) -> Verdict:
        return self.verdict


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

    def fewest_calls(self, records: Sequence[RecordChange]) -> int:
        return -(-len(records) // self.per_call)

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
                    record.source_id, change.object, change.key, error=reason, field="F", value="v"
                )
                return
        for removal in record.removals:
            self.rows.pop((removal.object, removal.key), None)
            yield RowResult(record.source_id, removal.object, removal.key, removal.target_id, removed=True)
        for change in record.changes:
            created = (change.object, change.key) not in self.rows
            self.rows[change.object, change.key] = change.payload
            yield RowResult(
                record.source_id,
                change.object,
                change.key,
                f"T-{change.object}-{change.key}",
                created=created,
            )
