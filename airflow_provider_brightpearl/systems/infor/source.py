"""Infor M3 as a source: one stream of a company."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from airflow_provider_brightpearl.core.estimate import ReadEstimate, SearchCounts
from airflow_provider_brightpearl.core.ports.source import Read
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.infor.client import InforClient
from airflow_provider_brightpearl.systems.infor.gaps import gap_warning, missing_numbers
from airflow_provider_brightpearl.systems.infor.reading import Reading
from airflow_provider_brightpearl.systems.infor.streams.stream import SEPARATOR, InforStream
from airflow_provider_brightpearl.systems.infor.streams.table import find_stream


class InforSource:
    """Reads one stream of a company, and estimates the calls that takes.

    M3's lists tell what was changed since an instant, not until when: a window holds what was changed in it or later.

    Args:
        client: calls to M3.
        stream: its name.
    """

    def __init__(self, client: InforClient, stream: str, filters: Mapping[str, str] | None = None) -> None:
        self.name = stream
        self.stream: InforStream = find_stream(stream)
        self.reading = Reading(client, self.stream)
        self._listing = 0
        self._announced = 0
        self._searched: list[int] = []
        self.warnings: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        return self.reading.client.calls

    @property
    def min_calls(self) -> int:
        return self._listing + self.reading.min_calls

    @property
    def batches(self) -> int:
        return self.reading.batches

    @property
    def announced(self) -> int | None:
        return self._announced or None

    def read(self, selection: Selection) -> Iterator[Read]:
        """Raw records in the order of their ids; all were found before the first one is read."""
        found, searched = self._found(selection)
        self._searched += searched
        if self.stream.series and found:
            self._look_for_gaps(found)
        yield from self._records(found)

    def read_ids(self, ids: Sequence[str]) -> Iterator[Read]:
        """Raw records by id, or why they could not be read."""
        yield from self._records(ids)

    def _look_for_gaps(self, found: Sequence[str]) -> None:
        before = self.calls
        gaps = missing_numbers(self.reading.client, self.stream, [each.split(SEPARATOR) for each in found])
        self.warnings = tuple(gap_warning(self.name, *each) for each in gaps)
        # as with the lists, that is for the ceilings of M3 to decide
        self._listing += self.calls - before

    def _records(self, ids: Sequence[str]) -> Iterator[Read]:
        self._announced += len(ids)
        yield from self.reading.records(ids)

    def _found(self, selection: Selection) -> tuple[list[str], list[int]]:
        """The ids of a selection, and how many of them each list had; all stand with the first one."""
        window = None if selection.full_resync else selection.window
        if not selection.full_resync and (window is None or window.empty):
            return [], []
        before = self.calls
        found = sorted(self.stream.find.keys(self.reading.client, window))
        # how many calls that takes is for the ceilings of M3 to decide
        lists = self.calls - before
        self._listing += lists
        return found, [len(found), *[0] * (lists - 1)]

    def check_ids(self, ids: Sequence[str]) -> None:
        """Raises ``Misconfigured`` for text that is no id of this stream."""
        if wrong := [text for text in ids if self.stream.key_of(text) is None]:
            named = ", ".join(map(repr, wrong[:5])) + (" …" if len(wrong) > 5 else "")
            raise Misconfigured(
                f"ids: {named} is not an id of infor.{self.name}: its ids are {SEPARATOR.join(self.stream.key)}"
            )

    def count(self, selection: Selection) -> SearchCounts:
        """How many keys the list of a selection has, which is asked for."""
        _, searched = self._found(selection)
        return _counts(searched, self.name, len(selection.ids))

    def counted(self, selection: Selection) -> SearchCounts:
        """How many keys the lists had in what was read."""
        return _counts(self._searched, self.name, len(selection.ids))

    def estimate_read(self, counts: SearchCounts) -> ReadEstimate:
        """What reading takes where the list has so many keys and is not cut."""
        records = sum(counts.searched) + counts.named
        bulks = sum(self.reading.client.min_calls(records * len(step)) for step in self.stream.steps)
        lists = len(counts.searched) + bool(self.stream.series and sum(counts.searched))
        return ReadEstimate(records, lists + bulks)


def _counts(searched: Sequence[int], name: str, named: int) -> SearchCounts:
    return SearchCounts(tuple(searched), {name: sum(searched)} if searched else {}, named)
