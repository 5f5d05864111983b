"""Ports of matching: which rows of the target a record may be, and which of them are somebody else's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from airflow_provider_brightpearl.core.changes import RecordChange


class LinkedRows(Protocol):
    """What is known of rows that the target has already; every method raises ``Unavailable`` where it is not."""

    def owners(self, object_name: str, target_ids: Iterable[str]) -> dict[str, str]:
        """The source record that a row of the target is linked to, by the row's id, for those that are."""
        ...

    def rows_of(self, object_name: str, source_ids: Iterable[str]) -> dict[str, str]:
        """The row of the target that a record is linked to, by the record's id, for those that are."""
        ...

    def new_ones(self, object_name: str, keys: Iterable[str]) -> set[str]:
        """Those of the keys of which a person has said that they are none of the target's rows."""
        ...

    def first(self, what: str, source_id: str) -> str:
        """The record that claimed this first in this run, ``source_id`` where none has."""
        ...

    @property
    def unfound(self) -> set[str]:
        """Keys that were looked for in this run and not found, so that no second look is needed."""
        ...


class Claims(Protocol):
    """The records that claimed something first."""

    def setdefault(self, what: str, source_id: str, /) -> str:
        """The record that claimed this first, which is this one where none has."""
        ...


class NothingLinked:
    """A target of which nothing is known but what this run claims."""

    def __init__(self) -> None:
        self._claims: dict[str, str] = {}
        self.unfound: set[str] = set()

    def owners(self, object_name: str, target_ids: Iterable[str]) -> dict[str, str]:
        return {}

    def rows_of(self, object_name: str, source_ids: Iterable[str]) -> dict[str, str]:
        return {}

    def new_ones(self, object_name: str, keys: Iterable[str]) -> set[str]:
        return set()

    def first(self, what: str, source_id: str) -> str:
        return self._claims.setdefault(what, source_id)


@runtime_checkable
class TakesRowsOver(Protocol):
    """A sink that looks for a record among the rows of its target before it creates one.

    ``linked`` says which of them are not free; it is set before the first write.
    """

    linked: LinkedRows


@runtime_checkable
class FollowsMerges(Protocol):
    """A sink that writes to the survivor of a row that was merged away, unless that is another record's row.

    ``owned`` says which are; it is set before the first write.
    """

    owned: LinkedRows


@dataclass(frozen=True, slots=True)
class Match:
    """What a record was found to be: a row of the target by a rule, a new one (no id), or a question for a person.

    ``refused`` says why it cannot be written whatever it is.
    """

    source_id: str
    object: str
    key: str
    target_id: str = ""
    rule: str = ""
    question: str = ""
    refused: str = ""
    candidates: str = ""


@runtime_checkable
class MatchesRows(Protocol):
    """A sink that says which rows of its target it would take over."""

    linked: LinkedRows

    @property
    def looks_for_rows(self) -> bool:
        """Whether rows of the flow's first object are looked for; others are found by their keys."""
        ...

    def match(self, records: Sequence[RecordChange]) -> Iterator[list[Match]]:
        """One answer for the first row of each record, none of them bound; writes and records nothing.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...
