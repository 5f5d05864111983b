"""Lists the records of a Salesforce stream that are not deleted: by period, and by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import ListedRecord
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.systems.salesforce.bulk_query import QUERY_THRESHOLD
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.reading import Reading
from airflow_provider_brightpearl.systems.salesforce.soql import (
    KEYS_ASKED,
    STAMP,
    having,
    inside,
    instant,
    listed,
    period,
    where,
)
from airflow_provider_brightpearl.systems.salesforce.streams.table import find_stream

_EXISTS = "IsDeleted = false"


class SalesforceInventory:
    """The records of one stream of an org.

    Args:
        client: calls to the org.
        stream: its name.
    """

    lists_all_ids = True

    def __init__(
        self, client: SalesforceClient, stream: str, filters: Mapping[str, str] | None = None
    ) -> None:
        self.stream = find_stream(stream)
        self.reading = Reading(client, self.stream)

    @property
    def calls(self) -> int:
        return self.reading.client.calls

    def created(self, period_: Window) -> Iterator[ListedRecord]:
        """The records created in a period, 2,000 a call."""
        conditions = (period("CreatedDate", period_), _EXISTS, *having(self.stream.only))
        for row in self.reading.plain(self.stream.shape.object, ("Id", "CreatedDate", STAMP), *conditions):
            if inside(row["CreatedDate"], period_):
                yield ListedRecord(str(row["Id"]), instant(row[STAMP]) or instant(row["CreatedDate"]))

    def records(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Records by id, with their rows, as those cost no call of their own; missing ones are left out."""
        for some in chunked([found for text in ids if (found := full_id(text))], KEYS_ASKED):
            for row in self.reading.rows(f"Id IN {listed(some)}", _EXISTS):
                if isinstance(row.record, bytes):
                    yield row.record

    def deleted_ids(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that are in the recycle bin or are gone; 400 a call, or a bulk query for all of them."""
        known = {text: full_id(text) for text in ids}
        wanted = sorted({found for found in known.values() if found})
        there = {str(row["Id"]) for row in self._existing(wanted)}
        return {text for text, found in known.items() if found not in there}

    def _existing(self, ids: Sequence[str]) -> Iterator[Mapping[str, str]]:
        client, select = self.reading.client, f"SELECT Id FROM {self.stream.shape.object}"  # noqa: S608
        if len(ids) >= QUERY_THRESHOLD:
            yield from client.bulk_query(select)
            return
        for some in chunked(ids, KEYS_ASKED):
            yield from client.query(select + where(f"Id IN {listed(some)}"))
