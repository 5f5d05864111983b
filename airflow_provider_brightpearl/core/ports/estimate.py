"""Ports that estimate API calls; without them a system makes no plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from airflow_provider_brightpearl.core.changes import RecordChange
from airflow_provider_brightpearl.core.estimate import ReadEstimate, SearchCounts, WriteVolume
from airflow_provider_brightpearl.core.window import Selection


@runtime_checkable
class EstimatesReads(Protocol):
    """A source that knows how many calls its reading takes."""

    def count(self, selection: Selection) -> SearchCounts:
        """Asks how many rows the searches of a selection have, in one small call each.

        Raises:
            SyncError: the system does not answer as it should.
        """
        ...

    def counted(self, selection: Selection) -> SearchCounts:
        """How many rows the searches had in what was read so far; makes no call."""
        ...

    def estimate_read(self, counts: SearchCounts) -> ReadEstimate:
        """What reading takes if the searches have so many rows; makes no call."""
        ...

    @property
    def min_calls(self) -> int:
        """The fewest API calls in which what was read so far can be read."""
        ...


@runtime_checkable
class KnowsItsDay(Protocol):
    """A sink whose system takes so many calls a day."""

    @property
    def left_today(self) -> int | None:
        """Calls that may still be made today as far as is known; asks nobody. None where nothing is known."""
        ...


@runtime_checkable
class EstimatesWrites(Protocol):
    """A sink that knows how many calls its writing takes."""

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest API calls in which these records can be written, polls left out; asked after they were."""
        ...

    @property
    def looks(self) -> int:
        """API calls made so far that only polled for the end of work."""
        ...

    def estimate_write(self, volume: WriteVolume) -> int:
        """The same for work that is known in numbers only."""
        ...
