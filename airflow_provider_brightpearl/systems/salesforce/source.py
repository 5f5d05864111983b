"""Salesforce as a source: one stream of an org, by ``SystemModstamp``, deleted and merged records among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil

from more_itertools import chunked

from airflow_provider_brightpearl.core.estimate import ReadEstimate, SearchCounts
from airflow_provider_brightpearl.core.ports.source import Read, Unread
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.salesforce.bulk_query import QUERY_THRESHOLD
from airflow_provider_brightpearl.systems.salesforce.bulk_reading import bulk_rows, min_calls
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.pages import PAGE
from airflow_provider_brightpearl.systems.salesforce.reading import Reading, Row
from airflow_provider_brightpearl.systems.salesforce.soql import (
    KEYS_ASKED,
    STAMP,
    having,
    inside,
    listed,
    literal,
    period,
)
from airflow_provider_brightpearl.systems.salesforce.streams.stream import SalesforceStream
from airflow_provider_brightpearl.systems.salesforce.streams.table import find_stream


class SalesforceSource:
    """Reads one stream of an org, each record with its rows, and estimates the calls that takes.

    A window holds the records that were changed, deleted or merged in it, and those with a row that was. The org is
    asked how many there are; only where there are any, it is asked which fields it has, and for the records.

    Args:
        client: calls to the org.
        stream: its name.
        bulk_from: records from which on bulk queries are used.
    """

    def __init__(
        self,
        client: SalesforceClient,
        stream: str,
        filters: Mapping[str, str] | None = None,
        bulk_from: int = QUERY_THRESHOLD,
    ) -> None:
        self.name = stream
        self.bulk_from = bulk_from
        self.stream: SalesforceStream = find_stream(stream)
        self.reading = Reading(client, self.stream)
        self._announced = 0
        self._searched: list[tuple[str, int]] = []

    @property
    def calls(self) -> int:
        return self.reading.client.calls

    @property
    def min_calls(self) -> int:
        return self.reading.min_calls

    @property
    def batches(self) -> int:
        return self.reading.batches

    @property
    def announced(self) -> int | None:
        return self._announced or None

    def read(self, selection: Selection) -> Iterator[Read]:
        """Raw records as pages come in; those that only their rows select come last."""
        window = selection.window
        if selection.full_resync:
            yield from ((row.source_id, row.record) for row in self._found(None))
        elif window is not None and not window.empty:
            touched = self._touched(window) if window.start else set()
            for row in self._found(window):
                if row.source_id in touched or inside(row.fields.get(STAMP), window):
                    yield row.source_id, row.record
                touched.discard(row.source_id)
            self._announced += len(touched)
            yield from self._by_id(sorted(touched), named=False)

    def read_ids(self, ids: Sequence[str]) -> Iterator[Read]:
        """Raw records by id of 15 or 18 characters, under that of 18, or why they could not be read."""
        known = {text: full_id(text) for text in ids}
        for text, found in known.items():
            if found is None:
                yield text, Unread(f"{text!r} is not the id of a record in Salesforce", gone=True)
        wanted = sorted({found for found in known.values() if found})
        self._announced += len(wanted)
        yield from self._by_id(wanted, named=True)

    def check_ids(self, ids: Sequence[str]) -> None:
        """Raises ``Misconfigured`` for text that is not an id, such as the number of an order."""
        if wrong := [text for text in ids if full_id(text) is None]:
            named = ", ".join(map(repr, wrong[:5])) + (" …" if len(wrong) > 5 else "")
            raise Misconfigured(
                f"ids: {named} is not an id of salesforce.{self.name}: its ids have 15 or 18 characters, as in the "
                "address of a record's page"
            )

    def _touched(self, window: Window) -> set[str]:
        """Ids of the records of which a row, or what they follow, was added, changed or deleted in a window."""
        touched: set[str] = set()
        for each in self.stream.selectors:
            rows = 0
            conditions = self._conditions(window, each.stamped, each.parent)
            for row in self.reading.plain(each.object, (each.id_field, each.stamped + STAMP), *conditions):
                rows += 1
                stamped = row[each.stamped[:-1]] if each.stamped else row
                if row[each.id_field] and inside((stamped or {}).get(STAMP), window):
                    touched.add(str(row[each.id_field]))
            self._searched.append((each.name, rows))
        return touched

    def _found(self, window: Window | None) -> Iterator[Row]:
        """The rows of this stream whose stamp lies in a window, or all; one call where there are none."""
        rows = self.reading.count(self.stream.shape.object, *self._conditions(window))
        self._announced += rows
        self._searched.append((self.stream.shape.object, rows))
        if rows >= self.bulk_from:
            yield from bulk_rows(self.reading, lambda parent: self._conditions(window, parent, parent))
        elif rows:
            yield from self.reading.rows(*self._conditions(window))

    def _conditions(self, window: Window | None, stamped: str = "", parent: str = "") -> tuple[str, ...]:
        """Those of this stream, behind the relationship ``parent``, and of a window, behind ``stamped``."""
        stamp = period(stamped + STAMP, window) if window is not None else ""
        return (*having(self.stream.only, parent), stamp)

    def _by_id(self, ids: Sequence[str], *, named: bool) -> Iterator[Read]:
        """Records by id; those of another stream are left out where they were not named."""
        for some in chunked(ids, KEYS_ASKED):
            left = dict.fromkeys(some)
            for row in self.reading.rows(f"Id IN {listed(some)}"):
                left.pop(row.source_id, None)
                other = self._other_kind(row)
                if not other:
                    yield row.source_id, row.record
                elif named:
                    yield row.source_id, Unread(f"{row.source_id} is not of salesforce.{self.name}: {other}")
            for source_id in left:
                reason = "deleted for good, of another object, or hidden from this user"
                yield (
                    source_id,
                    Unread(f"the org has no {self.stream.shape.object} {source_id}: {reason}", gone=True),
                )

    def _other_kind(self, row: Row) -> str:
        """What tells a row from those of this stream, empty where nothing does."""
        for name, value in self.stream.only.items():
            if row.fields and row.fields[name] != value:
                return f"its {name} is {literal(row.fields[name])}"
        return ""

    def count(self, selection: Selection) -> SearchCounts:
        """How many rows the queries of a selection have, asked for in one small call each."""
        window, reading = selection.window, Reading(self.reading.client, self.stream)
        if selection.full_resync:
            window = None
        searched: list[tuple[str, int]] = []
        if window is not None and window.start:
            for each in self.stream.selectors:
                rows = reading.count(each.object, *self._conditions(window, each.stamped, each.parent))
                searched.append((each.name, rows))
        if window is not None or selection.full_resync:
            own = self.stream.shape.object
            searched.append((own, reading.count(own, *self._conditions(window))))
        return _counts(searched, len(selection.ids))

    def counted(self, selection: Selection) -> SearchCounts:
        """How many rows the queries had in what was read."""
        return _counts(self._searched, len(selection.ids))

    def estimate_read(self, counts: SearchCounts) -> ReadEstimate:
        """What reading takes where the queries have so many rows; records that only their rows select come on top."""
        rows = dict(counts.by_path)
        own = rows.pop(self.stream.shape.object, None)
        calls = sum(max(1, ceil(each / PAGE)) for each in rows.values()) + (own is not None)
        if own or counts.named:
            calls += len(self.stream.objects) + self._min_calls(own or 0) + ceil(counts.named / KEYS_ASKED)
        return ReadEstimate((own or 0) + counts.named, calls)

    def _min_calls(self, rows: int) -> int:
        """The fewest calls that return so many records with few rows each."""
        if rows < self.bulk_from:
            return ceil(rows / PAGE)
        return min_calls(rows) * len(self.stream.shapes)


def _counts(searched: Sequence[tuple[str, int]], named: int) -> SearchCounts:
    totals = dict.fromkeys((name for name, _ in searched), 0)
    for name, rows in searched:
        totals[name] += rows
    return SearchCounts(tuple(rows for _, rows in searched), totals, named)
