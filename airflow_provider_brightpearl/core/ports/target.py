"""Ports of a system that is written: the objects of a flow, and its existing rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.sides import Span
from airflow_provider_brightpearl.core.ports.stores import Binding


class Sink(Protocol):
    """The objects of one target system that a flow writes."""

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Writes the changes of records.

        Args:
            records: each with its rows, parents before their rows.

        Returns:
            One result for every row that was sent, as each call is answered, so that rows can be bound at once.
            A row that the target refuses is a result with a reason, not an error.

        Raises:
            TimedOut: whether the rows without a result were written is not known.
            SyncError: the system does not answer as it should; rows without a result were not written.
        """
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...


@runtime_checkable
class ShowsRows(Protocol):
    """A sink whose system has pages for people."""

    @property
    def page(self) -> str:
        """Address of what was written last: a job, or else a row; empty before that."""
        ...


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row that is not bound yet: its record, object and key, and the id that it is going to have."""

    source_id: str
    object: str
    key: str
    target_id: str


@runtime_checkable
class KnowsIds(Protocol):
    """A sink whose ids follow from the rows, so that two records of one row are noticed before one undoes the other."""

    def new_rows(self, records: Sequence[RecordChange]) -> Iterator[NewRow]:
        """The rows of these records that are not bound, as far as their ids are known before they are written."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """What a system holds of a row: the requested fields, and when and by whom it was changed last.

    ``changed_at`` is aware, None where that is not known, as ``changed_by`` is empty.
    """

    target_id: str
    fields: Mapping[str, Any]
    changed_at: datetime | None = None
    changed_by: str = ""


@runtime_checkable
class HoldsRows(Protocol):
    """A target that shows its rows by their ids, for flows whose target is edited too."""

    def held(self, object_name: str, target_ids: Sequence[str], fields: Sequence[str]) -> Iterator[Held]:
        """Those of the rows of an object that exist.

        Args:
            object_name: as in the flow file.
            target_ids: the target's own ids.
            fields: names of fields wanted with each row.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...


@runtime_checkable
class FindsRows(Protocol):
    """A sink that finds rows by their keys and writes nothing, so that a lost crosswalk can be filled again."""

    def finds(self, object_name: str) -> bool:
        """Whether rows of an object of the flow can be looked up."""
        ...

    def find(self, records: Sequence[RecordChange], *, dry_run: bool = False) -> Iterator[list[RowResult]]:
        """Looks rows up that are not bound.

        Args:
            records: each with its rows that are not bound.
            dry_run: record nothing, not even in the state database.

        Returns:
            A result as of an update for each row that the target has, ``unfinished`` where the next run is to write it
            again, and refused where it is there but not as the flow would write it.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A row that its target has, by the value of its external id and by its own id.

    ``fields`` holds the requested fields, as exact numbers and text. ``retired`` rows were soft-deleted with their
    source record.
    """

    key: str
    target_id: str
    fields: Mapping[str, Decimal | str | None] = field(default_factory=dict)
    retired: bool = False


@runtime_checkable
class AdaptsValues(Protocol):
    """A target that keeps some values in another form than a flow gives them."""

    def as_written(self, object_name: str, payload: str) -> str:
        """The JSON fields of a row of an object of the flow, with the values that the target is sent."""
        ...


@runtime_checkable
class FollowsMerges(Protocol):
    """A target whose rows people merge."""

    def merged(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of these rows, which do not exist any more, that were merged into others."""
        ...


@runtime_checkable
class TrustsCrosswalk(Protocol):
    """A target that cannot be asked for the rows of some flows."""

    @property
    def trusts_crosswalk(self) -> bool:
        """Whether the rows it reads are those of the crosswalk, so that they prove nothing."""
        ...


class Target(Protocol):
    """The rows of a flow's objects in their target, as a reconciliation reads and removes them."""

    @property
    def note(self) -> str:
        """A note for people on how complete the rows are, empty if they are complete."""
        ...

    @property
    def reads_bound_rows_only(self) -> bool:
        """Whether only rows in the crosswalk can be read."""
        ...

    @property
    def can_rewrite(self) -> bool:
        """Whether a deleted or changed row can be written again."""
        ...

    def read(
        self, keys: Sequence[str], fields: Sequence[str], bound: Mapping[str, str]
    ) -> Iterator[TargetRow]:
        """Reads rows of the flow's first object.

        Args:
            keys: values of the external id, not repeated.
            fields: names of fields wanted with each row.
            bound: target id by key, for those in the crosswalk; needed where ``reads_bound_rows_only``.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    def existing_ids(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of the rows of an object that the target still has.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    def remove(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        """Removes or soft-deletes the rows of deleted records, as the flow says; results per call.

        Raises:
            Misconfigured: this target removes nothing.
            SyncError: the system does not answer as it should.
        """
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...


@runtime_checkable
class ReadsSpans(Protocol):
    """A target that finds rows between two keys in few calls."""

    def read_span(self, span: Span, fields: Sequence[str]) -> Iterator[TargetRow]:
        """Reads the rows of the flow's first object whose key is a number within a span.

        Args:
            span: the numbers, of which ``count`` rows are expected.
            fields: names of fields wanted with each row.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...
