"""What the stages need from the outside, as small protocols; endpoints, stores and gates implement them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.records import Calls, Counts, Money, PartRef, Rejection
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.core.work import Found, Outlook, Work


class Source(Protocol):
    """One stream of a system that can be read incrementally."""

    def read(self, selection: Selection) -> Iterator[bytes]:
        """Raw records, one JSON object without line breaks each, every id once, as pages come in."""
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...

    @property
    def fewest_calls(self) -> int:
        """The fewest API calls in which what was read so far can be read."""
        ...

    def find(self, selection: Selection) -> Found:
        """How many rows the searches of a selection have, asked for in one small call each."""
        ...

    def found(self, selection: Selection) -> Found:
        """How many rows the searches had in what was read so far."""
        ...

    def foresee(self, found: Found) -> Outlook:
        """What reading takes where the searches find this; asks nothing."""
        ...


class Sink(Protocol):
    """The objects of one target system that a flow writes."""

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Writes the records; yields results as each call is answered, so that they can be bound at once."""
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...

    def fewest_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest API calls in which these records can be written."""
        ...

    def calls_for(self, work: Work) -> int:
        """The same for work that is known in numbers only; asks nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Binding:
    """A crosswalk row: this key of this flow's object is that row of the target, last written with this fingerprint."""

    flow: str
    object: str
    key: str
    source_id: str
    target_id: str
    fingerprint: str
    created_run: str
    written_run: str


class Bindings(Protocol):
    """The crosswalk of source keys and target ids."""

    def of_records(self, flow: str, source_ids: Sequence[str]) -> list[Binding]: ...

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        """Target id by key, for the keys that are bound."""
        ...

    def bind(self, bindings: Sequence[Binding]) -> None: ...

    def unbind(self, flow: str, object_name: str, keys: Sequence[str]) -> None: ...


class IntentState(StrEnum):
    """What is known of a write that its target cannot recognise when it is sent twice; a due one is still to come."""

    DUE = "due"
    IN_DOUBT = "in doubt"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that was written down before it was sent; in doubt until its answer is written down too.

    ``key`` is the row's key as in the crosswalk, ``digest`` that of what is written. A write of several calls
    notes the ``step`` it is about to take and the target's ``reference`` to what it has begun (a temporary order
    number); a write-back keeps there what is to be written.
    ``attempt`` counts what was written down so far, from 1, ``changed_at`` is aware.
    """

    flow: str
    object: str
    key: str
    digest: str
    run: str
    state: IntentState = IntentState.IN_DOUBT
    step: str = ""
    reference: str = ""
    target_id: str = ""
    reason: str = ""
    attempt: int = 0
    changed_at: datetime | None = None


class Intents(Protocol):
    """Writes without an idempotency key: written down, called, confirmed."""

    def of(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, Intent]:
        """What is known of these keys."""
        ...

    def begin(self, intents: Sequence[Intent]) -> list[Intent]:
        """Writes intents down as in doubt, all or none, before their call; gives them as they stand now.

        Raises:
            Unavailable: another worker has written one of them down since it was read.
        """
        ...

    def confirm(self, intents: Sequence[Intent]) -> None:
        """Notes that these happened; each holds the ``target_id`` it got."""
        ...

    def fail(self, intents: Sequence[Intent]) -> None:
        """Notes that these were refused and did not happen; each may hold a ``reason``."""
        ...

    def plan(self, intents: Sequence[Intent]) -> None:
        """Notes that these are due: still, or once more, to be sent; each may hold a ``reason``."""
        ...

    def unsettled(self, flow: str, objects: Iterable[str]) -> list[Intent]:
        """Those of these objects that are due or in doubt, by key."""
        ...


class DeadLetters(Protocol):
    """Records that did not go through, kept with payload and reason until they do."""

    def keep(
        self, flow: str, run: str, mapping_version: str, letters: Sequence[tuple[Rejection, bytes]]
    ) -> None:
        """Opens or refreshes one letter per record; the payload is the raw record."""
        ...

    def resolve(self, flow: str, run: str, source_ids: Sequence[str]) -> int:
        """Closes the open letters of records that went through; says how many there were."""
        ...

    def due(self, flow: str, mapping_version: str, limit: int) -> list[str]:
        """Ids to read again: parked ones whose parent is bound now, and rejected ones since the mapping changed."""
        ...


@dataclass(frozen=True, slots=True)
class RunEntry:
    """The ledger's row of one run."""

    run: str
    flow: str
    kind: str
    state: str
    window: Window | None
    mapping_version: str
    counts: Counts
    calls: Calls
    money: Mapping[str, Money]
    started_at: datetime
    ended_at: datetime | None = None
    reasons: tuple[tuple[str, int], ...] = ()
    note: str = ""


class Ledger(Protocol):
    """What each run did, and how far each flow has read."""

    def watermark(self, flow: str) -> datetime | None: ...

    def record(self, entry: RunEntry, watermark: datetime | None = None) -> None:
        """Writes the run's row (again, if it is there) and moves the watermark forward in the same transaction."""
        ...

    def check(self) -> None:
        """Raises ``Unavailable`` where the state database cannot be written; asked before a remote write."""
        ...


class Staging(Protocol):
    """The files of one run: raw parts, mapped parts and rejections, below one folder."""

    def write_lines(self, name: str, lines: Iterable[bytes]) -> PartRef:
        """Writes one file of newline-ended records, whole or not at all; an earlier try's file is replaced."""
        ...

    def read_lines(self, ref: PartRef) -> Iterator[bytes]: ...

    def local(self, ref: PartRef) -> AbstractContextManager[Path]:
        """A local path of a part, a copy where staging is remote; checks the digest."""
        ...

    def create(self, name: str) -> AbstractContextManager[Path]:
        """A local path to write a file to; it becomes part ``name`` when the block ends well."""
        ...

    def ref(self, name: str, records: int) -> PartRef:
        """The reference of a file just created."""
        ...

    def write_json(self, name: str, value: Any) -> None: ...

    def read_json(self, name: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found: rejections of single records, failures of whole batches, and a page to read."""

    rejections: tuple[Rejection, ...]
    batch_failures: tuple[str, ...]
    evaluated: int


class Gate(Protocol):
    """The expectations of a flow, judged over mapped parts."""

    def judge(self, parts: Sequence[Mapping[str, Path]]) -> Verdict:
        """Judges the mapped parts (object name to local Parquet file each); nothing is changed."""
        ...
