"""The systems there are: which hook opens one, which streams it has, how it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl.core.ports import Intents, Sink, Source
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.core.write_back import WriteBack
from airflow_provider_brightpearl.endpoints.brightpearl import STREAMS as BRIGHTPEARL
from airflow_provider_brightpearl.endpoints.brightpearl import BrightpearlSource
from airflow_provider_brightpearl.endpoints.brightpearl_telling import BrightpearlTelling, misfit
from airflow_provider_brightpearl.endpoints.infor import InforSink
from airflow_provider_brightpearl.endpoints.infor_objects import told_of
from airflow_provider_brightpearl.endpoints.salesforce import SalesforceSink
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.spec import FlowSpec
from airflow_provider_brightpearl.mapping.write_back import ALWAYS


@dataclass(frozen=True, slots=True)
class SystemEntry:
    """How Airflow reaches a system: its hook's path and the connection it uses unless told otherwise."""

    hook: str
    conn_id: str


_HOOKS = "airflow_provider_brightpearl.hooks"

SYSTEMS = {
    "brightpearl": SystemEntry(f"{_HOOKS}.brightpearl.BrightpearlHook", "brightpearl_default"),
    "salesforce": SystemEntry(f"{_HOOKS}.salesforce.SalesforceHook", "salesforce_default"),
    "infor": SystemEntry(f"{_HOOKS}.infor.InforHook", "infor_default"),
}

_STREAMS = {"brightpearl": (BRIGHTPEARL, BrightpearlSource)}
# Salesforce knows a repeat by the external id and needs no intents
_SINKS: dict[str, Callable[[Any, FlowSpec, Intents, str], Sink]] = {
    "salesforce": lambda client, flow, *_: SalesforceSink(client, flow),
    "infor": InforSink,
}
# sources that can be told what became of their records, and why not in some way
_TELLERS: dict[str, Callable[[Any, str], WriteBack]] = {"brightpearl": BrightpearlTelling}
_MISFITS: dict[str, Callable[[str, Sequence[str], bool], str]] = {"brightpearl": misfit}
# what a target says of a row beside its id
_TOLD: dict[str, Callable[[str], Sequence[str]]] = {"infor": told_of}


def _nothing(_: str) -> Sequence[str]:
    return ()


def _stream(name: str) -> tuple[Any, Any]:
    system, _, stream = name.partition(".")
    streams, source_class = _STREAMS.get(system, ({}, None))
    if stream not in streams:
        known = [f"{owner}.{each}" for owner, (table, _) in _STREAMS.items() for each in table]
        raise Misconfigured(f"source {name}: no such stream; known: {', '.join(known)}")
    return streams[stream], source_class


def stream_schema(name: str) -> StreamSchema:
    """Typed columns of a stream such as ``brightpearl.sales_orders``; ``Misconfigured`` where there is none."""
    schema: StreamSchema = _stream(name)[0].schema
    return schema


def source(name: str, client: Any) -> Source:
    """A stream to be read through a client of its system."""
    entry, source_class = _stream(name)
    made: Source = source_class(client, entry)
    return made


def check_target(system: str, flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where a system is none that a flow can write."""
    if system not in _SINKS:
        raise Misconfigured(f"{flow.flow}.yaml: target {system}: not a target; known: {', '.join(_SINKS)}")


def check_write_back(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where a flow's source cannot be told what its ``write_back`` says."""
    for name, spec in flow.write_back.items():
        place = f"{flow.flow}.yaml: write_back.{name}"
        misfit = _MISFITS.get(flow.source_system)
        if misfit is None:
            raise Misconfigured(f"{place}: {flow.source_system} cannot be told; known: {', '.join(_MISFITS)}")
        if reason := misfit(flow.stream, list(spec.fields), bool(spec.note)):
            raise Misconfigured(f"{place}: {reason}")
        known = {*ALWAYS, *_TOLD.get(flow.target, _nothing)(flow.target_object(name))}
        if strange := sorted(spec.names() - known):
            raise Misconfigured(f"{place}: unknown name {strange[0]}; known: {', '.join(sorted(known))}")


def write_back(flow: FlowSpec, client: Any) -> WriteBack:
    """The source of a flow to be told through a client of its system."""
    check_write_back(flow)
    return _TELLERS[flow.source_system](client, flow.stream)


def sink(system: str, client: Any, flow: FlowSpec, intents: Intents, run: str = "") -> Sink:
    """A target system to be written through its client, by the named run."""
    check_target(system, flow)
    return _SINKS[system](client, flow, intents, run)
