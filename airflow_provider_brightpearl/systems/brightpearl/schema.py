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


def _problems(client: BrightpearlClient, flow: FlowSpec) -> Iterator[str]:
    # parts have no custom fields
    spec = flow.objects[flow.root]
    wanted = [
        (block, name)
        for block, names in (("key", spec.key), ("fields", spec.fields))
        for name in names
        if CUSTOM.fullmatch(name)
    ]
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
