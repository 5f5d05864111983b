"""A worker killed after each single request and commit of a run: all properties hold, and little is done twice.

The long profile tries every step, the short one tries one of M3; the table has a few more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_brightpearl.testing.databases import POSTGRES, SQLITE
from airflow_provider_brightpearl.testing.fault import CALLS, Fault
from airflow_provider_brightpearl.testing.trial import run_trial
from airflow_provider_brightpearl.testing.worker import Job, steps_of
from airflow_provider_brightpearl.testing.workers import KilledAt
from airflow_provider_brightpearl.testing.world import World, running_world
from tests.flows.site import MAPPINGS

# records in a call
BATCH = 2


@dataclass(frozen=True)
class Kind:
    """What is killed: a flow, its state database, and whether it is killed in bulk jobs."""

    flow: str
    database: str = SQLITE
    bulk: bool = False

    def __str__(self) -> str:
        return "-".join((self.flow, self.database, *(["bulk"] if self.bulk else [])))


FLOWS = (
    "orders_to_salesforce",
    "orders_to_infor",
    "payments_to_infor_gl",
    "salesforce_orders_to_brightpearl",
)
KINDS = (
    *(Kind(flow, database) for flow in FLOWS for database in (SQLITE, POSTGRES)),
    Kind("orders_to_salesforce", bulk=True),
)
QUICK = Kind("orders_to_infor")


@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_worker_killed_at_any_step_repeats_one_batch(
    kind: Kind, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    short = request.config.getoption("sync_profile") == "short"
    if short and kind != QUICK:
        pytest.skip("only in the long profile")
    with running_world(MAPPINGS / f"{kind.flow}.yaml", tmp_path) as world:
        assert world.twin.effects.known
        place = world.begin(tmp_path / "steps")
        before = written(world)
        steps = steps_of(Job.at(place, kind.flow, "steps", batch=BATCH, bulk=kind.bulk))
        needed = written(world) - before
        # each is counted before and after: what is killed after one of them has done it
        chosen = [2 * (steps // 3)] if short else range(2, steps + 1, 2)
        for step in chosen:
            fault = Fault(
                "killed", "Workers", f"killed at step {step}", KilledAt(step, BATCH, kind.bulk), tries=1
            )
            fault.injection.database = kind.database
            found = run_trial(world, fault, tmp_path / f"at{step}")
            assert {} == {name: each.why for name, each in found.items() if each.holds is False}, fault.title
            repeated = written(world) - before - needed
            assert repeated <= allowed(world, kind), f"{fault.title}: {repeated}"
            (tmp_path.parent / f"{kind}.txt").write_text(f"step {step} of {steps}\n")


def written(world: World) -> Counter[str]:
    """What the target has carried out so far: documents that M3 began, calls that write to the others."""
    if world.target == "infor":
        heads = ("AddBatchHead", "AddHead")
        calls = world.sandbox.snapshot("infor", "calls")
        return Counter({"documents": sum(each["times"] for each in calls if each["transaction"] in heads)})
    path = CALLS[world.target, "write"]["path"]
    log = world.sandbox.control("GET", f"/log?system={world.target}")
    return Counter({"calls": sum(each["method"] != "GET" and path_of(path, each["path"]) for each in log)})


def path_of(pattern: str, path: str) -> bool:
    return any(part in path for part in pattern.split("|"))


def allowed(world: World, kind: Kind) -> Counter[str]:
    """One batch: as many documents as a call holds, or a call; a bulk job is four calls for each of two objects."""
    if world.target == "infor":
        return Counter({"documents": BATCH})
    return Counter({"calls": 8 if kind.bulk else 1})
