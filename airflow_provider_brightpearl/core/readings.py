"""Which of two readings of one record is the newer one."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.ports.stores import Binding


class Versioned(Protocol):
    """What was read of a record: the source's version, empty where it has none, and when (aware)."""

    @property
    def source_version(self) -> str:
        """Text that sorts by age."""
        ...

    @property
    def read_at(self) -> datetime | None:
        """When it was read; None is older than all."""
        ...


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One reading of a record; see ``Versioned``."""

    source_version: str = ""
    read_at: datetime | None = None


def is_newer(one: Versioned, other: Versioned) -> bool:
    """Whether one reading of a record is newer than another.

    The source's version decides. Where it is the same, or one has none, the later reading is newer: joined data and
    custom fields change without it.
    """
    mine, theirs = one.source_version, other.source_version
    if mine and theirs and mine != theirs:
        return mine > theirs
    if one.read_at is None or other.read_at is None:
        return one.read_at is not None and other.read_at is None
    return one.read_at > other.read_at


def is_as_read(now: Binding, read: Binding) -> bool:
    """Whether a crosswalk row has not been written since it was read; one that was made again counts anew."""
    return (now.revision, now.created_run) == (read.revision, read.created_run)


def both_wrote(mine: Binding, now: Binding | None) -> Binding:
    """The crosswalk row of a target row that two runs wrote at once: the newer reading's, without a fingerprint.

    Args:
        mine: what one run binds.
        now: what is bound, by another run; None where that removed the row.
    """
    if now is None:
        return replace(mine, fingerprint="", revision=mine.revision + 1)
    newer = mine if mine.source_id == now.source_id and is_newer(mine, now) else now
    created = now.created_run if newer.target_id == now.target_id else newer.created_run
    return replace(newer, fingerprint="", created_run=created, revision=now.revision + 1)
