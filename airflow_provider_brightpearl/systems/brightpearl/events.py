"""Brightpearl's webhooks: the bodies that they send, the streams that they concern, and the subscriptions.

A webhook names records and shows nothing else of them; it is not signed, so the address it is sent to is a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from airflow_provider_brightpearl.core.inbox import InboxEvent
from airflow_provider_brightpearl.systems.brightpearl import idset
from airflow_provider_brightpearl.systems.brightpearl.streams.shipments import DROP_SHIP
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import RaisesEvents
from airflow_provider_brightpearl.systems.brightpearl.streams.table import streams

SOURCE = "brightpearl"
# of one webhook; Brightpearl joins some hundred
MOST_IDS = 10_000
_ID_SET = re.compile(r"\d{1,18}(-\d{1,18})?([,.]\d{1,18}(-\d{1,18})?)*", re.ASCII)
# where records of two kinds share a stream, one of them has ids with a prefix
_PREFIXES: Mapping[str, str] = {"drop-ship-note": DROP_SHIP}

VARIABLES: Mapping[str, str] = {
    "accountCode": "account-code", "resourceType": "resource-type", "id": "resource-id",
    "lifecycleEvent": "lifecycle-event", "fullEvent": "full-event", "raisedOn": "raised-on",
    "brightpearlVersion": "brightpearl-version",
}  # fmt: skip
"""The variables of a body, by the member that carries each."""


class _Body(msgspec.Struct, rename="camel"):
    account_code: str
    resource_type: str
    id: str | int
    lifecycle_event: str
    full_event: str = ""
    raised_on: str = ""


_decode = msgspec.json.Decoder(_Body).decode


def read_webhook(connection: str, account: str, body: bytes) -> InboxEvent:
    """The event of one webhook.

    Args:
        connection: id of the connection that it was sent for.
        account: code of the account that the connection leads to.
        body: as it was sent, rendered from ``VARIABLES``.

    Raises:
        ValueError: it is no such body, is of another account, or names too many records.
    """
    try:
        sent = _decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"the body is not that of a webhook: {error}") from None
    if sent.account_code != account:
        raise ValueError(f"it is sent by account {sent.account_code!r}, and the connection is of {account!r}")
    name = sent.full_event or f"{sent.resource_type}.{sent.lifecycle_event}"
    prefix = _PREFIXES.get(name.partition(".")[0], "")
    ids = tuple(f"{prefix}{number}" for number in _ids(str(sent.id)))
    return InboxEvent(
        SOURCE, connection, name, streams_of(name), ids, body, occurred_at=_instant(sent.raised_on)
    )


def streams_of(event: str) -> tuple[str, ...]:
    """The streams that an event concerns: those that name it, or else what comes closest to it above it."""
    found: dict[str, int] = {}
    for name, stream in streams().items():
        above = [each for each in getattr(stream, "events", ()) if covers(each, event)]
        if isinstance(stream, RaisesEvents) and above:
            found[name] = max(map(len, above))
    closest = max(found.values(), default=0)
    return tuple(name for name, length in found.items() if length == closest)


def covers(wide: str, event: str) -> bool:
    """Whether who subscribes to one event hears of another: of those below it too."""
    return event == wide or event.startswith(f"{wide}.")


def _ids(text: str) -> list[int]:
    if not _ID_SET.fullmatch(text):
        raise ValueError(f"id {text[:40]!r} is not an id set such as 1-3,7")
    ranges = list(idset.ranges(text))
    if sum(map(len, ranges)) > MOST_IDS:
        raise ValueError(f"id {text[:40]!r} names more than {MOST_IDS:,} records")
    return sorted({number for each in ranges for number in each})


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
