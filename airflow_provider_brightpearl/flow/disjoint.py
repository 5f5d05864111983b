"""Places that are decided by one side only, such as the stock of a warehouse: no two flows may claim one.

The flow of one direction names, for a lookup of its places, the lookup of the flow of the other direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.lookups import load_lookup
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.writers import WriterProblem


def disjoint_problems(flows: Sequence[FlowSpec], folder: Path) -> Iterator[WriterProblem]:
    """The places that flows of both directions claim, each named by both of its lookups.

    Args:
        flows: all flows of a folder; one that is named and not among them claims nothing.
        folder: holds their files.
    """
    known = {flow.flow: flow for flow in flows}
    for flow in flows:
        for mine, place in flow.disjoint_lookups.items():
            name, _, theirs = place.partition(".")
            if other := known.get(name):
                both = frozenset({flow.flow, name})
                where = f"{flow.flow}.yaml: disjoint_lookups.{mine}"
                for text in _problems(flow, mine, other, theirs, folder):
                    yield WriterProblem(both, f"{where}: {text}")


def _problems(flow: FlowSpec, mine: str, other: FlowSpec, theirs: str, folder: Path) -> Iterator[str]:
    if (other.source_system, other.target) != (flow.target, flow.source_system):
        yield f"{other.flow} is not a flow of the other direction"
        return
    if theirs not in other.lookups:
        yield f"{other.flow}.yaml has no lookup {theirs}{did_you_mean(theirs, other.lookups)}"
        return
    try:
        ours, claimed = _pairs(flow, mine, folder), _pairs(other, theirs, folder)
    except Misconfigured as error:
        yield f"cannot be compared: {error}"
        return
    places = {**claimed, **{value: key for key, value in claimed.items()}}
    for here, there in ours.items():
        claim = there if there in claimed else places.get(here)
        if claim is not None:
            yield (
                f"{here} and {there}, a line of {flow.lookups[mine].file}, are claimed by {other.flow}.yaml too, by "
                f"{claim} and {claimed[claim]}, a line of {other.lookups[theirs].file}: each flow would undo what "
                "the other writes; empty the value in one of the two lines"
            )


def _pairs(flow: FlowSpec, name: str, folder: Path) -> Mapping[str, str]:
    """The keys of a lookup that have a value."""
    return {key: value for key, value in load_lookup(flow, name, folder).values.items() if value}
