"""The changes to write for a source record, and the target's answers.

A part has a hundred thousand of these values. As msgspec structs outside the garbage collector's sight they cost a
fifth of what frozen dataclasses do; none of them can be part of a cycle. ``msgspec.structs.replace`` changes them.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Change(msgspec.Struct, frozen=True, gc=False):
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


class Removal(msgspec.Struct, frozen=True, gc=False):
    """One target row whose source row was deleted."""

    object: str
    key: str
    target_id: str


class RecordChange(msgspec.Struct, frozen=True, gc=False):
    """All that has to be written for one source record; parents come before their rows.

    ``created_at`` is when the source created it (aware), None where that is not known.
    """

    source_id: str
    changes: tuple[Change, ...]
    removals: tuple[Removal, ...] = ()
    created_at: datetime | None = None


class RowOutcome(StrEnum):
    """The outcome of one row that was to be sent; ``unchanged``: the target has exactly this, and nothing was sent."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    REFUSED = "refused"


class Lost(msgspec.Struct, frozen=True, gc=False):
    """A row that the target no longer has: that of ``object`` itself, or the one that its ``field`` refers to.

    ``moved_to`` is the row that it was merged into, empty where it was deleted.
    """

    object: str
    field: str
    target_id: str
    moved_to: str = ""


class RowResult(msgspec.Struct, frozen=True, gc=False):
    """What the target answered to one row: its id, or why it was refused (``reason``, ``field``, ``value``).

    An ``unfinished`` row exists, but a later call has still to complete it; if that call is never made, the next
    run writes the row again. ``passing`` refusals may pass with time; one for ``review`` is a question that a person
    answers. ``returned_fields`` are further fields that the target returned, by its own names, for write-backs.
    ``lost`` are rows of its record, or such that they refer to, that the target no longer has.
    """

    source_id: str
    object: str
    key: str
    outcome: RowOutcome
    target_id: str = ""
    reason: str = ""
    field: str = ""
    value: str = ""
    unfinished: bool = False
    passing: bool = False
    review: bool = False
    returned_fields: tuple[tuple[str, str], ...] = ()
    lost: tuple[Lost, ...] = ()

    @property
    def stands(self) -> bool:
        """Whether the target has the row now as it was to be written."""
        return self.outcome in _STANDING

    @property
    def refused(self) -> bool:
        return self.outcome is RowOutcome.REFUSED

    @property
    def removed(self) -> bool:
        return self.outcome is RowOutcome.REMOVED


_STANDING = (RowOutcome.CREATED, RowOutcome.UPDATED, RowOutcome.UNCHANGED)
