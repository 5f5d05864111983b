"""Topics and schemas of the org, who may use them, and the faults of calls."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...rule_uses import RuleUses
from ..change_log import Event
from ..errors import ApiError
from ..org import Org
from ..sessions import Sessions
from . import avro
from .errors import PubSubError

if TYPE_CHECKING:
    import grpc

_REPLAY_ID = struct.Struct(">QH")  # opaque to clients
_FAULT_KEYS = {"rpc", "code", "status", "message", "after_events", "skip", "times"}


def replay_bytes(replay_id: int) -> bytes:
    """A replay id as clients see it."""
    return _REPLAY_ID.pack(replay_id, 0)


class Topics:
    """What calls need of the org; the caller holds its lock.

    Args:
        org: the org.
        sessions: its sessions.
    """

    def __init__(self, org: Org, sessions: Sessions) -> None:
        self.org, self._sessions = org, sessions
        self._schemas: dict[str, avro.Schema] = {}  # every one that a client may have seen
        self._current: dict[str, tuple[object, str]] = {}
        self._uses = RuleUses()

    def clear(self) -> None:
        """Forget the uses of faults."""
        self._uses.clear()

    def user(self, context: grpc.ServicerContext) -> str:
        """The user of a call. Raises: PubSubError."""
        given = {name: value for name, value in context.invocation_metadata()}
        for name in ("accesstoken", "instanceurl", "tenantid"):
            if not given.get(name):
                raise PubSubError(
                    "service.auth.headers.invalid", f"The auth header {name} is missing or blank."
                )
        if given["tenantid"] != self.org.organization:
            raise PubSubError(
                "service.auth.headers.invalid", "tenantid is not the 18-character ID of the org."
            )
        if not given["instanceurl"].startswith(("http://", "https://")):
            raise PubSubError("service.auth.headers.invalid", "instanceurl is not a URL.")
        try:
            return self._sessions.user_of(f"Bearer {given['accesstoken']}")
        except ApiError:
            raise PubSubError("service.auth.error", "An authentication exception occurred.") from None

    def check_topic(self, topic: str) -> None:
        """Raises: PubSubError if the topic does not exist."""
        if not topic:
            raise PubSubError("topic.validation.empty", "The topic name is blank.")
        if not self.org.change_log.is_channel(topic):
            raise PubSubError("topic.not.found", f"The topic {topic} does not exist.")

    def fault(self, rpc: str) -> dict[str, Any] | None:
        """The fault of a call, counted as used; None if there is none. Raises: ValueError for a bad rule."""
        rules = self.org.settings["pubsub_faults"]
        for rule in rules if isinstance(rules, list) else ():
            if not isinstance(rule, dict) or set(rule) - _FAULT_KEYS:
                raise ValueError(f"pubsub fault {rule}: its keys are {', '.join(sorted(_FAULT_KEYS))}")
            if rule.get("rpc", rpc) == rpc and self._uses.take(rule):
                return dict(rule)
        return None

    def schema_of_topic(self, topic: str) -> str:
        """The id of a topic's schema; empty for a channel of several objects."""
        log = self.org.change_log
        names = (*log.selected(), *log.platform_events())
        found = next((name for name in names if log.channel_of(name) == topic), None)
        return "" if found is None else self._schema_of(found)

    def _schema_of(self, name: str) -> str:
        fields = self.org.change_log.platform_events().get(name)
        basis: object = fields if fields is not None else self.org.schema.entities[name]
        known = self._current.get(name)
        if known is None or known[0] is not basis:
            made = (
                avro.platform_event_schema(name, fields)
                if fields is not None
                else avro.change_event_schema(self.org.schema.entities[name])
            )
            id = avro.schema_id(made)
            self._schemas[id] = made
            self._current[name] = known = (basis, id)
        return known[1]

    def schema(self, id: str) -> avro.Schema:
        """A schema. Raises: PubSubError if there is none with this id."""
        if not id:
            raise PubSubError("schema.validation.failed", "The schema ID is blank.")
        if id not in self._schemas:
            raise PubSubError("schema.meta.permission", f"There is no schema with the ID {id}.")
        return self._schemas[id]

    def schema_json(self, id: str) -> str:
        """The text of a schema. Raises: PubSubError."""
        return json.dumps(self.schema(id))

    def encoded(self, events: Iterable[Event]) -> list[tuple[Event, str, bytes]]:
        """Events with the id of their schema, and their payload."""
        found = []
        for event in events:
            header: Any = event.payload.get("ChangeEventHeader")
            name = header["entityName"] if header else event.channel.rpartition("/")[2]
            id = self._schema_of(name)
            found.append((event, id, avro.encode(self._schemas[id], event.payload)))
        return found

    def start(self, topic: str, preset: str, replay_id: bytes) -> int:
        """The replay id after which a subscription begins. Raises: PubSubError."""
        log = self.org.change_log
        if preset == "LATEST":
            return log.newest
        if preset == "EARLIEST":
            return -2
        if not replay_id:
            raise PubSubError(
                "subscription.fetch.replayid.validation.failed", "The Replay ID is required with CUSTOM."
            )
        if len(replay_id) == _REPLAY_ID.size:
            number, _ = _REPLAY_ID.unpack(replay_id)
            if not log.has_expired(number):
                return int(number)
        raise PubSubError("subscription.fetch.replayid.corrupted", "The Replay ID validation failed.")
