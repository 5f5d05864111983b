"""Brightpearl as a source: one stream of an account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from airflow_provider_brightpearl.core.estimate import ReadEstimate, SearchCounts
from airflow_provider_brightpearl.core.ports.source import Read
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.session import CountingSession, ReadSession
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import (
    KnowsIdForm,
    SearchedStream,
    Stream,
)
from airflow_provider_brightpearl.systems.brightpearl.streams.table import filtered_stream


class BrightpearlSource:
    """Reads one stream of an account, and estimates the calls that takes.

    Args:
        client: calls to the account.
        stream: its name.
        filters: of its search, beside its own.
    """

    def __init__(
        self, client: BrightpearlClient, stream: str, filters: Mapping[str, str] | None = None
    ) -> None:
        self.name = stream
        self.stream: Stream = filtered_stream(stream, filters or {})
        self.narrowed = bool(filters)
        self.session = ReadSession(client)
        self._asked = ReadSession(client)

    @property
    def calls(self) -> int:
        return self.session.client.calls

    @property
    def min_calls(self) -> int:
        return self.session.min_calls + self._asked.min_calls

    @property
    def batches(self) -> int:
        return self.session.batches

    @property
    def announced(self) -> int | None:
        return self.session.expected or None

    def read(self, selection: Selection) -> Iterator[Read]:
        """Raw records as pages come in, or why one that was found or named could not be read."""
        return self.stream.read(self.session, selection)

    def read_ids(self, ids: Sequence[str]) -> Iterator[Read]:
        """Raw records by id, or why they could not be read."""
        return self.read(Selection(window=None, ids=tuple(ids)))

    def matching(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the search finds with the filters of the flow file; all where there are none."""
        if not self.narrowed or not isinstance(self.stream, SearchedStream):
            return set(ids)
        return self.stream.matching(self._asked, ids)

    def check_ids(self, ids: Sequence[str]) -> None:
        """Raises ``Misconfigured`` for text that is no id of this stream, such as ``SO100001`` for order 100001."""
        if not isinstance(self.stream, KnowsIdForm):
            return
        wrong = [text for text in ids if not self.stream.is_id(text)]
        if wrong:
            named = ", ".join(map(repr, wrong[:5])) + (" …" if len(wrong) > 5 else "")
            raise Misconfigured(
                f"ids: {named} is not an id of brightpearl.{self.name}: its ids are numbers, such as 100001"
                + (", or DS31001 for a drop-ship note" if self.stream.is_id("DS1") else "")
            )

    def count(self, selection: Selection) -> SearchCounts:
        """How many rows the searches of a selection have, asked for in one small call each."""
        session = CountingSession(self.session.client)
        for _ in self.stream.read(session, replace(selection, ids=())):
            pass
        of_window = selection.window is not None and selection.window.start and not selection.full_resync
        if of_window and any(session.searched):
            self.stream.count_later(session)
        return session.counts(len(selection.ids))

    def counted(self, selection: Selection) -> SearchCounts:
        """How many rows the searches had in what was read."""
        return self.session.counts(len(selection.ids))

    def estimate_read(self, counts: SearchCounts) -> ReadEstimate:
        """What reading takes where the searches have so many rows."""
        return self.stream.estimate(counts)
