"""An account of the sandbox, and sinks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange, RowResult
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient, MessageAnswer
from airflow_provider_brightpearl.systems.brightpearl.sink import BrightpearlSink
from airflow_provider_brightpearl.systems.http.quota import LocalBudget
from tests.systems.infor.m3 import change, record
from tests.systems.live import FastClock

__all__ = ["Merchant", "change", "flow", "record", "with_ids"]


def flow(text: str) -> FlowSpec:
    return parse_flow(text, "test.yaml")


class Listening(BrightpearlClient):
    """A client that keeps the messages it sends."""

    sent: list[tuple[str, str, Any]]

    def multi_message(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> list[MessageAnswer]:
        self.sent += [(each["httpMethod"], each["uri"], each.get("body")) for each in messages]
        return super().multi_message(messages, **options)


@dataclass
class Merchant:
    """One sandbox with the intents of a test; ``sent`` are the messages that change something."""

    sandbox: Sandbox
    intents: SqlIntents
    sent: list[tuple[str, str, Any]] = field(default_factory=list)

    def client(self, **options: Any) -> Listening:
        clock = FastClock()
        given = {"budget": LocalBudget(), "sleep": clock.sleep, "now": clock.now, "settle_seconds": 0.0}
        auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
        client = Listening(self.sandbox.url, "acmetest", auth, **{**given, **options})
        client.sent = []
        return client

    def sink(self, spec: FlowSpec, run: str = "run1", **options: Any) -> BrightpearlSink:
        return BrightpearlSink(self.client(**options), spec, self.intents, run)

    def write(self, spec: FlowSpec, records: Sequence[RecordChange], **options: Any) -> list[RowResult]:
        """Results; ``sent`` and ``calls`` are those of this write."""
        sink = self.sink(spec, **options)
        results = []
        try:
            for answered in sink.write(records):
                results += answered
        finally:
            assert isinstance(sink.client, Listening)
            self.sent = [each for each in sink.client.sent if each[0] != "GET"]
            self.calls, self.fewest = sink.calls, sink.min_calls(records)
        return results

    def rows(self, collection: str, key: str = "id") -> dict[str, dict[str, Any]]:
        return {str(row[key]): row for row in self.sandbox.snapshot("brightpearl", collection)}

    def fault(self, **rule: object) -> None:
        self.sandbox.control("POST", "/faults", {"system": "brightpearl", **rule})

    def switch(self, **settings: object) -> None:
        self.sandbox.control("POST", "/settings/brightpearl", settings)


def with_ids(sent: RecordChange, results: Sequence[RowResult]) -> RecordChange:
    """A record whose rows are bound to what a first write returned."""
    ids = {(each.object, each.key): each.target_id for each in results}

    def bound(each: Change) -> Change:
        return replace(each, target_id=ids[each.object, each.key])

    return replace(sent, changes=tuple(map(bound, sent.changes)))
