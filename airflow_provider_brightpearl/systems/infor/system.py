"""Infor M3 as flows see it."""

from __future__ import annotations

from airflow_provider_brightpearl.core.merge import Rule
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.infor.inventory import InforInventory, listing_of
from airflow_provider_brightpearl.systems.infor.objects import check_objects, returned_fields_of
from airflow_provider_brightpearl.systems.infor.schema import read_fields, schema_calls
from airflow_provider_brightpearl.systems.infor.sink import InforSink
from airflow_provider_brightpearl.systems.infor.source import InforSource
from airflow_provider_brightpearl.systems.infor.streams.table import STREAMS
from airflow_provider_brightpearl.systems.infor.target import InforTarget, check_reconcile
from airflow_provider_brightpearl.systems.system import Quota, System


def _check_authority(flow: FlowSpec) -> None:
    """Refuses ``newest``: M3 shows the day of a change and no time, so of two changes of a day neither is the newer."""
    sides = {"default": flow.authority.default, **flow.authority.fields} if flow.authority else {}
    for place, side in sides.items():
        if side == Rule.NEWEST:
            name = place if place == "default" else f"fields.{place}"
            raise Misconfigured(
                f"{flow.flow}.yaml: authority.{name}: newest is not possible with M3, which shows the day of a change "
                f"and not its time; write {flow.source_system}, {flow.target} or manual"
            )


def _check_source(flow: FlowSpec) -> None:
    _check_authority(flow)
    if flow.reconcile is not None:
        try:
            listing_of(flow.stream)
        except Misconfigured as error:
            raise Misconfigured(f"{flow.flow}.yaml: {error}") from None


def _check_target(flow: FlowSpec) -> None:
    check_objects(flow)
    check_reconcile(flow)
    _check_authority(flow)


INFOR = System(
    name="infor",
    hook="airflow_provider_brightpearl.hooks.infor.InforHook",
    conn_id="infor_default",
    streams={name: stream.schema for name, stream in STREAMS.items()},
    open_source=InforSource,
    open_inventory=InforInventory,
    check_source=_check_source,
    open_sink=InforSink,
    open_target=InforTarget,
    check_target=_check_target,
    read_fields=read_fields,
    schema_calls=schema_calls,
    returned_fields=returned_fields_of,
    # fields without a value are not sent, and M3 takes one that is missing as unchanged
    empties=lambda _: False,
    keeps_keys=False,
    # executions of a multi-tenant ION API, whose gateway reports neither limit nor use
    quota=lambda _: Quota(per_minute=3_000, per_day=250_000),
    instance=lambda client: client.instance,
)
