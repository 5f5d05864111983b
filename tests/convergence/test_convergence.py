"""Whatever people do on both sides, and however runs overlap, die and repeat: both sides agree in the end."""

from __future__ import annotations

import os
import sys
from collections import Counter

import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.convergence.people import People
from tests.convergence.sides import FIELDS
from tests.convergence.world import World

VALUES: dict[str, list[str | None]] = {
    "first": ["Ann", "Bob", "Cid"],
    "last": ["Lee", "May", "Fox"],
    "phone": ["1", "2", None],
    "email": ["a@x.example", "b@x.example", "c@x.example"],
}
sides, flows = st.integers(0, 2), st.integers(0, 3)
edits = st.sampled_from(FIELDS).flatmap(lambda what: st.tuples(st.just(what), st.sampled_from(VALUES[what])))
STEPS = 10
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
# without the explanation: the story says more, and takes no further examples
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


class Convergence(RuleBasedStateMachine):
    """People and runs take turns."""

    def __init__(self, world: World, tried: Counter[str]) -> None:
        super().__init__()
        self.people = People.begun(world, note)
        self.tried = tried
        # the invariant is looked at before the first step as well
        self.steps = -1

    @invariant()
    def count(self) -> None:
        self.steps += 1

    def side(self, which: int) -> str:
        sides = list(self.people.sides)
        return sides[which % len(sides)]

    def person(self, which: int) -> str:
        names = list(self.people.known)
        return names[which % len(names)]

    def flow(self, which: int) -> str:
        return self.people.flows[which % len(self.people.flows)]

    @rule(side=sides, person=st.integers(0, 2), edit=edits)
    def edit(self, side: int, person: int, edit: tuple[str, str | None]) -> None:
        name = self.person(person)
        what, value = edit
        if what == "email":
            value = f"{name.lower()}{value}"
        if value is None and self.people.world.systems == 3:
            # M3 takes nothing for unchanged
            value = "3"
        self.people.edit(self.side(side), name, what, value)

    @precondition(lambda self: len(self.people.known) < 3)
    @rule(side=sides)
    def create(self, side: int) -> None:
        self.people.create(self.side(side))

    @rule(side=sides, person=st.integers(0, 2))
    def delete(self, side: int, person: int) -> None:
        self.people.delete(self.side(side), self.person(person))

    @precondition(lambda self: len(self.people.known) > 1)
    @rule(loser=st.integers(0, 2), survivor=st.integers(0, 2))
    def merge(self, loser: int, survivor: int) -> None:
        self.people.merge(self.person(loser), self.person(survivor))

    @rule(flow=flows)
    def run(self, flow: int) -> None:
        self.people.run(self.flow(flow))

    @precondition(lambda self: len(self.people.open) < 2)
    @rule(flow=flows, stages=st.integers(1, 4))
    def begin_run(self, flow: int, stages: int) -> None:
        self.people.start(self.flow(flow))
        run = self.people.open[-1]
        for _ in range(stages):
            if not run.ended:
                self.people.step(run)

    @precondition(lambda self: self.people.open)
    @rule(which=st.integers(0, 1), stages=st.integers(1, 4))
    def go_on(self, which: int, stages: int) -> None:
        run = self.people.open[which % len(self.people.open)]
        for _ in range(stages):
            if not run.ended:
                self.people.step(run)

    @precondition(lambda self: self.people.open)
    @rule(which=st.integers(0, 1))
    def abandon(self, which: int) -> None:
        run = self.people.open.pop(which % len(self.people.open))
        note(f"{run.run} of {run.name} dies after {run.done[-1]}")

    @rule(flow=flows, steps=st.integers(0, 30), from_write=st.booleans())
    def die(self, flow: int, steps: int, from_write: bool) -> None:
        self.people.kill(self.flow(flow), steps, from_write=from_write)

    @rule(
        flow=flows, skip=st.integers(0, 3), times=st.integers(1, 4), drop=st.sampled_from(("before", "after"))
    )
    def lose(self, flow: int, skip: int, times: int, drop: str) -> None:
        self.people.lose(self.flow(flow), skip, times, drop)

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.people.settle()
            self.tried.update(examples=1, steps=self.steps)


def try_all(world: World, examples: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Tries so many examples, and prints how many have held, with their steps."""
    tried = Counter[str]()

    class InThisWorld(Convergence):
        def __init__(self) -> None:
            super().__init__(world, tried)

    wanted = settings(
        max_examples=examples, stateful_step_count=STEPS, report_multiple_bugs=False, phases=PHASES
    )
    try:
        run_state_machine_as_test(InThisWorld, settings=wanted)
    finally:
        with capsys.disabled():
            # a worker of xdist has no other way to the terminal
            print(f"\n{world.systems} systems: {dict(tried)} have held", file=sys.stderr)


# a busy machine takes minutes, and cut off in an example, Hypothesis would call that one flaky
@pytest.mark.timeout(0 if LONG else 900)
def test_both_sides_agree_in_the_end(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    try_all(world, 2_000 if LONG else 24, capsys)
