"""Lists the records of a Brightpearl stream: by period with its search, all of them with OPTIONS where it exists.

No search shows amounts of orders, so records are read for them, 200 a call, without what the stream joins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from more_itertools import chunked, peekable

from airflow_provider_brightpearl.core.ports.source import ListedRecord, Unread
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.brightpearl import idset
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.complete import is_number
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession
from airflow_provider_brightpearl.systems.brightpearl.streams import payments
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import SearchedStream, instant, within
from airflow_provider_brightpearl.systems.brightpearl.streams.table import filtered_stream


@dataclass(frozen=True, slots=True)
class Listing:
    """How a stream is listed.

    ``resource`` answers OPTIONS with all ids; ``whole`` says that the search's rows are the records.
    """

    search: str
    columns: tuple[str, ...]
    filters: Mapping[str, str] = field(default_factory=dict)
    changed: str = "updatedOn"
    resource: str = ""
    whole: bool = False


# ids looked for in one go
_AT_ONCE = 10_000
_NOTES = Listing(
    "warehouse-service/goods-note/goods-out-search",
    ("goodsOutNoteId", "createdOn", "shippedOn"),
    {"transfer": "false"},
    changed="shippedOn",
)
_SPECIAL: Mapping[str, Listing] = {
    # a payment never changes, and its search shows all of it
    "payments": Listing(payments.SEARCH, payments.COLUMNS, changed="createdOn", whole=True),
    "goods_out_notes": _NOTES,
    # drop-ship notes have no search: those of a period are not known
    "shipments": _NOTES,
}


def listing_of(stream: str, filters: Mapping[str, str] | None = None) -> Listing:
    """How a stream is listed.

    Raises:
        Misconfigured: it has no records that can be listed.
    """
    if stream in _SPECIAL:
        return _SPECIAL[stream]
    known = filtered_stream(stream, filters or {})
    if not isinstance(known, SearchedStream):
        raise Misconfigured(f"reconcile: brightpearl.{stream} consists of figures and cannot be listed by id")
    return Listing(
        known.search, (known.id_column, "createdOn", "updatedOn"), known.filters, resource=known.resource
    )


class _Ranges:
    """Numbers as ranges, which take little memory; of two that overlap, some numbers may not be found."""

    def __init__(self, ranges: Iterable[range]) -> None:
        self._ranges = sorted(ranges, key=lambda each: each.start)

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._ranges, number, key=lambda each: each.start)
        return place > 0 and number in self._ranges[place - 1]


class BrightpearlInventory:
    """The records of one stream of an account.

    Args:
        client: calls to the account.
        stream: its name.
        filters: of its search, beside its own.
    """

    def __init__(
        self, client: BrightpearlClient, stream: str, filters: Mapping[str, str] | None = None
    ) -> None:
        self.listing = listing_of(stream, filters)
        self.stream = filtered_stream(stream, filters or {})
        self.session = ReadSession(client)

    @property
    def lists_all_ids(self) -> bool:
        return bool(self.listing.resource)

    @property
    def calls(self) -> int:
        return self.session.client.calls

    def created(self, period_: Window) -> Iterator[ListedRecord]:
        """The records created in a period, ascending by id."""
        filters = {**self.listing.filters, "createdOn": within(period_)}
        for row in self.session.search(self.listing.search, self.listing.columns, filters):
            created = instant(row["createdOn"])
            if created is None or created in period_:
                yield self._listed(row, created)

    def _listed(self, row: Mapping[str, Any], created: datetime | None) -> ListedRecord:
        return ListedRecord(
            str(row[self.listing.columns[0]]),
            instant(row.get(self.listing.changed)) or created,
            msgspec.json.encode(row) if self.listing.whole else b"",
        )

    def records(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Records by id, without what is joined to them; missing ones are left out."""
        if isinstance(self.stream, SearchedStream):
            return self.session.records(self.stream.resource, map(int, ids), self.stream.params)
        found = self.stream.read(self.session, Selection(None, tuple(ids)))
        return (record for _, record in found if isinstance(record, bytes))

    def deleted_ids(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that no longer exist; one call where all can be listed and none is missing."""
        asked = peekable(ids)
        if not asked:
            return set()
        if self.lists_all_ids:
            return self._unlisted(asked)
        return {source_id for some in chunked(asked, _AT_ONCE) for source_id in self._not_found(set(some))}

    def _unlisted(self, ids: Iterable[str]) -> set[str]:
        listed = _Ranges(self.session.client.list_ranges(self.listing.resource))
        left = {text for text in ids if not (is_number(text) and int(text) in listed)}
        # a list may be late or hide records: rows are removed only if reading does not find the record either
        looked_for = self.session.fetch(
            self.listing.resource,
            [int(text) for text in left if is_number(text)],
            self.stream.schema.id_column,
        )
        left.difference_update(map(str, looked_for.records))
        left.difference_update(str(number) for number, why in looked_for.unread.items() if not why.gone)
        return left

    def _not_found(self, ids: set[str]) -> set[str]:
        if self.listing.whole:
            return ids.difference(self._searched(sorted(ids)))
        found = self.stream.read(self.session, Selection(None, tuple(sorted(ids))))
        # a record that cannot be read still exists
        return ids.intersection(
            source_id for source_id, record in found if isinstance(record, Unread) and record.gone
        )

    def _searched(self, ids: Sequence[str]) -> Iterator[str]:
        name = self.listing.columns[0]
        for group in idset.batches(map(int, ids), MAX_IDS, 1500):
            for row in self.session.search(self.listing.search, (name,), {name: idset.compress(group)}):
                yield str(row[name])
