"""Confirmations of the carrier: JSON, signed over time and raw body."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..deliveries import Deliveries, Delivery
from ..outgoing import Outgoing
from ..record_system import RecordSystem
from ..system import Record


@dataclass(slots=True)
class Confirmation(Delivery):
    """One confirmation; its id stays the same when it is repeated."""

    url: str
    body: bytes
    secret: str
    timestamp: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def request(self) -> Outgoing:
        """The confirmation with its signature."""
        signed = self.timestamp.encode() + b"." + self.body
        digest = hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Carrier-Event": self.event,
            "X-Carrier-Delivery": self.id,
            "X-Carrier-Timestamp": self.timestamp,
            "X-Carrier-Signature": f"sha256={digest}",
        }
        return Outgoing("POST", self.url, self.body, headers)


class Confirmations:
    """The deliveries of the carrier."""

    def __init__(self, carrier: RecordSystem) -> None:
        self._carrier = carrier
        self._deliveries = Deliveries[Confirmation](carrier.settings, "webhook", _retries, self._record)

    def clear(self) -> None:
        """Forget everything that was not delivered."""
        self._deliveries.clear()

    def announce(self, event: str, shipment: Record) -> None:
        """Deliver a shipment, as it is now, to the receivers of an event."""
        receivers = self._carrier.settings["receivers"]
        secret, now = str(self._carrier.settings["secret"]), self._carrier.now()
        timestamp = str(int(self._carrier.clock.now().timestamp()))
        body = {"event": event, "event_id": str(uuid.uuid4()), "occurred_at": now, "shipment": shipment}
        for receiver in receivers if isinstance(receivers, list) else ():
            if event in receiver.get("events", [event]):
                one = Confirmation(str(receiver["url"]), orjson.dumps(body), secret, timestamp, event=event)
                self._deliveries.put(one)

    def _record(self, one: Confirmation, row: dict[str, Any]) -> None:
        self._carrier.add(
            "deliveries", {"event": one.event, "delivery": one.id, "at": self._carrier.now(), **row}
        )


def _retries(one: Confirmation, status: int) -> bool:
    """No answer, 429 and 5xx are repeated."""
    return status in (0, 429) or status >= 500
