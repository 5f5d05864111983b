"""Processes the records that events named: takes them from the inbox and runs their flows by id, until none is left."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import count

from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.inbox import Listening, Take, Topic
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.reports import Report
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    LeaseLost,
    Misconfigured,
    RetryLater,
    SchemaMismatch,
    SyncError,
    TooManyRefused,
)
from airflow_provider_brightpearl.flow.identity import key_is_id
from airflow_provider_brightpearl.flow.load import load_flows
from airflow_provider_brightpearl.flow.order import in_order
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.runtime.beat import beating
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.dead_letters import WAITING
from airflow_provider_brightpearl.stores.desk import LetterFilter, SqlDesk
from airflow_provider_brightpearl.stores.event_days import SqlEventDays
from airflow_provider_brightpearl.stores.inbox import SqlInbox
from airflow_provider_brightpearl.stores.leases import SqlLeases
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.http.secrets import redacted

log = logging.getLogger(__name__)

# what keeps a run from its end whatever its records are
_OF_SYSTEMS = (RetryLater, CredentialsRefused, Misconfigured, SchemaMismatch)
# records of one run that have not failed before
_RECORDS = 1_000
# seconds between two looks into the inbox while nothing is due
_LOOK = 0.2
# seconds after which what has nothing to do with the records is tried again: another run, a system, a flow file
_BUSY, _LATER, _LONGEST = 5.0, 30.0, 300.0
_BEATS = 3
_REASON_LENGTH = 500
_DIED = "the process that ran it ended each time without a word; it may have been killed for the memory that it took"
# where the leases of groups stand among those of flows, and how long a process that is silent counts as alive
_GROUPS, _SILENT = "events", timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class EventsReport(Report):
    """What was done: runs and records by flow, records that failed, and why flows wait.

    ``aside`` are the records that were given up: flow, id and why.
    """

    runs: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, str] = field(default_factory=dict)
    aside: list[tuple[str, str, str]] = field(default_factory=list)


def event_flows(environment: Environment) -> list[FlowSpec]:
    """The flows with ``events: true``, each after those that it comes ``after``."""
    read, problems = load_flows(environment.mappings)
    for each in problems:
        log.warning(
            "events run no flow of a file that is wrong; its schedule finds what they told of: %s", each
        )
    flows = {flow.flow: flow for flow in read}
    return [flows[name] for name in in_order(flows.values()) if flows[name].events]


def _reason(error: Exception) -> str:
    return redacted(str(error) or type(error).__name__)[:_REASON_LENGTH]


def group_leases(engine: Engine) -> SqlLeases:
    """The leases of groups: one process works for a group at a time, so that the others' events wait for it."""
    return SqlLeases(engine, _GROUPS, _SILENT)


def listening(flows: Iterable[str], systems: Iterable[str], source_conn_id: str | None = None) -> Listening:
    """What flows listen to whose sources are these systems, by a connection or by the systems' usual ones."""
    connections = {name: source_conn_id or registry.find_system(name).conn_id for name in systems}
    return Listening(frozenset(flows), connections)


@dataclass
class EventRunner:
    """Runs the flows of a group for what events named.

    Args:
        environment: where they run.
        flows: names of those of the group.
        run: names the runs, with a number each.
        source_conn_id: connection of the sources, None for the systems' usual ones.
        target_conn_id: connection of the targets, likewise.
        alive: called again and again; raises where this process is to do no more.
    """

    environment: Environment
    flows: Sequence[str]
    run: str
    source_conn_id: str | None = None
    target_conn_id: str | None = None
    alive: Callable[[], object] = lambda: None
    report: EventsReport = field(default_factory=EventsReport)

    def __post_init__(self) -> None:
        self._inbox = SqlInbox(self.environment.state())
        self._days = SqlEventDays(self.environment.state())
        self._numbers = count(1)
        self._wirings: dict[str, Wiring] = {}
        self._fetched: set[tuple[str, str]] = set()

    def process(self, linger: timedelta = timedelta(0), longest: timedelta = timedelta(minutes=10)) -> None:
        """Works until the inbox has been empty for ``linger``, and for no longer than ``longest``.

        Raises:
            Unavailable: the state database does not answer.
        """
        # the group is this process's alone: whoever has taken something for it is dead, or soon finds that out
        self._inbox.take_over(self.flows, set(self._listening.connections.values()), self.run)
        ends = time.monotonic() + longest.total_seconds()
        quiet = time.monotonic() + linger.total_seconds()
        while (now := time.monotonic()) < ends:
            self.alive()
            if self.work():
                quiet = time.monotonic() + linger.total_seconds()
            elif now >= quiet:
                return
            else:
                time.sleep(min(_LOOK, quiet - now))

    def work(self) -> int:
        """Processes what is due now, parents first; returns how many records were taken."""
        due = [topic for topic in self._inbox.due() if self._listening.takes(topic)]
        if any(not topic.flow for topic in due):
            self._spread(topic for topic in due if not topic.flow)
            due = [topic for topic in self._inbox.due() if self._listening.takes(topic)]
        turn = {flow.flow: place for place, flow in enumerate(self._all)}
        # not of a flow whose file is gone or wrong
        mine = [topic for topic in due if topic.flow in turn]
        done = 0
        for topic in sorted(mine, key=lambda each: (turn[each.flow], each)):
            failures = 0
            self.alive()
            # those that failed hold up no others, nor are they held up
            while take := self._inbox.take(topic, self.run, _RECORDS, failures):
                done += len(take.records)
                self._process(take)
                failures = take.failures + 1
                self.alive()
        return done

    @cached_property
    def _all(self) -> list[FlowSpec]:
        return event_flows(self.environment)

    @cached_property
    def _listening(self) -> Listening:
        systems = {flow.source_system for flow in self._all if flow.flow in self.flows}
        return listening(self.flows, systems, self.source_conn_id)

    def _spread(self, topics: Iterable[Topic]) -> None:
        """Has what was received processed by each flow that reads it, also by those of other groups."""
        for topic in topics:
            flows = [flow.flow for flow in self._all if flow.source == f"{topic.source}.{topic.stream}"]
            if flows:
                self._inbox.spread(topic, flows)
            else:
                self._inbox.ignore(topic, f"no flow with events: true reads {topic.source}.{topic.stream}")

    def _process(self, take: Take) -> None:
        """Runs the flow for the records of a take, unless these have brought down too many runs."""
        flow = take.topic.flow
        if take.failures >= self._inbox.policy.tries:
            self._failed(take, _DIED)
            return
        beat = self._inbox.policy.length.total_seconds() / _BEATS
        try:
            wiring = self._opened(flow)
            with beating(beat, lambda: self._renewed(take), "inbox"):
                self._run(wiring, take)
        except _OF_SYSTEMS as error:
            wait = max(_BUSY, min(getattr(error, "wait_seconds", None) or _LATER, _LONGEST))
            self._inbox.put_back(take, _reason(error), timedelta(seconds=wait))
            self.report.waiting[flow] = _reason(error)
            log.warning("%s: %s wait: %s", flow, counted(len(take.records), "record"), error)

    def _run(self, wiring: Wiring, take: Take) -> None:
        """Runs the flow for the records of a take, and closes it."""
        flow = take.topic.flow
        try:
            run_flow(wiring, Request(RunKind.EVENT, ids=take.ids), f"{self.run}.{next(self._numbers)}")
        except TooManyRefused as error:
            # the others are written, and these are dead letters
            log.warning("%s: %s", flow, error)
        except Exception as error:
            if isinstance(error, _OF_SYSTEMS) and not (isinstance(error, RetryLater) and error.partial):
                raise
            # one of the records may be why, and is found among fewer and fewer of them
            self._failed(take, _reason(error))
            log.exception("%s: %s failed", flow, counted(len(take.records), "record"))
            return
        self._inbox.done(take)
        self.report.runs[flow] += 1
        self.report.records[flow] += len(take.records)
        self._days.processed(flow, [each.received_at for each in take.records])
        self._fetch_parents(wiring, take.topic, take.ids)

    def _failed(self, take: Take, reason: str) -> None:
        flow = take.topic.flow
        self._inbox.failed(take, reason)
        self.report.failed[flow] += len(take.records)
        if take.failures + 1 >= self._inbox.policy.tries:
            self.report.aside.extend((flow, record_id, reason) for record_id in take.ids)

    def _fetch_parents(self, wiring: Wiring, topic: Topic, ids: Sequence[str]) -> None:
        """Has records processed that these wait for, and then these again, once each: no event may tell of them."""
        children: set[str] = set()
        parked = LetterFilter(topic.flow, wiring.pair, WAITING, tuple(ids))
        for letter in SqlDesk(self.environment.state()).letters(parked):
            if (letter.flow, letter.source_id) in self._fetched or letter.waits_for is None:
                continue
            self._fetched.add((letter.flow, letter.source_id))
            if parent := self._parent(*letter.waits_for[:2], topic):
                self._inbox.want(parent, [letter.waits_for[2]])
                children.add(letter.source_id)
        if children:
            self._inbox.want(topic, children)

    def _parent(self, name: str, root: str, topic: Topic) -> Topic | None:
        """What writes an object whose key is the id of its record, None where no flow of this group does."""
        flow = next((each for each in self._all if each.flow == name and name in self.flows), None)
        if flow is None or flow.source_system != topic.source or flow.root != root:
            return None
        if not key_is_id(flow, registry.stream_schema(flow.source).id_column):
            return None
        return Topic(topic.source, topic.connection, flow.stream, flow.flow)

    def _opened(self, flow: str) -> Wiring:
        if flow not in self._wirings:
            self._wirings[flow] = Wiring.of(flow, self.environment, self.source_conn_id, self.target_conn_id)
        return self._wirings[flow]

    def _renewed(self, take: Take) -> bool:
        try:
            self._inbox.renew(take)
        except LeaseLost:
            return False
        except SyncError as error:
            log.warning("what was taken from the inbox is soon renewed again: %s", error)
        return True
