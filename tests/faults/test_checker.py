"""The checker finds what is planted: a property that cannot fail would prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_brightpearl.testing.checker import (
    PROPERTIES,
    Attempts,
    Before,
    Finding,
    Twin,
    check,
    watermark_passed,
)
from airflow_provider_brightpearl.testing.evidence import Evidence
from airflow_provider_brightpearl.testing.world import running_world
from tests.flows.site import MAPPINGS


@dataclass
class Done:
    """A run that went well, and what the checker needs to judge it."""

    evidence: Evidence
    before: Before
    twin: Twin

    def judged(self, change: Callable[[Evidence, Attempts], object]) -> dict[str, Finding]:
        """What the checker finds once something of it is changed."""
        evidence, attempts = deepcopy(self.evidence), Attempts(made=1, untouched=True, settled=True)
        change(evidence, attempts)
        return check(evidence, self.before, self.twin, attempts)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("world")
    with running_world(MAPPINGS / "payments_to_infor_gl.yaml", folder) as world:
        twin = world.twin
        place = world.begin(folder / "trial")
        before = Before.of(world.evidence(place))
        place.run(world.name, "run")
        evidence = world.evidence(place, "a line")
        check(evidence, before, twin, Attempts())
        yield Done(evidence, before, twin)
        place.database.dispose()


def test_a_run_without_a_fault_holds(done: Done) -> None:
    assert dict.fromkeys(PROPERTIES, Finding(True)) == done.judged(lambda *_: None)


def drop_voucher(evidence: Evidence, _: Attempts) -> None:
    evidence.rows("infor", "vouchers").pop()


def forget_record(evidence: Evidence, _: Attempts) -> None:
    lost = evidence.bindings[-1]["source_id"]
    evidence.bindings[:] = [row for row in evidence.bindings if row["source_id"] != lost]


def post_twice(evidence: Evidence, _: Attempts) -> None:
    rows = evidence.rows("infor", "vouchers")
    rows += [{**row, "VONO": "90001"} for row in rows[:2]]


def lose_a_penny(evidence: Evidence, _: Attempts) -> None:
    evidence.rows("infor", "vouchers")[0]["CUAM"] = "0.01"


def miscount(evidence: Evidence, _: Attempts) -> None:
    evidence.runs[-1]["created"] -= 1


def say_nothing(evidence: Evidence, _: Attempts) -> None:
    evidence.runs[-1].update(state="failed", note="", reasons="[]")


def raise_bare(_: Evidence, attempts: Attempts) -> None:
    attempts.bare.append("bare KeyError")


def pass_work(_: Evidence, attempts: Attempts) -> None:
    attempts.passed.append("81200")


def go_on(_: Evidence, attempts: Attempts) -> None:
    attempts.unstopped.append("a run did not stop")


def write_again(_: Evidence, attempts: Attempts) -> None:
    attempts.untouched = False


def leave_letter(evidence: Evidence, _: Attempts) -> None:
    evidence.letters["81200"] = {"source_id": "81200", "state": "open"}


def call_often(evidence: Evidence, _: Attempts) -> None:
    evidence.requests.extend([evidence.requests[0]] * 5_000)


def log_secret(evidence: Evidence, _: Attempts) -> None:
    evidence.logs += "denied for sandbox-client-secret"


def stage_secret(evidence: Evidence, _: Attempts) -> None:
    evidence.staging = evidence.staging.parent / "leaky"
    evidence.staging.mkdir(exist_ok=True)
    (evidence.staging / "part.json").write_text('{"key": "sandbox-consumer-secret"}')


def stay_in_doubt(evidence: Evidence, _: Attempts) -> None:
    evidence.intents[0]["state"] = "in doubt"


def leave_journal(evidence: Evidence, _: Attempts) -> None:
    evidence.rows("infor", "journals")[0]["STAT"] = "10"


def leave_no_event(evidence: Evidence, _: Attempts) -> None:
    evidence.events.pop()


def leave_no_fingerprint(evidence: Evidence, _: Attempts) -> None:
    evidence.events[-1]["after"] = ""


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (drop_voucher, {"P1", "P5", "P6", "P10"}),
        (forget_record, {"P1", "P10"}),
        (post_twice, {"P2", "P6"}),
        (lose_a_penny, {"P1", "P5", "P6"}),
        (miscount, {"P3"}),
        (say_nothing, {"P3"}),
        (raise_bare, {"P3"}),
        (go_on, {"P3"}),
        (pass_work, {"P4"}),
        (write_again, {"P5"}),
        (leave_letter, {"P5"}),
        (call_often, {"P7", "P9"}),
        (log_secret, {"P8"}),
        (stage_secret, {"P8"}),
        (stay_in_doubt, {"P9"}),
        (leave_journal, {"P9"}),
        (leave_no_event, {"P10"}),
        (leave_no_fingerprint, {"P10"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_planted_is_found(
    done: Done, change: Callable[[Evidence, Attempts], None], broken: set[str]
) -> None:
    found = {name for name, finding in done.judged(change).items() if finding.holds is False}
    assert broken >= found and found, found
    assert found & broken


def test_a_watermark_past_what_is_not_confirmed_is_found(done: Done, tmp_path: Path) -> None:
    assert [] == watermark_passed(done.evidence, done.before, done.twin)
    early = deepcopy(done.evidence)
    forget_record(early, Attempts())
    assert watermark_passed(early, done.before, done.twin)
