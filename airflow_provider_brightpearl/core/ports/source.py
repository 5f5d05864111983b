"""Ports of a system that is read: its streams, the records it has, and what is written back to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.core.window import Selection, Window


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a record that was found or named could not be read, as a sentence; ``raw`` is what was received.

    ``gone`` says that the source answered and has no such record, so that it may have been deleted; ``foreign`` that it
    has the record and this stream does not hold it, so that no later run can read it.
    """

    reason: str
    raw: bytes = b""
    gone: bool = False
    foreign: bool = False


Read = tuple[str, bytes | Unread]
"""A source id with its raw record (one JSON object without line breaks), or with the reason why there is none."""


class Source(Protocol):
    """One stream of a system."""

    def read(self, selection: Selection) -> Iterator[Read]:
        """Reads what a window holds, or all there is.

        Args:
            selection: its window, or ``full_resync``; its ids are for ``read_ids``.

        Returns:
            Every id that was found, once, as pages come in; an ``Unread`` for one that could not be read.

        Raises:
            SyncError: the system does not answer as it should; see ``errors`` for what to do.
        """
        ...

    def read_ids(self, ids: Sequence[str]) -> Iterator[Read]:
        """Reads named records.

        Args:
            ids: source ids, not repeated; text that is not an id of this stream is not found.

        Returns:
            Every id once, in any order; an ``Unread`` for one that the source does not have or cannot return.

        Raises:
            SyncError: as for ``read``.
        """
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...


@runtime_checkable
class KnowsItsIds(Protocol):
    """A source that knows the form of its stream's ids."""

    def check_ids(self, ids: Sequence[str]) -> None:
        """Raises ``Misconfigured`` for text that is not an id of this stream; names it, and shows the form of ids."""
        ...


@runtime_checkable
class NarrowsByFilters(Protocol):
    """A source whose search is narrowed by the filters of the flow file, which reading by id passes by."""

    def matching(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the search finds with the filters of the flow file.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...


@runtime_checkable
class ReadsInBatches(Protocol):
    """A source that asks for some records at a time; of any other one, each is as old as the first request for any."""

    @property
    def batches(self) -> int:
        """Batches begun so far; what the record yielded last was made of was asked for since the last one began."""
        ...


@runtime_checkable
class AnnouncesTotal(Protocol):
    """A source that knows how many records it will read before it has read them."""

    @property
    def announced(self) -> int | None:
        """Records that the searches so far have announced, read or not; None where nothing is known."""
        ...


@runtime_checkable
class WarnsOfStream(Protocol):
    """A source that notices what no record shows, such as a number that is missing in a series."""

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences about what was read so far, for people."""
        ...


@dataclass(frozen=True, slots=True)
class ListedRecord:
    """A record that its source lists; ``changed`` is aware, that of its creation where it was never changed.

    ``record`` is the raw record where the list holds all of it.
    """

    source_id: str
    changed: datetime | None = None
    record: bytes = b""


class SourceInventory(Protocol):
    """The records that one stream of a source has."""

    @property
    def lists_all_ids(self) -> bool:
        """Whether listing all ids costs as little as listing a few, so that deletions are looked for among all."""
        ...

    def created(self, period: Window) -> Iterator[ListedRecord]:
        """The records created in a period, as a flow would read them.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    def records(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Raw records by id, without what the stream joins to them; missing ones are left out.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    def deleted_ids(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that the source no longer has; the ids may be very many, and are read once.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to write back to one record of the source: ``fields`` to set, or a ``note`` to add."""

    source_id: str
    fields: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of a message: done, due (not done, worth another try), refused for good, or in doubt.

    ``stops`` if every other message would fail too until a person acts.
    """

    state: IntentState
    reason: str = ""
    stops: bool = False


class WriteBack(Protocol):
    """Writes back to the records of one stream of a source."""

    def groups(self, messages: Sequence[Message]) -> Iterator[Sequence[int]]:
        """Places of the messages that go into one call each, in order."""
        ...

    def send(self, messages: Sequence[Message]) -> list[Reply]:
        """Sends the messages of a group in one call.

        Returns:
            One reply a message, in their order.

        Raises:
            TimedOut: whether the messages arrived is not known.
            SyncError: none of them did.
        """
        ...

    def find_notes(self, messages: Sequence[Message]) -> list[bool]:
        """Whether each of these notes exists on its record.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...

    def min_calls(self, messages: int) -> int:
        """The fewest API calls that carry this many messages."""
        ...
