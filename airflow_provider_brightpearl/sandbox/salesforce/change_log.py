"""Change events and platform events: what was committed, in order, for the channels that the settings select.

Reference, sections 5.1 and 5.2. Several channels may hold the same event.
"""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ..settings import int_setting, list_setting
from .compound_fields import dotted, nested
from .store import Row

if TYPE_CHECKING:
    from .org import Org

ALL = "/data/ChangeEvents"
OVERFLOW = "GAP_OVERFLOW"
KINDS = ("CREATE", "UPDATE", "DELETE", "UNDELETE")
GAPS = tuple(f"GAP_{kind}" for kind in KINDS)
_SYSTEM = ("Id", "IsDeleted", "SystemModstamp")
_STAMPS = ("LastModifiedById", "CreatedById")  # of a change they are in the header


@dataclass(frozen=True, slots=True)
class Event:
    """One event, with the id to resume after it; `uuid` stays that of the first delivery when it is repeated."""

    replay_id: int
    channel: str
    at: float
    payload: dict[str, object]
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class ChangeLog:
    """The events of an org; a transaction that is undone takes its events with it."""

    org: Org
    events: list[Event] = field(default_factory=list)
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
        """The channel of an object or platform event."""
        if name.endswith("__e"):
            return f"/event/{name}"
        if name.endswith("__c"):
            return f"/data/{name.removesuffix('__c')}__ChangeEvent"
        return f"/data/{name}ChangeEvent"

    def selected(self) -> list[str]:
        """The objects with change events: those of the default channel, and those of channels of one's own."""
        own = self._own_channels().values()
        return [*list_setting(self.org.settings, "change_events"), *(name for names in own for name in names)]

    def platform_events(self) -> Mapping[str, Mapping[str, str]]:
        """The fields of each platform event, with their types."""
        found = self.org.settings["platform_events"]
        return found if isinstance(found, dict) else {}

    def is_channel(self, channel: str) -> bool:
        """True if the channel exists."""
        names = (*self.selected(), *self.platform_events())
        return channel in (ALL, *self._own_channels(), *(self.channel_of(name) for name in names))

    def _own_channels(self) -> dict[str, list[str]]:
        found = self.org.settings["event_channels"]
        own = found if isinstance(found, dict) else {}
        return {f"/data/{name}": [str(member) for member in members] for name, members in own.items()}

    def _members(self, channel: str) -> set[str]:
        """The channels of objects that a channel brings together."""
        if channel == ALL:
            return {self.channel_of(name) for name in list_setting(self.org.settings, "change_events")}
        own = self._own_channels().get(channel)
        return {channel} if own is None else {self.channel_of(name) for name in own}

    def record(self, name: str, kind: str, row: Row, changes: Row) -> Callable[[], object] | None:
        """Add the event of a change; gives what takes it back, or None where the object has no events."""
        if name not in self.selected():
            return None
        entity = self.org.schema.entities[name]
        left_out = _SYSTEM if kind == "CREATE" else (*_SYSTEM, *_STAMPS)
        shown = {
            key: _json_number(value)
            for key, value in changes.items()
            if key in entity.fields and key not in left_out and not entity.fields[key].computed
        }
        if kind == "UPDATE" and set(shown) <= {"LastModifiedDate"}:
            return None  # nothing but the stamp, as before a deletion
        changed = sorted(shown) if kind == "UPDATE" else []
        user = changes.get("LastModifiedById") or row.get("LastModifiedById") or self.org.user
        header = self._header(name, kind, [row["Id"]], str(user)) | {
            "nulledFields": [dotted(entity, key) for key in changed if shown[key] is None],
            "changedFields": [dotted(entity, key) for key in changed],
        }
        values = {} if kind == "DELETE" else {key: value for key, value in shown.items() if value is not None}
        self._add(self.channel_of(name), {"ChangeEventHeader": header, **nested(entity, values)})
        return self.events.pop

    def _header(self, name: str, kind: str, ids: list[str], user: str) -> dict[str, object]:
        self._in_transaction += 1
        return {
            "entityName": name,
            "recordIds": ids,
            "changeType": kind,
            "changeOrigin": self.origin,
            "transactionKey": self.transaction,
            "sequenceNumber": self._in_transaction,
            "commitTimestamp": int(self.org.clock.now().timestamp() * 1000),
            "commitNumber": 1_000_001 + self._replay_id,
            "commitUser": user,
            "nulledFields": [],
            "diffFields": [],
            "changedFields": [],
        }

    def _add(self, channel: str, payload: dict[str, object]) -> Event:
        self._replay_id += 1
        self.events.append(Event(self._replay_id, channel, self.org.clock.seconds(), payload))
        return self.events[-1]

    def announce(self, name: str, kind: str, ids: list[str], times: int = 1) -> None:
        """Add events without a body, such as gap events, which no write caused.

        Raises:
            ValueError: the object has no change events, or there is no such kind.
        """
        if name not in self.selected():
            raise ValueError(f"{name} has no change events; the settings select {self.selected()}")
        if kind not in (*KINDS, *GAPS, OVERFLOW):
            raise ValueError(f"kind must be one of {', '.join((*KINDS, *GAPS, OVERFLOW))}")
        self.begin("")
        for _ in range(times):
            header = self._header(name, kind, ids, self.org.user)
            self._add(self.channel_of(name), {"ChangeEventHeader": header})

    def publish(self, name: str, values: Mapping[str, object], user: str) -> Event:
        """Add a platform event. Raises: ValueError for an unknown event or field."""
        fields = self.platform_events().get(name)
        if fields is None:
            raise ValueError(f"{name} is not a platform event")
        if unknown := set(values) - {*fields, "CreatedDate", "CreatedById"}:
            raise ValueError(f"{name} has no field {sorted(unknown)[0]}")
        created = int(self.org.clock.now().timestamp() * 1000)
        return self._add(self.channel_of(name), {"CreatedDate": created, "CreatedById": user, **values})

    def repeat(self, count: int) -> None:
        """Deliver the newest events once more, under new replay ids."""
        for event in self.events[-count:] if count else ():
            again = self._add(event.channel, event.payload)
            self.events[-1] = replace(again, uuid=event.uuid)

    def after(self, channel: str, replay_id: int) -> Iterator[Event]:
        """The events of a channel after one; -2: all that are kept."""
        members, oldest = self._members(channel), self._oldest()
        first = bisect_right(self.events, replay_id, key=lambda event: event.replay_id)
        for place in range(first, len(self.events)):
            event = self.events[place]
            if event.at >= oldest and event.channel in members:
                yield event

    @property
    def newest(self) -> int:
        """The replay id of the newest event."""
        return self._replay_id

    def has_expired(self, replay_id: int) -> bool:
        """True if the event of a replay id, or the one after it, is no longer kept."""
        if replay_id > self._replay_id or replay_id < 0:
            return True
        oldest = self._oldest()
        return any(event.replay_id == replay_id and event.at < oldest for event in self.events)

    def _oldest(self) -> float:
        return self.org.clock.seconds() - int_setting(self.org.settings, "event_retention_seconds")


def _json_number(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value
