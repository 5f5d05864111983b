"""Brightpearl as flows see it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import CALLS_PER_MINUTE
from airflow_provider_brightpearl.systems.brightpearl.inventory import BrightpearlInventory, listing_of
from airflow_provider_brightpearl.systems.brightpearl.match import MATCHABLE, check_match
from airflow_provider_brightpearl.systems.brightpearl.objects import EMPTIED, returned_fields_of
from airflow_provider_brightpearl.systems.brightpearl.schema import read_fields, schema_problems
from airflow_provider_brightpearl.systems.brightpearl.sink import BrightpearlSink
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from airflow_provider_brightpearl.systems.brightpearl.streams.table import filtered_stream, streams
from airflow_provider_brightpearl.systems.brightpearl.target import BrightpearlTarget
from airflow_provider_brightpearl.systems.brightpearl.target_check import check_objects, check_reconcile
from airflow_provider_brightpearl.systems.brightpearl.write_back import BrightpearlWriteBack, misfit
from airflow_provider_brightpearl.systems.system import Quota, System

_CUSTOM = re.compile(r"\bcustomFields\b")


class _Schemas(Mapping[str, StreamSchema]):
    """Typed columns by stream, looked up when asked, since other packages may add streams."""

    def __getitem__(self, name: str) -> StreamSchema:
        return streams()[name].schema

    def __iter__(self) -> Iterator[str]:
        return iter(streams())

    def __len__(self) -> int:
        return len(streams())


def _check_source(flow: FlowSpec) -> None:
    try:
        filtered_stream(flow.stream, flow.filters)
    except Misconfigured as error:
        raise Misconfigured(f"{flow.flow}.yaml: {error}") from None
    for name, spec in flow.write_back.items():
        if reason := misfit(flow.stream, list(spec.fields), bool(spec.note)):
            raise Misconfigured(f"{flow.flow}.yaml: write_back.{name}: {reason}")
    if flow.reconcile is not None:
        try:
            listing_of(flow.stream)
        except Misconfigured as error:
            raise Misconfigured(f"{flow.flow}.yaml: {error}") from None


def _check_target(flow: FlowSpec) -> None:
    check_objects(flow)
    check_match(flow)
    check_reconcile(flow)


def _notes(flow: FlowSpec) -> list[str]:
    """Changes that the flow's searches do not find."""
    texts = [text for spec in flow.objects.values() for text in (*spec.fields.values(), spec.where or "")]
    if flow.window.sweep or not any(_CUSTOM.search(text) for text in texts):
        return []
    return [
        f"{flow.flow}.yaml: reads customFields, and Brightpearl does not count a change of those alone as a change of "
        "the record: add window: {sweep: 0 2 * * *}, which reads everything each night"
    ]


BRIGHTPEARL = System(
    name="brightpearl",
    hook="airflow_provider_brightpearl.hooks.brightpearl.BrightpearlHook",
    conn_id="brightpearl_default",
    streams=_Schemas(),
    open_source=BrightpearlSource,
    open_inventory=BrightpearlInventory,
    open_write_back=BrightpearlWriteBack,
    open_sink=BrightpearlSink,
    open_target=BrightpearlTarget,
    check_source=_check_source,
    check_target=_check_target,
    schema_problems=schema_problems,
    read_fields=read_fields,
    returned_fields=returned_fields_of,
    empties=lambda name: name in EMPTIED,
    notes=_notes,
    takes_filters=True,
    match_objects=tuple(MATCHABLE),
    # all private apps of an account together
    quota=lambda _: Quota(per_minute=CALLS_PER_MINUTE),
    instance=lambda client: client.account,
)
