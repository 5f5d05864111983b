"""The systems that flows can name: those of this package, and those of the entry points of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.reverse_paths import path_problems
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.write_back import ALWAYS
from airflow_provider_brightpearl.systems.brightpearl.system import BRIGHTPEARL
from airflow_provider_brightpearl.systems.infor.system import INFOR
from airflow_provider_brightpearl.systems.plugins import with_plugins
from airflow_provider_brightpearl.systems.salesforce.system import SALESFORCE
from airflow_provider_brightpearl.systems.system import System

GROUP = "airflow_provider_brightpearl.systems"


@cache
def systems() -> Mapping[str, System]:
    """All systems by name.

    Raises:
        Misconfigured: an entry point is not a system, or takes a name that is taken.
    """
    own = {system.name: system for system in (BRIGHTPEARL, SALESFORCE, INFOR)}
    return with_plugins(
        own, GROUP, System, what="a System", prefix="system ", name_of=lambda _, system: str(system.name)
    )


def find_system(name: str) -> System:
    """The system of that name; raises ``Misconfigured`` where there is none."""
    found = systems().get(name)
    if found is None:
        raise Misconfigured(f"unknown system {name!r}; known: {', '.join(systems())}")
    return found


def stream_schema(source: str) -> StreamSchema:
    """Typed columns of a stream such as ``brightpearl.sales_orders``; raises ``Misconfigured`` where there is none."""
    name, _, stream = source.partition(".")
    owner = systems().get(name)
    if owner is None or stream not in owner.streams:
        known = [f"{each.name}.{stream}" for each in systems().values() for stream in each.streams]
        raise Misconfigured(f"source {source}: unknown stream; known: {', '.join(known)}")
    return owner.streams[stream]


def check_flow(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` if a flow asks more of its systems than they support."""
    columns = stream_schema(flow.source).columns
    source, target = find_system(flow.source_system), systems().get(flow.target)
    if target is None or target.open_sink is None:
        known = [each.name for each in systems().values() if each.open_sink]
        raise Misconfigured(
            f"{flow.flow}.yaml: target {flow.target}: not a target; known: {', '.join(known)}"
        )
    if flow.filters and not source.takes_filters:
        raise Misconfigured(f"{flow.flow}.yaml: filters: streams of {source.name} take none")
    if wrong := list(path_problems(flow, columns)):
        raise Misconfigured("\n".join(wrong))
    _check_match(flow, target)
    _check_lookups(flow, target)
    _check_write_back(flow, source, target)
    _check_reconcile(flow, source, target)
    source.check_source(flow)
    target.check_target(flow)


def _check_match(flow: FlowSpec, target: System) -> None:
    for name, spec in flow.objects.items():
        if spec.match and flow.target_object(name) not in target.match_objects:
            able = " and ".join(target.match_objects)
            instead = f"it is for {able}" if able else "its rows are found by the external id of key:"
            raise Misconfigured(
                f"{flow.flow}.yaml: objects.{name}.match: {target.name} is not searched for {name}; {instead}"
            )


def _check_lookups(flow: FlowSpec, target: System) -> None:
    for name, lookup in flow.lookups.items():
        if lookup.query and target.query is None:
            raise Misconfigured(
                f"{flow.flow}.yaml: lookups.{name}.query: {target.name} answers no queries; use a file"
            )


def _check_write_back(flow: FlowSpec, source: System, target: System) -> None:
    for name, spec in flow.write_back.items():
        place = f"{flow.flow}.yaml: write_back.{name}"
        if source.open_write_back is None:
            able = [each.name for each in systems().values() if each.open_write_back]
            raise Misconfigured(
                f"{place}: {source.name} takes no write-backs; those that do: {', '.join(able)}"
            )
        known = {*ALWAYS, *target.returned_fields(flow.target_object(name))}
        if unknown := sorted(spec.names() - known):
            raise Misconfigured(f"{place}: unknown name {unknown[0]}; known: {', '.join(sorted(known))}")


def _check_reconcile(flow: FlowSpec, source: System, target: System) -> None:
    if flow.reconcile is None:
        return
    for system, opener in ((source, source.open_inventory), (target, target.open_target)):
        if opener is None:
            raise Misconfigured(f"{flow.flow}.yaml: reconcile: records of {system.name} cannot be listed")
