"""How many calls the rows of a flow take in an org, by graphs and object by object: for plans and for what is done."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_brightpearl.core.estimate import WriteVolume
from airflow_provider_brightpearl.flow.spec import ObjectSpec
from airflow_provider_brightpearl.systems.salesforce.client import (
    min_delete_calls,
    min_graph_calls,
    min_upsert_calls,
)

Specs = Mapping[str, ObjectSpec]


def calls_by_graph(specs: Specs, volume: WriteVolume) -> int:
    """The fewest calls that write each record whole."""
    nodes = volume.removed + sum(sum(_steps(volume, name, spec)) for name, spec in specs.items())
    return min_graph_calls(volume.records, nodes)


def calls_by_object(specs: Specs, volume: WriteVolume) -> int:
    """The fewest calls that write the rows object by object."""
    steps = [count for name, spec in specs.items() for count in _steps(volume, name, spec)]
    return min_delete_calls(volume.removed) + sum(map(min_upsert_calls, steps))


def _steps(volume: WriteVolume, name: str, spec: ObjectSpec) -> tuple[int, ...]:
    """How many rows of an object each step writes: going back to the interim value, all fields, the last field."""
    rows = volume.rows.get(name, 0)
    if not spec.set_last:
        return (rows,)
    return volume.bound.get(name, 0), rows, rows if volume.closed is None else volume.closed
