"""Reads what a run selects and stages the raw records in parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice

from airflow_provider_brightpearl.core.ports.source import (
    AnnouncesTotal,
    NarrowsByFilters,
    Read,
    ReadsInBatches,
    Source,
    Unread,
)
from airflow_provider_brightpearl.core.ports.stores import DeadLetters, Staging
from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.core.raw import kept_id, unusable, unusable_id
from airflow_provider_brightpearl.core.readings import ReadTimes
from airflow_provider_brightpearl.core.records import PartRef, RawPart, Rejection, Stage
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.rejections import RejectionSpool

UNREAD = "rejected/extract.jsonl"

# dead letters read again in one run; the rest follows in the next one
DUE_LIMIT = 10_000
# so many unreadable records in a row raise the question whether any can be read
_ENOUGH = 1_000


def with_due(
    flow: FlowSpec, selection: Selection, letters: DeadLetters, version: str, others: Sequence[str] = ()
) -> Selection:
    """The selection with ids whose reason for rejection may no longer hold, if the run moves the watermark.

    These are parked records whose parent has arrived, and rejected ones whose mapping has changed since. ``others``
    are read for other reasons.
    """
    if not selection.moves_watermark:
        return selection
    due = letters.due(flow.flow, version, DUE_LIMIT)
    return replace(selection, ids=tuple(dict.fromkeys([*due, *others])))


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was staged: parts, and the rejections of what could not be read, None where all could.

    ``lost`` of those were found, the others were named. ``filtered`` are ids of dead letters whose records the filters
    of the flow file leave out by now.
    """

    parts: tuple[RawPart, ...]
    unread: PartRef | None = None
    lost: int = 0
    filtered: tuple[str, ...] = ()


def extract_parts(
    flow: FlowSpec, selection: Selection, source: Source, staging: Staging, now: Callable[[], datetime]
) -> Extracted:
    """Stages the records of a selection, ``part_size`` per part, and when each was asked for; no part if none is new.

    Args:
        flow: the flow.
        selection: what is read.
        source: from which it is read.
        staging: the run's files.
        now: the clock, aware.

    Raises:
        Unavailable: the source finds records and returns none of them.
    """
    before = source.calls
    progress = current()
    progress.begin(
        "read", flow.stream.replace("_", " "), lambda: _announced(source), lambda: source.calls - before
    )
    with RejectionSpool() as unread:
        reading = _Reading(flow, selection, source, unread, now, asked=now())
        records = chain(constants(flow, selection), reading.records())
        parts: list[RawPart] = []
        while first := next(records, None):
            lines, times = chain([first], islice(records, flow.part_size - 1)), ReadTimes()
            name = f"raw/{len(parts):05}"
            part = staging.write_lines(f"{name}.jsonl", times.timed(lines, lambda: reading.asked))
            read = staging.write_json(f"{name}.times.json", times.as_plain())
            due = reading.due - sum(each.due for each in parts)
            parts.append(RawPart(part.path, part.records, part.digest, read, due))
        reading.check()
        staged = unread.stage(staging, UNREAD) if reading.reason else None
        return Extracted(tuple(parts), staged, reading.lost, tuple(reading.filtered))


@dataclass(slots=True)
class _Reading:
    """The records of a selection, each once, and those that could not be read; ``reason`` is that of the last one.

    ``asked`` is an instant before the first request whose answer is part of the record that came last. ``due`` counts
    the records read for the sake of their dead letters alone; they come last.
    """

    flow: FlowSpec
    selection: Selection
    source: Source
    unread: RejectionSpool
    now: Callable[[], datetime]
    asked: datetime
    reason: str = ""
    filtered: list[str] = field(default_factory=list)
    found: int = 0
    lost: int = 0
    due: int = 0
    searched: bool = False

    def records(self) -> Iterator[bytes]:
        """Those of the window, then the named ones not among them."""
        named = frozenset(self.selection.ids)
        left, progress = dict.fromkeys(self.selection.ids), current()
        outside = self._outside(self.selection.ids)
        for source_id, record in self._read(left):
            progress.advance()
            exists = not isinstance(record, Unread) or record.foreign
            if source_id in outside and exists:
                self.filtered.append(source_id)
            else:
                yield from self._usable(source_id, record, named)

    def _read(self, left: dict[str, None]) -> Iterator[Read]:
        for source_id, record in self._dated(self.source.read(self.selection)):
            left.pop(source_id, None)
            yield source_id, record
        self.searched = True
        if left:
            yield from self._dated(self.source.read_ids(tuple(left)))

    def _dated(self, found: Iterator[Read]) -> Iterator[Read]:
        """What a source yields, after ``asked`` is set: an answer may lie for long before it is yielded."""
        source = self.source if isinstance(self.source, ReadsInBatches) else None
        begun, before = source.batches if source else 0, self.now()
        for each in found:
            if source and source.batches != begun:
                begun, self.asked = source.batches, before
            yield each
            before = self.now()

    def _outside(self, ids: Sequence[str]) -> set[str]:
        """Ids of dead letters that the flow's filters leave out, though reading by id does not."""
        letters = ids if self.selection.moves_watermark and self.flow.filters else ()
        if not letters or not isinstance(self.source, NarrowsByFilters):
            return set()
        return set(letters) - self.source.matching(letters)

    def _usable(self, source_id: str, record: bytes | Unread, named: frozenset[str]) -> Iterator[bytes]:
        problem = "" if isinstance(record, Unread) else unusable_id(source_id) or unusable(record)
        if isinstance(record, bytes) and not problem:
            self.found += source_id not in named
            self.due += self.searched and self.selection.moves_watermark
            yield record
            return
        raw, self.reason = (record.raw, record.reason) if isinstance(record, Unread) else (record, problem)
        missing = isinstance(record, Unread) and not record.foreign
        gone = isinstance(record, Unread) and record.gone
        rejection = Rejection(kept_id(source_id), Stage.EXTRACT, self.reason, missing=missing, gone=gone)
        self.unread.add((rejection, raw))
        self.lost += source_id not in named
        if self.lost >= _ENOUGH:
            self.check()

    def check(self) -> None:
        """Raises ``Unavailable`` if many records were found and none could be read: the source must be at fault."""
        if self.lost >= max(1, self.flow.gate.min_records) and not self.found:
            raise Unavailable(
                f"{self.lost} {self.flow.stream.replace('_', ' ')} were found and none of them could be read, "
                f"so nothing is settled: {self.reason}",
                system=self.flow.source_system,
                operation=self.flow.source,
            )


def _announced(source: Source) -> int | None:
    return source.announced if isinstance(source, AnnouncesTotal) else None


def constants(flow: FlowSpec, selection: Selection) -> Iterator[bytes]:
    """The records that the flow file itself holds, added when everything is read."""
    from_the_start = selection.window is not None and selection.window.start is None
    if from_the_start or selection.full_resync:
        yield from (json.dumps(record, ensure_ascii=False).encode() for record in flow.constants)
