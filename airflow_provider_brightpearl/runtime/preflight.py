"""What is looked at before a run reads anything."""

from __future__ import annotations

from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.runtime.wiring import Wiring


def check_schema(wiring: Wiring) -> Calls:
    """Compares what a flow writes with what its target has; returns the calls it took.

    Asks only where the flow is new or changed, or did not end well last time: a schema that has changed meanwhile
    shows by what it refuses.

    Raises:
        SchemaMismatch: names file, object and field, for each that the target lacks.
    """
    flow = wiring.flow
    if any(
        each.state == "done" and each.mapping_version == wiring.version
        for each in wiring.ledger.runs(flow.flow, 1)
    ):
        return Calls()
    problems, made = wiring.compare_schema()
    if problems:
        raise SchemaMismatch("\n".join(problems), system=flow.target)
    return Calls.of(flow.target, made, made, made) if made else Calls()
