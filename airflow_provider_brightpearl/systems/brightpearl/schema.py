"""Compares what a flow writes with the custom fields that an account has."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.fields import CUSTOM
from airflow_provider_brightpearl.systems.brightpearl.write_back import PLACES

_STREAMS = {
    "Contact": "contacts",
    "SalesOrder": "sales_orders",
    "SalesCredit": "sales_credits",
    "OrderInvoice": "sales_orders",
    "Product": "products",
}


def schema_problems(client: BrightpearlClient, flow: FlowSpec) -> list[str]:
    """The custom fields that a flow writes and the account lacks, each with file and object.

    One call, where the flow writes any.
    """
    return list(_problems(client, flow))


def written_fields(flow: FlowSpec) -> list[tuple[str, str]]:
    """The custom fields that a flow into Brightpearl writes: where they are listed, and their codes."""
    kind = flow.target_object(flow.root)
    if flow.target != "brightpearl" or kind not in _STREAMS:
        return []
    names = sorted({name for _, name in _custom(flow)})
    return [(PLACES[_STREAMS[kind]].metadata, name) for name in names]


def _custom(flow: FlowSpec) -> list[tuple[str, str]]:
    """The custom fields of the first object, each with its block: parts have none."""
    spec = flow.objects[flow.root]
    return [
        (block, name)
        for block, names in (("key", spec.key), ("fields", spec.fields))
        for name in names
        if CUSTOM.fullmatch(name)
    ]


def _problems(client: BrightpearlClient, flow: FlowSpec) -> Iterator[str]:
    wanted = _custom(flow)
    if not wanted:
        return
    place = PLACES[_STREAMS[flow.target_object(flow.root)]]
    known = [str(each.get("code")) for each in client.get(place.metadata) or ()]
    for block, name in wanted:
        if name not in known:
            hint = did_you_mean(name, known)
            yield (
                f"{flow.flow}.yaml: objects.{flow.root}.{block}.{name}: "
                f"create custom field {name} in Brightpearl, which has none of this code{hint}"
            )
