"""What a source is told about its records once they are in the target, and the port that tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from airflow_provider_brightpearl.core.ports import IntentState


class Kind(StrEnum):
    """How a record is told: by fields, which may be set twice, or by a note, which would be there twice."""

    FIELDS = "fields"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell one record of the source: ``fields`` to set, or a ``note`` to add."""

    source_id: str
    fields: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a message: done, due (not done, worth another try), refused for good, or in doubt.

    ``stops`` where no other message would pass either, before a person has done something.
    """

    state: IntentState
    reason: str = ""
    stops: bool = False


class WriteBack(Protocol):
    """Tells records of one stream of a source."""

    def groups(self, messages: Sequence[Message]) -> Iterator[Sequence[int]]:
        """Places of the messages that go into one call each, in order."""
        ...

    def send(self, messages: Sequence[Message]) -> list[Reply]:
        """One call with the messages of a group; replies in their order.

        Raises:
            TimedOut: whether the messages arrived is not known.
            SyncError: none of them did.
        """
        ...

    def noted(self, messages: Sequence[Message]) -> list[bool]:
        """Whether each of these notes is at its record already."""
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...

    def fewest_calls(self, messages: int) -> int:
        """The fewest API calls that carry this many messages."""
        ...
