"""Lists the records of an M3 stream: by the date of their creation, and by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from airflow_provider_brightpearl.core.ports.source import ListedRecord, Unread
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.infor.client import InforClient
from airflow_provider_brightpearl.systems.infor.listing import joined
from airflow_provider_brightpearl.systems.infor.reading import Reading
from airflow_provider_brightpearl.systems.infor.streams.stream import Created
from airflow_provider_brightpearl.systems.infor.streams.table import find_stream


def listing_of(stream: str) -> Created:
    """How a stream is listed; raises ``Misconfigured`` where it has no records of its own."""
    created = find_stream(stream).created
    if created is None:
        raise Misconfigured(f"reconcile: infor.{stream} consists of figures and cannot be listed by id")
    return created


class InforInventory:
    """The records of one stream of a company.

    Args:
        client: calls to M3.
        stream: its name.
    """

    lists_all_ids = True

    def __init__(self, client: InforClient, stream: str, filters: Mapping[str, str] | None = None) -> None:
        self.listing = listing_of(stream)
        self.reading = Reading(client, find_stream(stream))

    @property
    def calls(self) -> int:
        return self.reading.client.calls

    def created(self, period: Window) -> Iterator[ListedRecord]:
        """The records created in a period, or a day before or after it: M3 has the date, in the company's time zone."""
        for key, changed in self.listing.rows(self.reading.client, period):
            yield ListedRecord(joined(key), changed)

    def records(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Records by id; missing ones are left out."""
        return (record for _, record in self.reading.records(ids) if isinstance(record, bytes))

    def deleted_ids(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that the table does not hold and that M3 says it does not have."""
        left = set(ids)
        if not left:
            return left
        left.difference_update(joined(key) for key, _ in self.listing.rows(self.reading.client, None))
        # a list may be late, or hide records
        found = self.reading.records(sorted(left))
        return {source_id for source_id, record in found if isinstance(record, Unread) and record.gone}
