"""An org of the sandbox, and an inbox that hears of its changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.runtime.subscribe import Subscriber
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.inbox import SqlInbox
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.subscription import ALL_CHANGES, Access
from tests.sandbox.salesforce_org import Api
from tests.systems.live import salesforce

SOON = Backoff(first=0.01, longest=0.01)
OBJECTS = ["Account", "Order", "OrderItem"]
CONNECTION = "salesforce_default"


class Place:
    """An org, and an inbox that hears of its changes."""

    def __init__(self, sandbox: Sandbox, engine: Engine) -> None:
        self.sandbox, self.engine, self.inbox = sandbox, engine, SqlInbox(engine)
        self.settings(change_events=OBJECTS, pubsub_faults=[])
        self.api = Api(sandbox)
        self.logins = 0

    def settings(self, **values: Any) -> None:
        self.sandbox.control("POST", "/settings/salesforce", values)

    def login(self) -> Access:
        self.logins += 1
        client = salesforce(self.sandbox)
        organization = full_id(client.organization_id())
        assert organization is not None
        endpoint = f"http://{self.sandbox.pubsub()['address']}"
        return Access(endpoint, client.sf.session_id, self.sandbox.url, organization, "ours")

    def account(self, name: str = "Ünit", client: str = "") -> str:
        headers = {"Sforce-Call-Options": f"client={client}"} if client else {}
        answer = self.api("POST", "sobjects/Account", {"Name": name}, headers=headers)
        return str(answer.json()["id"])

    def subscriber(self, topic: str = ALL_CHANGES) -> Subscriber:
        return Subscriber(CONNECTION, topic, self.inbox, self.login, SOON)

    def position(self) -> str | None:
        return self.inbox.position("salesforce", CONNECTION, ALL_CHANGES)

    def events(self) -> list[tuple[str, str]]:
        """Names and keys of what was stored, in its order."""
        query = sa.select(tables.inbox_event).order_by(tables.inbox_event.c.received_at)
        with reading(self.engine) as connection:
            return [(row.name, row.key) for row in connection.execute(query)]

    def due(self) -> set[tuple[str, str]]:
        with reading(self.engine) as connection:
            query = sa.select(tables.inbox.c.stream, tables.inbox.c.record_id)
            return {(row.stream, row.record_id) for row in connection.execute(query)}

    def rename(self, table: str, name: str) -> None:
        with writing(self.engine) as connection:
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")

    def listen(self, until: Callable[[], object], subscriber: Subscriber | None = None) -> None:
        """Subscribes until something is so; then it is cut off, wherever it is."""

        async def both() -> None:
            running = asyncio.create_task((subscriber or self.subscriber()).run())
            try:
                for _ in range(1000):
                    if running.done() or await asyncio.to_thread(lambda: bool(until())):
                        break
                    await asyncio.sleep(0.02)
                else:
                    raise AssertionError(f"it did not happen; stored: {self.events()}")
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

        asyncio.run(both())

    def begin(self) -> None:
        """Moves the cursor to now: by an event, as what was committed before a first subscription is not sent."""
        self.settings(pubsub_keepalive_seconds=0.05)
        self.listen(self.position)
        self.settings(pubsub_keepalive_seconds=270.0)
