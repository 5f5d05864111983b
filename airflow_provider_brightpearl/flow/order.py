"""The order of flows: each after those that it comes ``after``."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec


def in_order(flows: Iterable[FlowSpec]) -> list[str]:
    """The names of all flows, also those that are only named in ``after:``, parents first; else by name.

    Raises:
        Misconfigured: flows come after each other.
    """
    after = {spec.flow: spec.after for spec in sorted(flows, key=lambda spec: spec.flow)}
    try:
        return list(TopologicalSorter(after).static_order())
    except CycleError as error:
        raise Misconfigured(f"after: flows come after each other: {', '.join(error.args[1])}") from error
