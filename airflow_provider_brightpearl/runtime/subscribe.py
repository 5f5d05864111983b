"""Stores the change events of Salesforce in the inbox, for as long as it runs."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from airflow_provider_brightpearl.core.inbox import EventCursor, InboxEvent
from airflow_provider_brightpearl.core.ports.inbox import Inbox
from airflow_provider_brightpearl.core.retry import Backoff, delay
from airflow_provider_brightpearl.errors import RetryLater
from airflow_provider_brightpearl.systems.salesforce.change_events import (
    SOURCE,
    inbox_events,
    parse_schema,
    read_payload,
)
from airflow_provider_brightpearl.systems.salesforce.subscription import (
    Access,
    Batch,
    ReplayIdRefused,
    SentEvent,
    batches,
)

log = logging.getLogger(__name__)


@dataclass
class Subscriber:
    """Subscribes to a topic, and stores what it brings before it asks for more.

    Args:
        connection: id of the connection.
        topic: such as ``/data/ChangeEvents``.
        inbox: where events are stored, together with how far they are.
        login: makes a login; called before each stream.
        backoff: the time between two streams; it is never given up.
    """

    connection: str
    topic: str
    inbox: Inbox
    login: Callable[[], Access]
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        self._schemas: dict[str, str] = {}
        self._parsed: dict[str, Any] = {}
        self._lost = False
        self._broken = 0

    async def run(self) -> NoReturn:
        """Goes on after the last event that is stored, stream after stream.

        Raises:
            CredentialsRefused: the login was refused.
            Misconfigured: there is no such topic, or the user may not read it.
        """
        while True:
            try:
                await self._stream()
            except ReplayIdRefused as error:
                self._lost = True
                log.warning(
                    "%s of %s: events were missed, which the next scheduled runs find; going on with new ones: %s",
                    self.topic, self.connection, error,
                )  # fmt: skip
            except RetryLater as error:
                self._broken += 1
                wait = delay(self.backoff, min(self._broken, 20), random.random())  # noqa: S311 - spreads calls
                log.warning(
                    "%s of %s: subscribed to again in %.1f s: %s", self.topic, self.connection, wait, error
                )
                await asyncio.sleep(wait)

    async def _stream(self) -> None:
        access = await asyncio.to_thread(self.login)
        after = None if self._lost else await asyncio.to_thread(self._position)
        log.info("%s of %s: subscribing", self.topic, self.connection)
        async for batch in batches(access, self.topic, after, self._schemas):
            await asyncio.to_thread(self._store, batch, access.own_client)
            self._lost, self._broken = False, 0

    def _position(self) -> bytes | None:
        found = self.inbox.position(SOURCE, self.connection, self.topic)
        return bytes.fromhex(found) if found else None

    def _store(self, batch: Batch, own_client: str) -> None:
        events = [found for sent in batch.events for found in self._read(sent, own_client)]
        cursor = EventCursor(SOURCE, self.connection, self.topic, batch.replay_id.hex())
        self.inbox.store(events, cursor)

    def _read(self, sent: SentEvent, own_client: str) -> list[InboxEvent]:
        try:
            if sent.schema_id not in self._parsed:
                self._parsed[sent.schema_id] = parse_schema(sent.schema)
            event = read_payload(self._parsed[sent.schema_id], sent.payload)
        except ValueError as error:
            # kept, so that a person can see it; it must not hold up those after it
            log.error("%s of %s: an event cannot be read: %s", self.topic, self.connection, error)
            body = json.dumps({"error": str(error), "schema": sent.schema_id}).encode()
            return [InboxEvent(SOURCE, self.connection, "unreadable", (), (), body)]
        if event.header.is_partial:
            log.warning(
                "%s of %s: %s of %s does not say which records have changed; the next scheduled runs find them",
                self.topic, self.connection, event.header.change_type, event.header.entity_name,
            )  # fmt: skip
        return inbox_events(self.connection, event, own_client)
