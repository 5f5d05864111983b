"""The properties that hold whatever fails, checked from outside: no line of this is shared with the product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .carried import not_carried
from .effects import Effects
from .evidence import Evidence, as_text
from .money import sums_differ

PROPERTIES = {
    "P1": "no loss",
    "P2": "no duplicate",
    "P3": "counts add up",
    "P4": "watermark",
    "P5": "converges",
    "P6": "money",
    "P7": "quota",
    "P8": "no secret",
    "P9": "bounded",
    "P10": "audit",
}
# what opens something in the sandbox; nothing that is written down may hold one of them
SECRETS = (
    "sandbox-staff-token", "sandbox-account-token", "sandbox-oauth-secret", "sandbox+refresh/token==",
    "sandbox-consumer-key", "sandbox-consumer-secret", "sandbox-password", "sandboxtoken", "sandbox-client-secret",
    "sandbox-service-secret",
)  # fmt: skip
_COUNTS = ("created", "updated", "unchanged", "rejected", "parked")
_ENDED = ("JobComplete", "Failed", "Aborted")
_CHANGED = ("created", "updated", "linked", "written back")


@dataclass(frozen=True)
class Finding:
    """Whether a property held; None where it could not be checked, and why."""

    holds: bool | None
    why: str = ""


@dataclass
class Twin:
    """The outcome of the same work without a fault."""

    effects: Effects
    sources: Mapping[str, str]
    letters: frozenset[str]
    requests: int

    @classmethod
    def of(cls, evidence: Evidence) -> Twin:
        """Reads it after the run; ``sources`` are the records by the keys of their rows."""
        sources = {row["key"]: row["source_id"] for row in evidence.bindings}
        return cls(Effects.of(evidence), sources, frozenset(evidence.letters), len(evidence.requests))

    def source_of(self, effect: str) -> str:
        """The record whose effect it is, as ``Effects.differing`` names it."""
        key = effect.split(" ", 1)[1]
        return self.sources.get(key) or _bare(key)


@dataclass
class Before:
    """What there was before the run under test."""

    effects: Effects
    watermark: str
    runs: frozenset[str]

    @classmethod
    def of(cls, evidence: Evidence) -> Before:
        """Reads it before the run."""
        return cls(
            Effects.of(evidence), evidence.watermark, frozenset(str(run["run"]) for run in evidence.runs)
        )


@dataclass
class Attempts:
    """What happened to the runs under test.

    Args:
        made: tries until the fault ended, and until a run was settled after that.
        slept: seconds that they waited by the sandbox's clock.
        grown: by how many megabytes the process grew.
        bare: errors that say nothing to an operator: not the product's own.
        passed: findings about the watermark in between, those that did not hold.
        unstopped: runs that had to stop before they wrote, and did not.
        untouched: whether the run after the last one changed nothing in the target.
        settled: whether the last run was settled.
    """

    made: int = 0
    slept: float = 0.0
    grown: float = 0.0
    bare: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    unstopped: list[str] = field(default_factory=list)
    untouched: bool = False
    settled: bool = False


@dataclass(frozen=True)
class Limits:
    """The bounds of P9: what a trial may take more than the run without a fault."""

    requests: int = 600
    sleep: timedelta = timedelta(hours=3)
    megabytes: float = 400.0


def lost(evidence: Evidence, effects: Effects, twin: Twin) -> list[str]:
    """Records of the window without their effect, which are neither letters nor parked."""
    bound = {row["source_id"] for row in evidence.bindings}
    waiting = evidence.letters.keys()
    missing = sorted(set(twin.sources.values()) - bound - waiting)
    differing = effects.differing(twin.effects)
    stale = [each for each in differing if twin.source_of(each) not in waiting]
    return [*missing, *stale]


def watermark_passed(evidence: Evidence, before: Before, twin: Twin) -> list[str]:
    """What the watermark passed although it is not confirmed: nothing, where it has not moved."""
    return lost(evidence, Effects.of(evidence), twin) if evidence.watermark > before.watermark else []


def check(
    evidence: Evidence, before: Before, twin: Twin, attempts: Attempts, limits: Limits | None = None
) -> dict[str, Finding]:
    """All properties of a trial, once its faults have stopped and its runs are settled."""
    effects = Effects.of(evidence)
    known = effects.known
    return {
        "P1": _of([*lost(evidence, effects, twin), *not_carried(evidence)]) if known else _UNKNOWN,
        "P2": _of(_duplicates(effects, twin)) if known else _UNKNOWN,
        "P3": _of([*attempts.bare, *attempts.unstopped, *_miscounted(evidence, before)]),
        "P4": _of(attempts.passed) if known else _UNKNOWN,
        "P5": _of(_unequal(evidence, effects, twin, attempts)) if known else _UNKNOWN,
        "P6": _money(evidence),
        "P7": _of(_over_quota(evidence)),
        "P8": _of(_secrets(evidence)),
        "P9": _of(_unbounded(evidence, twin, attempts, limits or Limits())),
        "P10": _of(_unaudited(evidence, before, effects)) if known else _UNKNOWN,
    }


_UNKNOWN = Finding(None, "the checker does not know the target's objects")


def _of(wrong: Sequence[str]) -> Finding:
    if not wrong:
        return Finding(True)
    return Finding(False, "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""))


def _duplicates(effects: Effects, twin: Twin) -> list[str]:
    more = [
        f"{name}: {count} rows, {twin.effects.totals.get(name, 0)} without a fault"
        for name, count in effects.totals.items()
        if count > twin.effects.totals.get(name, 0)
    ]
    return [*effects.twice, *more]


def _miscounted(evidence: Evidence, before: Before) -> list[str]:
    wrong = []
    for run in evidence.runs:
        if run["run"] in before.runs:
            continue
        if run["state"] == "done" and run["extracted"] != sum(run[name] for name in _COUNTS):
            wrong.append(
                f"run {run['run']}: {run['extracted']} extracted, {as_text({n: run[n] for n in _COUNTS})}"
            )
        if run["state"] not in ("done", "running") and not run["note"] and run["reasons"] in ("", "[]"):
            wrong.append(f"run {run['run']} is {run['state']} and does not say why")
    return wrong


def _unequal(evidence: Evidence, effects: Effects, twin: Twin, attempts: Attempts) -> list[str]:
    wrong = [] if attempts.settled else ["no run was settled after the fault"]
    wrong += [f"letter {each}" for each in sorted(evidence.letters.keys() - twin.letters)]
    wrong += effects.differing(twin.effects)
    return wrong if attempts.untouched else [*wrong, "the run after it wrote again"]


def _money(evidence: Evidence) -> Finding:
    differing = sums_differ(evidence)
    if differing is None:
        return Finding(None, "the checker does not know where the target keeps the amount")
    return _of(differing)


def _over_quota(evidence: Evidence) -> list[str]:
    """Rolling windows of the sandbox's clock in which a system got more requests than it allows."""
    wrong = []
    for system, limit, seconds in _quotas(evidence):
        times = [datetime.fromisoformat(each["at"]) for each in evidence.requests if each["system"] == system]
        times.sort()
        most = max((_within(times, place, seconds) for place in range(len(times))), default=0)
        if most > limit:
            wrong.append(f"{system} got {most} requests in {seconds} s, it allows {limit}")
    return wrong


def _quotas(evidence: Evidence) -> Iterable[tuple[str, int, int]]:
    brightpearl, infor = evidence.settings("brightpearl"), evidence.settings("infor")
    yield "brightpearl", int(brightpearl["throttle_limit"]), int(brightpearl["throttle_seconds"])
    yield "infor", int(infor["calls_per_minute"]), 60
    yield "salesforce", int(evidence.settings("salesforce")["daily_api_limit"]), 86_400


def _within(times: Sequence[datetime], first: int, seconds: int) -> int:
    end = times[first] + timedelta(seconds=seconds)
    return sum(1 for each in times[first:] if each < end)


def _secrets(evidence: Evidence) -> list[str]:
    return [
        f"{secret[:11]}... in {place}"
        for place, text in evidence.texts()
        for secret in SECRETS
        if secret in text
    ]


def _unbounded(evidence: Evidence, twin: Twin, attempts: Attempts, limits: Limits) -> list[str]:
    requests = len(evidence.requests) - twin.requests * max(1, attempts.made)
    bounds: list[tuple[bool, str]] = [
        (requests > limits.requests, f"{requests} requests more than without a fault"),
        (attempts.slept > limits.sleep.total_seconds(), f"waited for {attempts.slept:.0f} s"),
        (attempts.grown > limits.megabytes, f"grew by {attempts.grown:.0f} MB"),
    ]
    doubts = [f"{row['key']} stays in doubt" for row in evidence.intents if row["state"] == "in doubt"]
    return [text for over, text in bounds if over] + doubts + _leftovers(evidence)


def _leftovers(evidence: Evidence) -> list[str]:
    """What was begun in a system and neither finished nor removed."""
    if evidence.target == "infor":
        orders = [row for row in evidence.rows("infor", "batch_orders") if row.get("STAT") != "90"]
        journals = [row for row in evidence.rows("infor", "journals") if row.get("STAT") != "90"]
        listed = " ".join(str(row.get("reason", "")) for row in evidence.intents)
        return [f"batch order {row['ORNO']} of {row.get('CUOR')} is left" for row in orders] + [
            f"journal {row['KEY1']} is left, and not listed" for row in journals if row["KEY1"] not in listed
        ]
    if evidence.target == "salesforce":
        jobs = [row for row in evidence.rows("salesforce", "bulk_jobs") if row["state"] not in _ENDED]
        # a job whose id got lost is empty, and Salesforce removes it after seven days
        asked = {each["path"].rpartition("jobs/ingest/")[2].partition("/")[0] for each in evidence.requests}
        return [f"bulk job {row['id']} is left {row['state']}" for row in jobs if row["id"] in asked]
    return []


def _unaudited(evidence: Evidence, before: Before, effects: Effects) -> list[str]:
    """Records whose head changed in the target and of which no event says run, outcome and fingerprint."""
    told = {row["source_id"] for row in evidence.events if row["run"] and _is_whole(row)}
    heads = next(iter(effects.rows.values()), {})
    earlier: Mapping[str, str] = before.effects.rows.get(next(iter(effects.rows), ""), {})
    changed = [key for key, content in heads.items() if earlier.get(key) != content]
    sources = {row["key"]: row["source_id"] for row in evidence.bindings}
    return [f"no event of {key}" for key in changed if sources.get(key, _bare(key)) not in told]


def _is_whole(event: Mapping[str, object]) -> bool:
    """Whether an event says of a change what the record's rows were written with; a link writes nothing."""
    return event["outcome"] in _CHANGED and bool(
        event["after"] or event["outcome"] not in ("created", "updated")
    )


def _bare(key: str) -> str:
    return key.split("|")[0].removeprefix("BP").removeprefix("SF-")
