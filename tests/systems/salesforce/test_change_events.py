"""Change events: the streams and records that they concern, and what is kept of them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import fastavro
import msgspec
import pytest

from airflow_provider_brightpearl.systems.salesforce.change_events import (
    ChangeEvent,
    Header,
    inbox_events,
    read_payload,
)

HEADER: dict[str, Any] = {
    "entityName": "Account", "recordIds": ["0015g00000XyZaBAAV"], "changeType": "UPDATE",
    "changeOrigin": "com/salesforce/api/rest/62.0;client=acme", "transactionKey": "0002-77", "sequenceNumber": 2,
    "commitTimestamp": 1_774_000_000_250, "commitUser": "0055g00000AbCdEAAV",
}  # fmt: skip
NAMES: dict[str, Any] = {"recordIds": {"type": "array", "items": "string"}, "sequenceNumber": "int"}
NAMES |= {"commitTimestamp": "long"}
SCHEMA = fastavro.parse_schema({
    "type": "record", "name": "AccountChangeEvent", "fields": [
        {"name": "ChangeEventHeader", "type": {"type": "record", "name": "Header", "fields": [
            {"name": name, "type": NAMES.get(name, "string")} for name in HEADER
        ]}},
        {"name": "Name", "type": ["null", "string"]},
    ],
})  # fmt: skip


def change(values: dict[str, Any] | None = None, **header: Any) -> ChangeEvent:
    return ChangeEvent(msgspec.convert({**HEADER, **header}, Header), values or {})


def test_a_payload_names_its_records_and_none_of_its_values_is_kept() -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, {"ChangeEventHeader": HEADER, "Name": "Jane Doe"})
    (event,) = inbox_events("org", read_payload(SCHEMA, out.getvalue()))
    assert ("salesforce", "org", "AccountChangeEvent.UPDATE") == (event.source, event.connection, event.name)
    assert (("accounts",), ("0015g00000XyZaBAAV",)) == (event.streams, event.record_ids)
    assert "0002-77:2:Account:UPDATE" == event.key
    assert datetime(2026, 3, 20, 9, 46, 40, 250_000, tzinfo=UTC) == event.occurred_at
    assert b"Jane" not in event.body and b"0015g00000XyZaBAAV" in event.body


@pytest.mark.parametrize("payload", [b"", b"\xff" * 40])
def test_a_payload_that_does_not_fit_its_schema_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="does not fit its schema"):
        read_payload(SCHEMA, payload)


def test_a_platform_event_is_refused() -> None:
    schema = fastavro.parse_schema({"type": "record", "name": "A__e", "fields": []})
    with pytest.raises(ValueError, match="not that of a change event"):
        read_payload(schema, b"")


def test_only_changes_by_our_own_client_are_left_out() -> None:
    assert [] == inbox_events("org", change(), "acme")
    assert inbox_events("org", change(), "acm")
    assert inbox_events("org", change(changeOrigin="com/salesforce/api/rest/62.0"), "acme")
    assert inbox_events("org", change())


def test_a_row_concerns_the_record_that_it_says_it_belongs_to() -> None:
    item = {"entityName": "OrderItem", "recordIds": ["8025g00000XyZaBAAV"]}
    alone, whole = inbox_events("org", change({"OrderId": "8015g00000XyZaB"}, **item))
    assert ((), ("8025g00000XyZaBAAV",)) == (alone.streams, alone.record_ids)
    assert (("orders", "reduction_orders"), ("8015g00000XyZaBAAV",)) == (whole.streams, whole.record_ids)
    assert alone.key != whole.key
    assert 1 == len(inbox_events("org", change({"OrderId": None, "Quantity": 2.0}, **item)))


@pytest.mark.parametrize(
    "header",
    [
        {"changeType": "GAP_OVERFLOW", "recordIds": ["001000000000000AAA"]},
        {"changeType": "GAP_UPDATE", "recordIds": ["001*"]},
    ],
)
def test_a_gap_that_does_not_say_which_records_names_none(header: dict[str, Any]) -> None:
    event = change(**header)
    assert event.header.is_partial
    assert [()] == [each.record_ids for each in inbox_events("org", event)]


def test_a_gap_that_names_its_records_is_read_by_them() -> None:
    assert not change(changeType="GAP_CREATE").header.is_partial
    assert [("0015g00000XyZaBAAV",)] == [
        each.record_ids for each in inbox_events("org", change(changeType="GAP_CREATE"))
    ]
