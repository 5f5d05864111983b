"""Volumes of work, to estimate calls before they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from airflow_provider_brightpearl.core.changes import RecordChange


@dataclass(frozen=True, slots=True)
class WriteVolume:
    """How many records, and rows by object, have to be written.

    ``bound`` are those of ``rows`` that the target has already. ``closed`` are rows whose field that is set last
    differs from its interim value, all of them where it is None. ``days`` on which the records are dated.
    """

    records: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    bound: Mapping[str, int] = field(default_factory=dict)
    removed: int = 0
    closed: int | None = None
    days: int = 1

    @classmethod
    def of(cls, records: Sequence[RecordChange], closed: int | None = None, days: int = 1) -> WriteVolume:
        """The volume of these changes."""
        rows: dict[str, int] = {}
        bound: dict[str, int] = {}
        for record in records:
            for change in record.changes:
                rows[change.object] = rows.get(change.object, 0) + 1
                if change.target_id is not None:
                    bound[change.object] = bound.get(change.object, 0) + 1
        removed = sum(len(record.removals) for record in records)
        return cls(len(records), rows, bound, removed, closed, days)

    @classmethod
    def expected(cls, records: int, rows_per_record: Mapping[str, float], days: int = 1) -> WriteVolume:
        """The volume if each of so many records is new, with so many rows of each object."""
        rows = {name: ceil(records * share) for name, share in rows_per_record.items()}
        return cls(records, rows, days=days)


@dataclass(frozen=True, slots=True)
class SearchCounts:
    """How many rows the searches of a selection have: in order, by path, and how many ids it names."""

    searched: tuple[int, ...]
    by_path: Mapping[str, int]
    named: int = 0

    def share(self, part: int, whole: int) -> SearchCounts:
        """The share of one of several runs that divide the rows evenly, rounded up."""
        searched = tuple(ceil(rows * part / whole) for rows in self.searched)
        by_path = {path: ceil(rows * part / whole) for path, rows in self.by_path.items()}
        return SearchCounts(searched, by_path, self.named)


@dataclass(frozen=True, slots=True)
class ReadEstimate:
    """How many records a stream will return, and in how many calls."""

    records: int
    calls: int


def parts(records: int, size: int) -> list[int]:
    """How many records each part of a run holds."""
    full, rest = divmod(records, size)
    return [size] * full + [rest] * bool(rest)
