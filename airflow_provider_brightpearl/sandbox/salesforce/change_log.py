"""Change events: what was committed, in order, for the objects that the settings select (reference, section 5.2)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..settings import list_setting
from ..system import json_value
from .store import Row

if TYPE_CHECKING:
    from .org import Org

RETENTION_SECONDS = 72 * 3600
ALL = "/data/ChangeEvents"
_SYSTEM = ("Id", "IsDeleted", "SystemModstamp", "LastModifiedById", "CreatedById")


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One event, with the id to resume after it."""

    replay_id: int
    channel: str
    at: float
    payload: dict[str, object]


@dataclass(slots=True)
class ChangeLog:
    """The events of an org; a transaction that is undone takes its events with it."""

    org: Org
    events: list[ChangeEvent] = field(default_factory=list)
    origin: str = ""  # of the request that is being served
    transaction: str = ""
    _replay_id: int = 0
    _in_transaction: int = 0

    def clear(self) -> None:
        """Forget all events."""
        self.events.clear()

    def begin(self, origin: str) -> None:
        """Note where the changes that follow come from."""
        self.origin, self.transaction = origin, str(uuid.uuid4())
        self._in_transaction = 0

    def channel_of(self, name: str) -> str:
        """The channel of an object."""
        return (
            f"/data/{name.removesuffix('__c')}__ChangeEvent"
            if name.endswith("__c")
            else f"/data/{name}ChangeEvent"
        )

    def is_channel(self, channel: str) -> bool:
        """True if the channel exists."""
        selected = list_setting(self.org.settings, "change_events")
        return channel in (ALL, *(self.channel_of(name) for name in selected))

    def record(self, name: str, kind: str, row: Row, changes: Row) -> Callable[[], object] | None:
        """Add the event of a change; gives what takes it back, or None where the object has no events."""
        if name not in list_setting(self.org.settings, "change_events"):
            return None
        entity = self.org.schema.entities[name]
        names = [key for key in changes if key in entity.fields and key not in _SYSTEM]
        if kind == "UPDATE" and set(names) <= {"LastModifiedDate"}:
            return None  # nothing but the stamp, as before a deletion
        shown = {key: json_value(changes[key]) for key in names}
        changed = sorted(shown) if kind == "UPDATE" else []
        self._replay_id += 1
        self._in_transaction += 1
        header: dict[str, object] = {
            "entityName": name,
            "recordIds": [row["Id"]],
            "changeType": kind,
            "changeOrigin": self.origin,
            "transactionKey": self.transaction,
            "sequenceNumber": self._in_transaction,
            "commitTimestamp": int(self.org.clock.now().timestamp() * 1000),
            "commitNumber": 1_000_000 + self._replay_id,
            "commitUser": changes.get("LastModifiedById") or row.get("LastModifiedById") or self.org.user,
            "nulledFields": [key for key in changed if shown[key] is None],
            "diffFields": [],
            "changedFields": changed,
        }
        values = {key: value for key, value in shown.items() if value is not None}
        self.events.append(
            ChangeEvent(
                self._replay_id,
                self.channel_of(name),
                self.org.clock.seconds(),
                {"ChangeEventHeader": header, **({} if kind == "DELETE" else values)},
            )
        )
        return self.events.pop

    def after(self, channel: str, replay_id: int) -> Iterator[ChangeEvent]:
        """The events of a channel after one; -2: all that are kept."""
        oldest = self.org.clock.seconds() - RETENTION_SECONDS
        for event in self.events:
            if event.replay_id > replay_id and event.at >= oldest and channel in (ALL, event.channel):
                yield event

    @property
    def newest(self) -> int:
        """The replay id of the newest event."""
        return self._replay_id

    def has_expired(self, replay_id: int) -> bool:
        """True if the event of a replay id, or the one after it, is no longer kept."""
        if replay_id > self._replay_id or replay_id < 0:
            return True
        oldest = self.org.clock.seconds() - RETENTION_SECONDS
        return any(event.replay_id == replay_id and event.at < oldest for event in self.events)
