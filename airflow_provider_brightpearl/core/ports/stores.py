"""Ports of the stores that outlive a task: crosswalk, intents, letters, events, ledger, and the files of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import msgspec

from airflow_provider_brightpearl.core.conflicts import FieldConflict
from airflow_provider_brightpearl.core.events import RecordEvent
from airflow_provider_brightpearl.core.merge import Fields
from airflow_provider_brightpearl.core.records import Counts, PartRef, Rejection
from airflow_provider_brightpearl.core.reports import RunSummary, StateMark

# what a binding says of where it comes from, and the beginning of its run, where a person has answered
PERSON = "person"


class Binding(msgspec.Struct, frozen=True, gc=False):
    """A crosswalk row: this key of this flow's object is that row of the target, last written with this fingerprint.

    ``source_version`` and ``read_at`` are those of the newest reading of its record (``core.readings``). ``revision``
    counts the writes of the row, as it was read; 0 is a row that is not there yet.
    """

    flow: str
    object: str
    key: str
    source_id: str
    target_id: str
    fingerprint: str
    created_run: str
    written_run: str
    source_version: str = ""
    read_at: datetime | None = None
    revision: int = 0

    @property
    def answered(self) -> bool:
        """Whether a person has said so, and the flow has not written the row since."""
        return self.written_run.startswith(PERSON) and not self.fingerprint

    @property
    def only_linked(self) -> bool:
        """Whether a flow of the other direction has linked this row, and its own flow has never written it."""
        return not self.fingerprint and not self.source_version and self.read_at is None

    @property
    def to_rewrite(self) -> bool:
        """Whether a repair has asked for this row to be written whole, whatever the source has changed since."""
        return not self.fingerprint and not self.source_version and self.read_at is not None


def swapped(pair: str) -> str:
    """The pair of instances of the flows of the other direction: ``b>a`` for ``a>b``."""
    source, arrow, target = pair.partition(">")
    return f"{target}{arrow}{source}"


# the fingerprint of the first row of a record whose counterpart was deleted, and that is left alone since
DETACHED = "detached"
# that of a row which the target has merged into another: its key goes to the survivor
MERGED = "merged"
# that of a row whose record the flow of the other direction has changed since it was read
OUTDATED = "outdated"


class Resolver(Protocol):
    """Target ids of keys that are bound, and keys that flows of the other direction have bound to target ids."""

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        """Target id by key, for the keys that are bound.

        Raises:
            Unavailable: the state database does not answer.
        """
        ...

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        """The keys, sorted, that a flow of the other direction has bound to each of these rows of its target.

        Rows to which none is bound are left out. Raises as ``resolve`` does.
        """
        ...


class Crosswalk(Resolver, Protocol):
    """The crosswalk of source keys and target ids. Every method raises ``Unavailable`` where it does not answer."""

    def of_records(self, flow: str, source_ids: Sequence[str]) -> list[Binding]:
        """All rows bound for these source records, of every object, by object and key."""
        ...

    def roots(self, flow: str, object_name: str) -> Iterator[Binding]:
        """All bound rows of an object, in the order of their keys as this store sorts text."""
        ...

    def source_ids(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        """Source record by key, for the keys that are bound."""
        ...

    def of_targets(self, object_name: str, target_ids: Iterable[str]) -> list[Binding]:
        """All rows bound to these rows of the target, of every flow, by flow and key."""
        ...

    def bind(self, bindings: Sequence[Binding]) -> list[Binding]:
        """Writes those of these rows that are still as they were read, by their ``revision``, and raises it by one.

        The others were written by another run since. Of both writes the one from the newer reading stays, without its
        fingerprint: nobody knows which of them the target has, so the next reading writes the row again. A row that
        was bound to another record stays that record's.

        Returns:
            The rows that another run has written, as they stand now.
        """
        ...

    def unbind(self, bindings: Sequence[Binding]) -> list[Binding]:
        """Removes those of these rows that are still as they were read; unknown ones are ignored.

        Returns:
            The rows that another run has written since; they lose their fingerprint, and stay.
        """
        ...


class Bases(Protocol):
    """The values that both sides of two-way flows last agreed on; raises ``Unavailable`` where it does not answer."""

    def of(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, Fields]:
        """The base of each of these keys that has one: values by field, numbers as text or numbers."""
        ...

    def agree(
        self,
        flow: str,
        origin: str,
        bases: Mapping[tuple[str, str], Fields],
        seen: Mapping[tuple[str, str], Fields] | None = None,
    ) -> None:
        """Keeps these fields of the bases of these objects and keys of a flow, and by which flow they came to be.

        Other fields stay as they are. Bases of rows that are not bound any more are left out.

        Args:
            flow: the linking flow.
            origin: the flow that runs.
            bases: the fields that were agreed on now, by object and key.
            seen: the bases from which they follow. A field that another run has agreed on since stays as that one
                left it; of rows that are not named, all fields count.
        """
        ...


class Conflicts(Protocol):
    """The conflicts of two-way flows; every method raises ``Unavailable`` where the state database does not answer."""

    def record(self, conflicts: Sequence[FieldConflict]) -> None:
        """Adds conflicts; those of a stage that is repeated by the same run are there once.

        One that is open already stays as it was found, with the values that both sides hold now.
        """
        ...

    def close(self, flow: str, agreed: Collection[tuple[str, str, str]], at: datetime) -> int:
        """Closes the open conflicts of these objects, keys and fields of a flow; returns how many there were."""
        ...

    def listed(self, flow: str = "", *, open_only: bool = False) -> list[FieldConflict]:
        """The conflicts of a linking flow or of all, open ones first, then the newest first."""
        ...


class IntentState(StrEnum):
    """The state of a write whose repetition its target cannot recognise; a due one is still to be sent."""

    DUE = "due"
    IN_DOUBT = "in doubt"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that is recorded before it is sent; in doubt until its answer is recorded too.

    ``key`` is the row's key as in the crosswalk, ``digest`` that of what is written. A write of several calls
    records the ``step`` it is about to take and the target's ``reference`` to what it has begun (a temporary order
    number); a write-back keeps there what is written back.
    ``attempt`` counts what was recorded so far, from 1; ``changed_at`` is aware.
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
    """Writes without an idempotency key: recorded, called, confirmed.

    An answer to an intent that has been recorded again since it was read is ignored.
    """

    def of(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, Intent]:
        """What is known of these keys."""
        ...

    def start(self, flow: str) -> None:
        """Records that the state of a flow begins now, with its first run; does nothing if it has begun."""
        ...

    def began(self, flow: str) -> datetime | None:
        """When the state of a flow began or was restored, None before its first run.

        What the flow has written since is known here; what it wrote earlier may not be.
        """
        ...

    def restored(self) -> datetime | None:
        """When a backup of the state was last taken into use, None where none ever was.

        What any flow wrote between the backup and then is not known here.
        """
        ...

    def begin(self, intents: Sequence[Intent]) -> list[Intent]:
        """Records intents as in doubt, all or none, before their call.

        Returns:
            The intents as they stand now.

        Raises:
            Unavailable: another worker has recorded one of them since it was read.
        """
        ...

    def confirm(self, intents: Sequence[Intent]) -> None:
        """Records that these happened; each holds the ``target_id`` it got."""
        ...

    def fail(self, intents: Sequence[Intent]) -> None:
        """Records that these were refused and did not happen; each may hold a ``reason``."""
        ...

    def plan(self, intents: Sequence[Intent]) -> None:
        """Records that these are due: still, or once more, to be sent; each may hold a ``reason``."""
        ...

    def unsettled(self, flow: str, objects: Iterable[str], records: int | None = None) -> list[Intent]:
        """Those of these objects that are due or in doubt, by key and object.

        With ``records``, those of so many keys: the ones whose oldest intent has not changed for longest.
        """
        ...

    def waiting(self, flow: str, objects: Iterable[str]) -> int:
        """How many keys of these objects have an intent that is due or in doubt."""
        ...

    def made(self, flow: str, object_name: str, target_ids: Iterable[str]) -> set[str]:
        """Those of these ids that writes of a flow have got from its target."""
        ...


@dataclass(frozen=True, slots=True)
class MatchAnswer:
    """A person's answer: this record is that row of the target, or with an empty ``target_id`` none that is there.

    ``object`` and ``key`` are those of its first row, ``author`` the person.
    """

    flow: str
    object: str
    key: str
    source_id: str
    target_id: str
    author: str


class MatchAnswers(Protocol):
    """What people have answered to letters for review; raises ``Unavailable`` where it does not answer."""

    def new_ones(self, flow: str, object_name: str, keys: Iterable[str]) -> set[str]:
        """Those of the keys of which a person has said that they are none of the target's rows."""
        ...

    def keep(self, answer: MatchAnswer) -> bool:
        """Keeps an answer, binds the row if it names one, and has the next run take the record up, all or nothing.

        Returns:
            Whether it was kept: a key that is bound already needs no answer.
        """
        ...


class DeadLetters(Protocol):
    """Records that did not go through, kept with payload and reason until they do."""

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
        """Opens or refreshes one letter per record; of several rejections a refusal takes precedence over a wait.

        A record that another run has read since is tried again, as either reading may be the newer one.

        Args:
            flow: the flow.
            run: the run that rejected or parked them.
            mapping_version: of the mapping that it used.
            letters: each rejection with the raw record, read once and not held in memory.
            read_since: when the run began to read them (aware).
            judged: whether the gate had records enough to judge, let the run through, and the watermark moves, so that
                ``judged`` knows them.

        Returns:
            The records whose letters are closed, since the source has not had them for long.
        """
        ...

    def judged(self, flow: str, digests: Mapping[str, str]) -> set[str]:
        """Those of these records, by id with their ``judged_digest``, whose letters a settled run kept as they are."""
        ...

    def resolve(
        self, flow: str, run: str, source_ids: Sequence[str], read_since: datetime | None = None
    ) -> int:
        """Closes the letters of records that went through; returns how many there were.

        A letter that another run has kept since they were read stays, and its record is tried again.

        Args:
            flow: the flow.
            run: the attempt of a run in which they did.
            source_ids: the records.
            read_since: when the run began to read them (aware).
        """
        ...

    def due(self, flow: str, mapping_version: str, limit: int) -> list[str]:
        """Ids to read again, the least recently tried first; no kind of them takes all places.

        They are parked ones whose parent is bound now, rejected ones whose mapping has changed, and at growing distance
        those that are missing or were refused for a passing reason.
        """
        ...

    def waiting(self, flow: str, source_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are rejected, parked or missing."""
        ...


class RecordEvents(Protocol):
    """The history of each record; every method raises ``Unavailable`` where it does not answer."""

    def record(self, flow: str, events: Iterable[RecordEvent]) -> None:
        """Adds events; those of a stage that is repeated by the same run are there once, as they were first."""
        ...

    def of_record(self, flow: str, source_id: str) -> list[RecordEvent]:
        """What happened to a record, oldest first."""
        ...

    def wrote_since(self, flow: str, since: datetime) -> bool:
        """Whether a record was created or updated after an instant, by any run."""
        ...

    def written(self, flow: str, run: str) -> Counts:
        """How many records an attempt of a run has created and updated so far."""
        ...


class Ledger(Protocol):
    """What each run did, and how far each flow has read."""

    def watermark(self, flow: str, pair: str = "") -> datetime | None:
        """The instant up to which a flow has read everything for a pair of instances, None before its first run."""
        ...

    def swept_to(self, flow: str, pair: str = "") -> datetime | None:
        """The instant, by our clock, before which no sweep of a flow is due for a pair; None where it is not known."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Makes one transaction of all that this thread writes within, to any store of the same state."""
        ...

    def record(
        self, run: RunSummary, watermark: datetime | None = None, swept_to: datetime | None = None
    ) -> None:
        """Writes a run's row, again if it exists, and moves watermark and sweep forward in the same transaction."""
        ...

    def runs(
        self, flow: str, limit: int = 20, pair: str | None = None, states: Collection[str] = ()
    ) -> list[RunSummary]:
        """The latest runs of a flow, newest first: of one pair and of some states where they are given.

        Without ``warnings`` and ``write_back``: what they say is in ``note`` and ``calls``.
        """
        ...

    def mark(self) -> StateMark:
        """Which state database this is: another one, or one that was emptied, has another name.

        Its writes are those that ``advance`` has counted.
        """
        ...

    def advance(self) -> None:
        """Counts one more write: before and after a part is loaded or notes are written back, and as a run settles."""
        ...

    def check(self) -> None:
        """Proves that the state database can be written; called before a remote write.

        Raises:
            Unavailable: it cannot.
        """
        ...


class Staging(Protocol):
    """The files of one run: raw parts, mapped parts and rejections, below one folder."""

    def write_lines(self, name: str, lines: Iterable[bytes]) -> PartRef:
        """Writes one file of newline-ended records, whole or not at all; an earlier try's file is replaced."""
        ...

    def read_lines(self, ref: PartRef) -> Iterator[bytes]:
        """The records of a part, without their line ends.

        Raises:
            RunChanged: the file does not exist, or is not the one that the reference was made from.
        """
        ...

    def local(self, ref: PartRef) -> AbstractContextManager[Path]:
        """A local path of a part, a copy where staging is remote; raises as ``read_lines`` does."""
        ...

    def create(self, name: str) -> AbstractContextManager[Path]:
        """A local path to write a file to; it becomes part ``name`` when the block ends well."""
        ...

    def ref(self, name: str, records: int) -> PartRef:
        """The reference of a file just created."""
        ...

    def write_json(self, name: str, value: Any) -> PartRef:
        """Writes one JSON document, whole or not at all; the reference counts it as one record."""
        ...

    def read_json(self, ref: PartRef) -> Any:
        """The document that ``write_json`` wrote; raises as ``read_lines`` does."""
        ...
