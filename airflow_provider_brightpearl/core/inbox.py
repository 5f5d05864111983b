"""Events that were received, and the records that they name; an event only says which record to read.

Records wait as a set, not as a queue: however many events name a record, it is read once for all that arrived before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

# characters of a body that are kept
LONGEST_BODY = 64 * 1024


class InboxState(StrEnum):
    """What becomes of a record that an event named.

    ``due``: to be processed. ``taken``: a run processes it. ``done``: processed since its last event. ``aside``: it
    failed too often, and a person has to look. ``ignored``: no flow reads its stream.
    """

    DUE = "due"
    TAKEN = "taken"
    DONE = "done"
    ASIDE = "aside"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, order=True)
class Topic:
    """What is processed together: a stream of the account that a connection leads to, for one flow that reads it.

    Args:
        source: the system that sends the events, such as ``brightpearl``.
        connection: id of the Airflow connection.
        stream: such as ``sales_orders``.
        flow: the flow that is to process it; empty as long as the records are not spread over their flows.
    """

    source: str
    connection: str
    stream: str
    flow: str = ""


@dataclass(frozen=True, slots=True)
class Listening:
    """What is processed together: flows, and the connection of each system whose events they wait for."""

    flows: frozenset[str]
    connections: Mapping[str, str]

    def takes(self, topic: Topic) -> bool:
        """Whether a topic is for these flows, or not yet spread."""
        mine = self.connections.get(topic.source) == topic.connection
        return mine and (not topic.flow or topic.flow in self.flows)


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """One event as it was received.

    Args:
        source: the system that sent it.
        connection: id of the connection that it was sent for.
        name: the vendor's name of it, such as ``order.modified.order-status``.
        streams: those that it concerns; none if the event is only to be kept.
        record_ids: the records that it names.
        body: as it was sent.
        key: the vendor's id of this event, None where it has none.
        occurred_at: when it happened as the vendor says, aware.
    """

    source: str
    connection: str
    name: str
    streams: tuple[str, ...]
    record_ids: tuple[str, ...]
    body: bytes = b""
    key: str | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventCursor:
    """How far the events of a topic are stored, where the vendor has them asked for from a place on.

    Args:
        source: the system that sends the events.
        connection: id of the connection that they are received by.
        topic: the vendor's name of what is subscribed to.
        position: the vendor's mark after which to go on, as text.
    """

    source: str
    connection: str
    topic: str
    position: str


@dataclass(frozen=True, slots=True)
class TakenRecord:
    """A record that a run has taken.

    ``received_at`` is when the first event arrived since the record was last processed, ``event`` the name of that
    event; ``attempts`` counts this take.
    """

    record_id: str
    event: str
    received_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Take:
    """Records of a topic that one run has taken, in the order of their arrival; ``token`` names the take.

    All of them have failed as often before. There is at least one.
    """

    topic: Topic
    run: str
    token: str
    records: tuple[TakenRecord, ...]

    @property
    def failures(self) -> int:
        """How often each of the records has failed before."""
        return self.records[0].attempts - 1

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(each.record_id for each in self.records)


@dataclass(frozen=True, slots=True)
class InboxCount:
    """How many records of a topic are in a state, and when the first event of the oldest of them arrived."""

    topic: Topic
    state: InboxState
    records: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class EventDay:
    """What events did for a flow on a day of UTC.

    Args:
        day: the day.
        flow: the flow.
        processed: records that were processed because of events.
        changed: records that scheduled runs have written,
        missed: and those of them that no event had told of.
        latency: how many records waited how long, from the first event to the end of their run; see ``core.latency``.
    """

    day: date
    flow: str
    processed: int = 0
    changed: int = 0
    missed: int = 0
    latency: Mapping[int, int] = field(default_factory=dict)

    @property
    def missed_share(self) -> float:
        """Records that only scheduled runs found, of all that changed."""
        return self.missed / ((self.processed + self.missed) or 1)


@dataclass(frozen=True, slots=True)
class Received:
    """How many events of a system were received for a connection on a day of UTC."""

    day: date
    source: str
    connection: str
    events: int


@dataclass(frozen=True, slots=True)
class InboxPolicy:
    """When a record that failed is tried again, and when it is set aside.

    Args:
        tries: it is set aside after so many.
        first: the distance to the second try, doubled for each further one,
        longest: up to this.
        length: a run that does not renew its take for so long counts as dead.
    """

    tries: int = 8
    first: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(hours=1)
    length: timedelta = timedelta(minutes=15)

    def together(self, limit: int, failures: int) -> int:
        """How many records are taken together that have failed so often: a tenth for each time, at last one alone."""
        return max(1, int(limit // 10**failures))

    def next_try(self, attempts: int, now: datetime) -> datetime:
        """When it is tried again after so many attempts."""
        return now + min(self.first * (1 << (attempts - 1)), self.longest)
