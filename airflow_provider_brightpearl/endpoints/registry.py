"""The systems there are: which hook opens one, which streams it has, how it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl.core.ports import Intents, Sink, Source
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.endpoints.brightpearl import STREAMS as BRIGHTPEARL
from airflow_provider_brightpearl.endpoints.brightpearl import BrightpearlSource
from airflow_provider_brightpearl.endpoints.infor import InforSink
from airflow_provider_brightpearl.endpoints.salesforce import SalesforceSink
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.spec import FlowSpec


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


def sink(system: str, client: Any, flow: FlowSpec, intents: Intents, run: str = "") -> Sink:
    """A target system to be written through its client, by the named run."""
    check_target(system, flow)
    return _SINKS[system](client, flow, intents, run)
