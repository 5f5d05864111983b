"""Answers lost after the write, at random, until every record is settled: nothing twice, no false letter, no leftover.

The short profile loses some tens of answers, the long one 10,000 of each target.
"""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.testing.checker import Attempts, Before, Limits, check
from airflow_provider_brightpearl.testing.place import Place
from airflow_provider_brightpearl.testing.world import World, running_world
from tests.flows.site import MAPPINGS

TRIALS = {"short": 12, "long": 10_000}
# of one run and its retries, at most
_AT_ONCE, _TRIES = 6, 40
_WRITES = {"infor": "/execute", "salesforce": "/composite|/jobs/ingest"}
# what is bounded here is what is left behind, not how long it took
_NO_LIMITS = Limits(requests=10**9, sleep=timedelta(days=999), megabytes=10**6)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("flow", ["orders_to_infor", "orders_to_salesforce"])
def test_lost_answers_leave_nothing(flow: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    trials = TRIALS[request.config.getoption("sync_profile")]
    with running_world(MAPPINGS / f"{flow}.yaml", tmp_path) as world:
        # before the first trial, as it runs in the same systems
        assert world.twin.effects.known
        chance, lost = random.Random(11), 0
        for number in count():
            if lost >= trials:
                break
            lost += lose_some(world, world.begin(tmp_path / str(number)), chance)


def lose_some(world: World, place: Place, chance: random.Random) -> int:
    """How many answers were lost until a run was settled, with all properties held after it."""
    twin, before = world.twin, Before.of(world.evidence(place))
    for _ in range(chance.randrange(1, _AT_ONCE)):
        rule = {"drop": "after", "skip": chance.randrange(3), "method": "POST", "path": _WRITES[world.target]}
        world.sandbox.control("POST", "/faults", {"system": world.target, **rule})
    settle(world, place)
    lost: int = sum(rule["hits"] for rule in world.sandbox.control("GET", "/faults"))
    world.sandbox.control("DELETE", "/faults")
    settle(world, place)
    done = Attempts(made=1, untouched=True, settled=True)
    findings = check(world.evidence(place), before, twin, done, _NO_LIMITS)
    assert {} == {name: found.why for name, found in findings.items() if found.holds is False}
    place.database.dispose()
    return lost


def settle(world: World, place: Place) -> None:
    """Runs until one is settled, as a task and its schedule would."""
    for number in range(_TRIES):
        world.sandbox.advance(300)
        try:
            place.run(world.name, f"run{number}-{world.sandbox.now():%H%M%S}")
        except SyncError:
            continue
        return
    raise AssertionError(f"no run of {_TRIES} was settled")
