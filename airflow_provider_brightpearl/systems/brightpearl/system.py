"""Brightpearl as flows see it."""

from __future__ import annotations

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import CALLS_PER_MINUTE
from airflow_provider_brightpearl.systems.brightpearl.inventory import BrightpearlInventory, listing_of
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from airflow_provider_brightpearl.systems.brightpearl.streams.table import STREAMS
from airflow_provider_brightpearl.systems.brightpearl.write_back import BrightpearlWriteBack, misfit
from airflow_provider_brightpearl.systems.system import Quota, System


def _check_source(flow: FlowSpec) -> None:
    for name, spec in flow.write_back.items():
        if reason := misfit(flow.stream, list(spec.fields), bool(spec.note)):
            raise Misconfigured(f"{flow.flow}.yaml: write_back.{name}: {reason}")
    if flow.reconcile is not None:
        try:
            listing_of(flow.stream)
        except Misconfigured as error:
            raise Misconfigured(f"{flow.flow}.yaml: {error}") from None


BRIGHTPEARL = System(
    name="brightpearl",
    hook="airflow_provider_brightpearl.hooks.brightpearl.BrightpearlHook",
    conn_id="brightpearl_default",
    streams={name: stream.schema for name, stream in STREAMS.items()},
    open_source=BrightpearlSource,
    open_inventory=BrightpearlInventory,
    open_write_back=BrightpearlWriteBack,
    check_source=_check_source,
    # all private apps of an account together
    quota=lambda _: Quota(per_minute=CALLS_PER_MINUTE),
)
