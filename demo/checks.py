"""What is checked after every pass, on the sandbox's own records."""

from __future__ import annotations

from collections.abc import Mapping

from demo.compare import compare, written
from demo.expected import Expected, Record
from demo.report import Check, FlowResult

SHOWN = 10


def equal(wanted: Expected, target: Mapping[str, list[Record]]) -> Check:
    """Whether Salesforce holds what it has to, and nothing else."""
    result = compare(wanted, target)
    records = ", ".join(f"{count:,} {name}" for name, count in result.records.items())
    statement = f"Salesforce equals the mapping of Brightpearl: {records}; {result.values:,} values compared"
    return Check(statement, tuple(map(str, result.differences)))


def counted(wanted: Expected, flows: tuple[FlowResult, ...]) -> Check:
    """Whether the runs left out as many records as have a reason to be, and say so."""
    against = []
    for flow in flows:
        for name, ids in (("rejected", wanted.rejected), ("parked", wanted.parked)):
            due, said = len(ids.get(flow.flow, ())), flow.counts[name]
            if due != said:
                against.append(f"{flow.flow}: {said} {name}, and {due} have a reason to be")
    rejected = sum(map(len, wanted.rejected.values()))
    parked = sum(map(len, wanted.parked.values()))
    return Check(f"{rejected} rejected and {parked} parked, as many as have a reason", tuple(against))


def only_these_written(
    before: Mapping[str, list[Record]], after: Mapping[str, list[Record]], allowed: Mapping[str, set[str]]
) -> Check:
    """Whether no record of Salesforce was written that nothing happened to in Brightpearl."""
    done = written(before, after)
    against = [
        f"{name} {key} was written, and nothing happened to it"
        for name, keys in done.items()
        for key in sorted(keys - allowed[name], key=str)
    ]
    total = sum(map(len, done.values()))
    left = sum(map(len, after.values())) - total
    return Check(f"{total:,} Salesforce records written, {left:,} left as they were", tuple(against))


def nothing_written(flows: tuple[FlowResult, ...], writes: list[str]) -> Check:
    """Whether the runs, with nothing changed, sent Salesforce nothing but questions."""
    against = [f"Salesforce got {call}" for call in writes]
    for flow in flows:
        done = flow.counts["created"] + flow.counts["updated"]
        if done or flow.counts["unchanged"] != flow.counts["extracted"]:
            against.append(f"{flow.flow}: {done} of {flow.counts['extracted']} created or updated")
    read = sum(flow.counts["extracted"] for flow in flows)
    return Check(f"all {read:,} records read again, no call made to write", tuple(against))
