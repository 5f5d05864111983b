"""Answers lost after the write, at random, until every record is settled: nothing twice, no false letter, no leftover.

A trial is one write that a system carried out, and whose answer was lost; the sandbox's log counts them. The short
profile loses some tens of answers, the long one 10,000 of M3 and of Salesforce each, and 3,000 of Brightpearl.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.ports.target import Sink
from airflow_provider_brightpearl.core.reports import LoadReport, TransformReport
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import TimedOut
from airflow_provider_brightpearl.runtime import run as stages
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.systems.salesforce import whole
from airflow_provider_brightpearl.systems.salesforce.collections import pack
from airflow_provider_brightpearl.testing.checker import Attempts, Before, Limits, check
from airflow_provider_brightpearl.testing.fault import CALLS
from airflow_provider_brightpearl.testing.world import World, running_world
from tests.flows.site import MAPPINGS

TRIALS = {
    "orders_to_infor": {"short": 12, "long": 10_000},
    "orders_to_salesforce": {"short": 12, "long": 10_000},
    # tests/flows/test_lost_answers.py does it in the short one
    "salesforce_orders_to_brightpearl": {"short": 0, "long": 3_000},
}
# answers that are lost of one run, and tries of its load, at most
_LOST, _TRIES = 25, 100
_METHODS = {"infor": ["POST"], "brightpearl": ["POST"], "salesforce": ["POST", "PATCH", "PUT"]}
# what is bounded here is what is left behind, not how long it took
_NO_LIMITS = Limits(requests=10**9, sleep=timedelta(days=999), megabytes=10**6)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("flow", TRIALS)
def test_lost_answers_leave_nothing(
    flow: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = TRIALS[flow][request.config.getoption("sync_profile")]
    if not trials:
        pytest.skip("only in the long profile")
    with running_world(MAPPINGS / f"{flow}.yaml", tmp_path) as world:
        losses = Losses(world, tmp_path, random.Random(11))
        monkeypatch.setattr(Wiring, "sink", losses.sink_of(monkeypatch))
        while losses.lost < trials:
            losses.run()
            record(tmp_path.parent / f"{flow}.txt", losses)


class Losses:
    """Loads that lose answers, again and again of one run whose records are read and mapped.

    Args:
        world: the systems.
        folder: of the run.
        chance: which answers are lost.
    """

    def __init__(self, world: World, folder: Path, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.lost = self.runs = self.failed = self.left = 0
        # before the run, as it runs in the same systems
        assert world.twin.effects.known
        self.place, self.kept = world.begin(folder / "run"), folder / "kept"
        self.before = Before.of(world.evidence(self.place))
        wiring = self.place.wiring(world.name)
        extracted = stages.extract(wiring, Request(RunKind.MANUAL), "run")
        self.info, self.parts = extracted.run, extracted.parts
        self.mapped = [stages.transform(wiring, self.info, part) for part in self.parts]
        self.judged = stages.gate(wiring, self.info, self.mapped)
        self.place.database.dispose()
        shutil.copytree(self.place.folder, self.kept)
        world.sandbox.control("POST", "/keep")

    def run(self) -> None:
        """Ends the run: its load is tried as a task is, until all is written. All properties hold after it."""
        world, place = self.world, self.place
        world.sandbox.control("POST", "/back")
        shutil.rmtree(place.folder)
        shutil.copytree(self.kept, place.folder)
        wiring = place.wiring(world.name)
        loads = [self._load(wiring, part) for part in self.mapped]
        stages.settle(wiring, self.info, self.parts, self.mapped, self.judged, loads)
        if world.target == "salesforce":
            requests = world.sandbox.control("GET", "/log?system=salesforce")
            self.lost += sum(each["status"] == 0 for each in requests)
        else:
            # what reads goes the same way, and is sent again
            self.lost = self.failed
        self.runs += 1
        done = Attempts(made=1, untouched=True, settled=True)
        findings = check(world.evidence(place), self.before, world.twin, done, _NO_LIMITS)
        assert {} == {name: found.why for name, found in findings.items() if found.holds is False}
        place.database.dispose()

    def _load(self, wiring: Wiring, part: TransformReport) -> LoadReport:
        self.left = self.chance.randrange(1, _LOST)
        for _ in range(_TRIES):
            try:
                return stages.load(wiring, self.info, part, self.judged)
            except TimedOut:
                self.failed += 1
                self.world.sandbox.advance(300)
        raise AssertionError(f"no load of {_TRIES} was whole")

    def sink_of(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Wiring, str], Sink]:
        """Opens the sink of a try, which writes few or many records in a call, to Salesforce in any of its ways."""
        opened, chance = Wiring.sink, self.chance

        def open_sink(wiring: Wiring, run: str) -> Sink:
            found: Any = opened(wiring, run)
            writes = 2
            if wiring.flow.target == "infor":
                found.client.bulk_size, writes = chance.choice(((1, 12), (3, 4), (50, 2)))
            if wiring.flow.target == "salesforce":
                monkeypatch.setattr(whole, "pack", partial(pack, graphs=chance.choice((1, 3, 75))))
                found.whole_below, found.bulk_from = chance.choice(((2_000, 2_001), (0, 2_001), (0, 1)))
            if self.left > 0:
                self._lose_one_of(writes)
            sink: Sink = found
            return sink

        return open_sink

    def _lose_one_of(self, writes: int) -> None:
        """One of the next writes loses its answer."""
        system, chance = self.world.target, self.chance
        self.left -= 1
        for method in _METHODS[system]:
            rule = {**CALLS[system, "write"], "system": system, "method": method, "drop": "after"}
            rule["skip"] = chance.randrange(writes)
            # a write to Salesforce is sent again at once
            rule["times"] = chance.choice((1, 2, 4)) if system == "salesforce" else 1
            self.world.sandbox.control("POST", "/faults", rule)


def record(file: Path, losses: Losses) -> None:
    """So that a run of hours says how far it is."""
    file.write_text(f"{losses.lost} answers lost, {losses.failed} tries failed, {losses.runs} runs settled\n")
