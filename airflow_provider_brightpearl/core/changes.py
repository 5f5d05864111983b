"""What is to be written for a source record, and what the target said to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One target row to write: ``payload`` is the JSON object of its fields without the key.

    ``key`` is the value of the external id, ``parent`` that of the row's parent in the same record, if it has one;
    ``target_id`` is set where the row is already bound.
    """

    object: str
    key: str
    payload: str
    fingerprint: str
    parent: str = ""
    target_id: str | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """One target row whose source row is gone."""

    object: str
    key: str
    target_id: str


@dataclass(frozen=True, slots=True)
class RecordChange:
    """All that has to be written for one source record; parents come before their rows."""

    source_id: str
    changes: tuple[Change, ...]
    removals: tuple[Removal, ...] = ()


@dataclass(frozen=True, slots=True)
class RowResult:
    """What the target said to one row: an id, or why it was refused.

    ``unfinished`` rows are there, but a later call is still to complete them: should it never come, the next run
    has to write them again. ``told`` is what else the target said of the row, by its own names, for write-backs.
    """

    source_id: str
    object: str
    key: str
    target_id: str = ""
    created: bool = False
    removed: bool = False
    unfinished: bool = False
    error: str = ""
    field: str = ""
    value: str = ""
    told: tuple[tuple[str, str], ...] = ()
