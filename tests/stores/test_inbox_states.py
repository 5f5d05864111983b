"""Whatever order events, takes, failures and deaths come in: no event is lost, and a record is taken once at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.inbox import InboxEvent, InboxPolicy, InboxState, Take, Topic
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.inbox import SqlInbox
from tests.conftest import PROFILE

TOPIC = Topic("brightpearl", "shop", "sales_orders")
IDS = ("1", "2", "10", "a", "B")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TRIES = 3
some_ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=4)


class InboxMachine(RuleBasedStateMachine):
    """Knows of each record its number of failures, and the arrival of the first event that no done take has seen."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        with writing(engine) as connection:
            for table in (tables.inbox, tables.inbox_event):
                connection.execute(table.delete())
        self.inbox = SqlInbox(engine, InboxPolicy(tries=TRIES, first=timedelta(0)))
        self.clock = 0
        self.waits: dict[str, int] = {}
        # the first event since a record was taken
        self.since: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self.aside: set[str] = set()
        self.takes: list[Take] = []
        self.held: dict[str, Take] = {}
        self.expired: set[str] = set()

    @rule(ids=some_ids)
    def store(self, ids: list[str]) -> None:
        event = InboxEvent(TOPIC.source, TOPIC.connection, "order.modified", (TOPIC.stream,), tuple(ids))
        self.inbox.store([event])
        self.clock += 1
        for record_id in ids:
            if record_id in self.held:
                self.since.setdefault(record_id, self.clock)
            elif record_id not in self.waits or record_id in self.aside:
                self.waits[record_id] = self.clock
                self.failures[record_id] = 0
                self.aside.discard(record_id)

    @rule(limit=st.integers(1, 4))
    def take(self, limit: int) -> None:
        for record_id in [each for each in self.held if self.held[each].token in self.expired]:
            del self.held[record_id]
            if not self.again(record_id):
                self.failures[record_id] += 1
        free = [each for each in self.waits if each not in self.held and each not in self.aside]
        fewest = min((self.failures[each] for each in free), default=0)
        free = [each for each in free if self.failures[each] == fewest]
        take = self.inbox.take(TOPIC, "run", limit)
        ids = take.ids if take else ()
        assert min(1 if fewest else limit, len(free)) == len(ids), "what is due is taken"
        assert set(ids) <= set(free), "a record is taken once at a time"
        arrivals = [self.waits[each] for each in ids]
        assert arrivals == sorted(self.waits[each] for each in free)[: len(ids)], "first come, first served"
        if take:
            self.takes.append(take)
            self.held |= dict.fromkeys(ids, take)

    @precondition(lambda self: self.takes)
    @rule(which=st.integers(0), ids=st.none() | some_ids)
    def done(self, which: int, ids: list[str] | None) -> None:
        take = self.takes[which % len(self.takes)]
        closed = self.release(take, ids)
        assert len(closed) == self.inbox.done(take, ids)
        for record_id in closed:
            del self.waits[record_id]
            self.again(record_id)

    @precondition(lambda self: self.takes)
    @rule(which=st.integers(0), ids=st.none() | some_ids)
    def failed(self, which: int, ids: list[str] | None) -> None:
        take = self.takes[which % len(self.takes)]
        closed = self.release(take, ids)
        assert len(closed) == self.inbox.failed(take, "no answer", ids)
        for record_id in closed:
            self.fail(record_id)

    @precondition(lambda self: self.takes)
    @rule(which=st.integers(0))
    def put_back(self, which: int) -> None:
        take = self.takes[which % len(self.takes)]
        closed = self.release(take, None)
        assert len(closed) == self.inbox.put_back(take, "busy")
        for record_id in closed:
            self.since.pop(record_id, None)

    @precondition(lambda self: self.held)
    @rule()
    def die(self) -> None:
        with writing(self.engine) as connection:
            taken = tables.inbox.c.state == InboxState.TAKEN.value
            connection.execute(tables.inbox.update().where(taken).values(taken_until=LONG_AGO))
        self.expired |= {take.token for take in self.held.values()}

    def release(self, take: Take, ids: list[str] | None) -> list[str]:
        """The records that a take has, which it has no more."""
        mine = [each for each in take.ids if self.held.get(each) is take and (ids is None or each in ids)]
        for record_id in mine:
            del self.held[record_id]
        return mine

    def again(self, record_id: str) -> bool:
        if record_id in self.since:
            self.waits[record_id] = self.since.pop(record_id)
            self.failures[record_id] = 0
            return True
        return False

    def fail(self, record_id: str) -> None:
        if not self.again(record_id):
            self.failures[record_id] += 1
            if self.failures[record_id] >= TRIES:
                self.aside.add(record_id)

    def teardown(self) -> None:
        if self.held:
            self.die()
        while self.waits.keys() > self.aside:
            self.takes.clear()
            self.take(len(IDS))
            if self.takes:
                self.done(0, None)
        assert self.waits.keys() == self.aside, "nothing is lost"
        found = {each.state: each.records for each in self.inbox.counts()}
        assert len(self.aside) == found.get(InboxState.ASIDE, 0)
        assert found.keys() <= {InboxState.DONE, InboxState.ASIDE}


@pytest.mark.hypothesis
def test_no_event_is_lost_in_any_order(engine: Engine) -> None:
    examples = min(settings().max_examples, 30) if PROFILE == "normal" else settings().max_examples

    class OnThisDatabase(InboxMachine):
        def __init__(self) -> None:
            super().__init__(engine)

    run_state_machine_as_test(
        OnThisDatabase, settings=settings(max_examples=examples, stateful_step_count=20)
    )
