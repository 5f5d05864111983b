"""Whatever people do on both sides, and however runs overlap, die and repeat: both sides agree in the end."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.convergence.people import FIELDS, FLOWS, SIDES, People
from tests.convergence.world import World

VALUES: dict[str, list[str | None]] = {
    "first": ["Ann", "Bob", "Cid"],
    "last": ["Lee", "May", "Fox"],
    "phone": ["1", "2", None],
    "email": ["a@x.example", "b@x.example", "c@x.example"],
}
edits = st.sampled_from(FIELDS).flatmap(lambda what: st.tuples(st.just(what), st.sampled_from(VALUES[what])))
flows = st.sampled_from(list(FLOWS))
STEPS = 10
# of so many steps; the long profile takes 20,000
EXAMPLES = 2_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 100
# without the explanation: the story says more, and takes no further examples
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


class Convergence(RuleBasedStateMachine):
    """People and runs take turns."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.people = People.begun(world, note)

    @rule(side=st.sampled_from(SIDES), person=st.integers(0, 2), edit=edits)
    def edit(self, side: str, person: int, edit: tuple[str, str | None]) -> None:
        names = list(self.people.known)
        what, value = edit
        if what == "email":
            value = f"{names[person % len(names)].lower()}{value}"
        self.people.edit(side, names[person % len(names)], what, value)

    @precondition(lambda self: len(self.people.known) < 3)
    @rule()
    def create_here(self) -> None:
        self.people.create_here()

    @precondition(lambda self: len(self.people.known) < 3)
    @rule()
    def create_there(self) -> None:
        self.people.create_there()

    @rule(side=st.sampled_from(SIDES), person=st.integers(0, 2))
    def delete(self, side: str, person: int) -> None:
        names = list(self.people.known)
        self.people.delete(side, names[person % len(names)])

    @rule(flow=flows)
    def run(self, flow: str) -> None:
        self.people.run(flow)

    @precondition(lambda self: len(self.people.open) < 2)
    @rule(flow=flows, stages=st.integers(1, 4))
    def begin_run(self, flow: str, stages: int) -> None:
        self.people.start(flow)
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
    def die(self, flow: str, steps: int, from_write: bool) -> None:
        self.people.kill(flow, steps, from_write=from_write)

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.people.settle()


# a busy machine takes minutes, and cut off in an example, Hypothesis would call that one flaky
@pytest.mark.timeout(900)
def test_both_sides_agree_in_the_end(world: World) -> None:
    class InThisWorld(Convergence):
        def __init__(self) -> None:
            super().__init__(world)

    wanted = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, report_multiple_bugs=False, phases=PHASES
    )
    run_state_machine_as_test(InThisWorld, settings=wanted)
