"""Which of two readings of one record is the newer one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.ports.stores import Binding


class Versioned(Protocol):
    """What was read of a record: the source's version, empty where it has none, and when (aware).

    That is the instant before the source was asked for it: its answer may be processed any time later.
    """

    @property
    def source_version(self) -> str:
        """Text that sorts by age."""
        ...

    @property
    def read_at(self) -> datetime | None:
        """When it was asked for; None is older than all."""
        ...


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One reading of a record; see ``Versioned``. ``created`` is ISO text, empty where it is not known."""

    source_version: str = ""
    read_at: datetime | None = None
    created: str = ""

    @property
    def created_at(self) -> datetime | None:
        """When the source created the record."""
        return datetime.fromisoformat(self.created) if self.created else None


# two runs that read a record within this time and in which it has one version count as one reading
_TICK = timedelta(milliseconds=100)


class ReadTimes:
    """When each record of a part was read, to a tenth of a second; kept as the lines at which the time changes."""

    def __init__(self, times: Sequence[tuple[int, str]] = ()) -> None:
        self._lines = [line for line, _ in times]
        self._instants = [datetime.fromisoformat(text) for _, text in times]

    def timed(self, records: Iterable[bytes], read_at: Callable[[], datetime]) -> Iterator[bytes]:
        """The records, each noted with what ``read_at`` gives when it comes."""
        for line, record in enumerate(records):
            at = read_at()
            if not self._instants or at - self._instants[-1] >= _TICK:
                self._lines.append(line)
                self._instants.append(at)
            yield record

    def at(self, line: int) -> datetime | None:
        """When the record at a line of the part was read, None where that was not noted."""
        place = bisect_right(self._lines, line)
        return self._instants[place - 1] if place else None

    def as_plain(self) -> list[Any]:
        """What another ``ReadTimes`` is made of, as plain JSON."""
        return [(line, at.isoformat()) for line, at in zip(self._lines, self._instants, strict=True)]


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
