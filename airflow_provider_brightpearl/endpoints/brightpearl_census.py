"""Which records a Brightpearl stream has: by period from its search, all of them by OPTIONS where there is that.

No search tells amounts of orders, so records are read for them, 200 a call, without what the stream joins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from airflow_provider_brightpearl.clients import idset
from airflow_provider_brightpearl.clients.brightpearl import MAX_IDS, BrightpearlClient, period
from airflow_provider_brightpearl.core.census import Seen
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.endpoints.brightpearl import STREAMS, Stream
from airflow_provider_brightpearl.endpoints.brightpearl_payments import COLUMNS as PAYMENT_COLUMNS
from airflow_provider_brightpearl.endpoints.brightpearl_payments import SEARCH as PAYMENT_SEARCH
from airflow_provider_brightpearl.endpoints.brightpearl_reading import Reading
from airflow_provider_brightpearl.endpoints.brightpearl_shipments import read_goods_out, read_shipments
from airflow_provider_brightpearl.errors import Misconfigured

# searches are told milliseconds and may leave out their ends, so they look a little further than the period
_MARGIN = timedelta(milliseconds=1)

Read = Callable[[Reading, Selection], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Listed:
    """How a stream is listed.

    ``resource`` answers OPTIONS with all ids; ``whole`` says that the search's rows are the records; ``read``
    gives records by id where they are no plain resource.
    """

    search: str
    columns: tuple[str, ...]
    filters: Mapping[str, str] = field(default_factory=dict)
    changed: str = "updatedOn"
    resource: str = ""
    whole: bool = False
    read: Read | None = None


def _notes(read: Read) -> Listed:
    return Listed(
        "warehouse-service/goods-note/goods-out-search",
        ("goodsOutNoteId", "createdOn", "shippedOn"),
        {"transfer": "false"},
        changed="shippedOn",
        read=read,
    )


_SPECIAL: Mapping[str, Listed] = {
    # a payment never changes, and its search tells all of it
    "payments": Listed(PAYMENT_SEARCH, PAYMENT_COLUMNS, changed="createdOn", whole=True),
    "goods_out_notes": _notes(read_goods_out),
    # drop-ship notes have no search: those of a period are not told
    "shipments": _notes(read_shipments),
}


def listed(stream: str) -> Listed:
    """How a stream is listed.

    Raises:
        Misconfigured: it has no records of its own that could be listed.
    """
    if stream in _SPECIAL:
        return _SPECIAL[stream]
    known: Stream = STREAMS[stream]
    if not known.search:
        raise Misconfigured(f"reconcile: brightpearl.{stream} is made of figures and cannot be listed by id")
    columns = (known.id_column, "createdOn", "updatedOn")
    return Listed(known.search, columns, known.filters, resource=known.resource)


class BrightpearlCensus:
    """Implements ``core.census.Census`` for one stream of an account."""

    def __init__(self, client: BrightpearlClient, stream: str) -> None:
        self.listed = listed(stream)
        self.stream = STREAMS[stream]
        self.reading = Reading(client)

    @property
    def sweeps(self) -> bool:
        return bool(self.listed.resource)

    @property
    def calls(self) -> int:
        return self.reading.client.calls

    def created(self, period_: Window) -> Iterator[Seen]:
        """The records created in a period, ascending by id."""
        start = period_.start and period_.start - _MARGIN
        filters = {**self.listed.filters, "createdOn": period(start, period_.end + _MARGIN)}
        for row in self.reading.search(self.listed.search, self.listed.columns, filters):
            born = datetime.fromisoformat(row["createdOn"])
            if born in period_:
                yield self._seen(row, born)

    def _seen(self, row: Mapping[str, Any], born: datetime) -> Seen:
        changed = row.get(self.listed.changed)
        return Seen(
            str(row[self.listed.columns[0]]),
            datetime.fromisoformat(changed) if changed else born,
            msgspec.json.encode(row) if self.listed.whole else b"",
        )

    def records(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Records by id; those that are gone are left out."""
        if self.listed.read:
            return self.listed.read(self.reading, Selection(None, tuple(ids)))
        return self.reading.records(self.stream.resource, map(int, ids), self.stream.params)

    def gone(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that do not exist any more; one call where the stream sweeps."""
        left = set(ids)
        if not left:
            return left
        if self.sweeps:
            left.difference_update(map(str, self.reading.client.list_ids(self.listed.resource)))
        else:
            left.difference_update(self._found(sorted(left)))
        return left

    def _found(self, ids: Sequence[str]) -> Iterator[str]:
        if self.listed.whole:
            name = self.listed.columns[0]
            for group in idset.batches(map(int, ids), MAX_IDS, 1500):
                for row in self.reading.search(self.listed.search, (name,), {name: idset.compress(group)}):
                    yield str(row[name])
            return
        for record in self.records(ids):
            yield str(msgspec.json.decode(record)["id"])
