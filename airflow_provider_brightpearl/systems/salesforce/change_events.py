"""Change events of Salesforce: what their headers name, and the streams that these records concern.

An event names records and shows values; only the names are used, as flows read records as they are now.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.inbox import InboxEvent
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.streams.stream import SalesforceStream
from airflow_provider_brightpearl.systems.salesforce.streams.table import STREAMS

SOURCE = "salesforce"
_OVERFLOW = "GAP_OVERFLOW"


class Header(msgspec.Struct, rename="camel", frozen=True):
    """The header of a change event, without the lists of fields.

    ``commit_timestamp`` is in milliseconds; ``record_ids`` may hold a wildcard such as ``001*``.
    """

    entity_name: str
    record_ids: tuple[str, ...]
    change_type: str
    change_origin: str
    transaction_key: str
    sequence_number: int
    commit_timestamp: int
    commit_user: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether it says that records have changed, and not which."""
        return self.change_type == _OVERFLOW or any("*" in each for each in self.record_ids)

    @property
    def client(self) -> str:
        """The client that made the change: ``acme`` of ``com/salesforce/api/rest/62.0;client=acme``."""
        parts = self.change_origin.split(";")
        return next((part.removeprefix("client=") for part in parts if part.startswith("client=")), "")


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """A change event: its header, and its fields by name, of which an update has only those that changed."""

    header: Header
    values: Mapping[str, Any]


def parse_schema(text: str) -> Any:
    """An Avro schema as ``read_payload`` takes it, from its JSON."""
    import fastavro

    return fastavro.parse_schema(json.loads(text))


def read_payload(schema: Any, payload: bytes) -> ChangeEvent:
    """The change event of a payload.

    Args:
        schema: the one that the event names, parsed.
        payload: Avro without a container.

    Raises:
        ValueError: it does not fit the schema, or is not that of a change event.
    """
    import fastavro

    try:
        values: Any = fastavro.schemaless_reader(io.BytesIO(payload), schema, None)
    except Exception as error:  # of the library, whatever the bytes make of it
        raise ValueError(f"the payload does not fit its schema: {type(error).__name__}: {error}") from None
    if "ChangeEventHeader" not in values:
        raise ValueError("the payload has no ChangeEventHeader, so it is not that of a change event")
    try:
        header = msgspec.convert(values["ChangeEventHeader"], Header)
    except msgspec.ValidationError as error:
        raise ValueError(f"ChangeEventHeader: {error}") from None
    return ChangeEvent(header, values)


def inbox_events(connection: str, event: ChangeEvent, own_client: str = "") -> list[InboxEvent]:
    """What an event has processed: its records, and those that its records are rows of, as an event each.

    Args:
        connection: id of the connection that it was received by.
        event: the event.
        own_client: name of the client that our own calls name, empty where they name none.

    Returns:
        Nothing for a change that we made ourselves. The event has no record ids where its header ``is_partial``.
    """
    header, name = event.header, event.header.entity_name
    if own_client and header.client == own_client:
        return []
    key = f"{header.transaction_key}:{header.sequence_number}:{name}:{header.change_type}"
    own = [stream for stream, each in STREAMS.items() if each.shape.object == name]
    found = [_event(connection, header, own, () if header.is_partial else header.record_ids, key)]
    for lookup in sorted({each for stream in STREAMS.values() for each in _lookups(stream, name)}):
        # an update of a row says whose it is only where that has changed
        if parent := event.values.get(lookup):
            parents = [stream for stream, each in STREAMS.items() if lookup in _lookups(each, name)]
            found.append(_event(connection, header, parents, (parent,), f"{key}:{lookup}"))
    return found


def _event(
    connection: str, header: Header, streams: list[str], record_ids: tuple[str, ...], key: str
) -> InboxEvent:
    ids = tuple(dict.fromkeys(full_id(each) or each for each in record_ids))
    at = datetime.fromtimestamp(header.commit_timestamp / 1000, UTC)
    name = f"{header.entity_name}ChangeEvent.{header.change_type}"
    # no values of the record: they are not needed, and some are personal
    return InboxEvent(SOURCE, connection, name, tuple(streams), ids, msgspec.json.encode(header), key, at)


def _lookups(stream: SalesforceStream, name: str) -> list[str]:
    """The fields of an object by which its rows belong to a record of a stream."""
    return [each.lookup for each in stream.children.values() if each.shape.object == name]
