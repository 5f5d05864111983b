"""How many calls the rows of a flow take in an org, by graphs and object by object: for plans and for what is done."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_brightpearl.clients.salesforce import (
    fewest_delete_calls,
    fewest_graph_calls,
    fewest_upsert_calls,
)
from airflow_provider_brightpearl.core.work import Work
from airflow_provider_brightpearl.mapping.spec import ObjectSpec

Specs = Mapping[str, ObjectSpec]


def calls_by_graph(specs: Specs, work: Work) -> int:
    """The fewest calls that write each record whole."""
    nodes = work.removed + sum(sum(_steps(work, name, spec)) for name, spec in specs.items())
    return fewest_graph_calls(work.records, nodes)


def calls_by_object(specs: Specs, work: Work) -> int:
    """The fewest calls that write the rows object by object."""
    steps = [count for name, spec in specs.items() for count in _steps(work, name, spec)]
    return fewest_delete_calls(work.removed) + sum(map(fewest_upsert_calls, steps))


def _steps(work: Work, name: str, spec: ObjectSpec) -> tuple[int, ...]:
    """How many rows of an object each step writes: going back to the interim value, all fields, the last field."""
    rows = work.rows.get(name, 0)
    if not spec.written_last:
        return (rows,)
    return work.bound.get(name, 0), rows, rows if work.closed is None else work.closed
