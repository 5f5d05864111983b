"""Webhooks of the shop, signed with its client secret over the raw body."""

from __future__ import annotations

import base64
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
from .settings import DOMAIN

VERSION = "2025-01"
TOPICS = ("orders/create", "orders/updated", "orders/fulfilled", "fulfillments/create", "fulfillments/update")


@dataclass(slots=True)
class Webhook(Delivery):
    """One webhook; its event is its topic, and its id stays the same when it is repeated."""

    hook: Record
    body: bytes
    secret: str
    triggered_at: str
    webhook_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def request(self) -> Outgoing:
        """The webhook with its signature."""
        digest = hmac.new(self.secret.encode(), self.body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": self.event,
            "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
            "X-Shopify-Shop-Domain": DOMAIN,
            "X-Shopify-API-Version": VERSION,
            "X-Shopify-Webhook-Id": self.webhook_id,
            "X-Shopify-Event-Id": self.event_id,
            "X-Shopify-Triggered-At": self.triggered_at,
        }
        return Outgoing("POST", str(self.hook["address"]), self.body, headers)


class Webhooks:
    """The deliveries of the shop."""

    def __init__(self, shop: RecordSystem) -> None:
        self._shop = shop
        self._deliveries = Deliveries[Webhook](shop.settings, "webhook", _retries, self._record)

    def clear(self) -> None:
        """Forget everything that was not delivered."""
        self._deliveries.clear()

    def announce(self, topic: str, record: Record) -> None:
        """Deliver a record, as it is now, to the subscribers of a topic."""
        secret, body = str(self._shop.settings["client_secret"]), orjson.dumps(record)
        event_id = str(uuid.uuid4())
        for hook in list(self._shop.records["webhooks"].values()):
            if hook["topic"] == topic:
                one = Webhook(dict(hook), body, secret, self._shop.now(), event_id=event_id, event=topic)
                self._deliveries.put(one)

    def _record(self, one: Webhook, row: dict[str, Any]) -> None:
        known = {"webhook_id": one.webhook_id, "event_id": one.event_id, "topic": one.event}
        self._shop.add("deliveries", {**known, "at": self._shop.now(), **row})
        if row.get("last") and row["fault"] != "lose" and not 200 <= row["status"] < 300:
            self._shop.records["webhooks"].pop(int(one.hook["id"]), None)  # as documented


def _retries(one: Webhook, status: int) -> bool:
    """Anything but a success is repeated, redirects included."""
    return not 200 <= status < 300
