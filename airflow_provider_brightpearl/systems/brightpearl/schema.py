"""Compares what a flow writes with the custom fields that an account has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_brightpearl.core.drift import FieldSchema, TargetFields
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


# of a type that takes the same values
_KINDS = {"TEXT": "text", "TEXT_AREA": "text"}


def read_fields(client: BrightpearlClient, flow: FlowSpec) -> TargetFields:
    """The custom fields of the records that a flow writes, as the account lists them, under its first object."""
    return TargetFields({flow.root: {str(each["code"]): _field(each) for each in _listed(client, flow)}})


def _field(listed: Mapping[str, Any]) -> FieldSchema:
    kind, options = str(listed.get("customFieldType")), listed.get("options")
    values = sorted(str(each.get("value")) for each in (options or {}).values()) if kind == "SELECT" else None
    return FieldSchema(
        _KINDS.get(kind, kind),
        required=bool(listed.get("required")),
        values=None if values is None else tuple(values),
    )


def _listed(client: BrightpearlClient, flow: FlowSpec) -> list[dict[str, Any]]:
    """The metadata of the custom fields, none where the flow writes none."""
    if not _custom(flow):
        return []
    place = PLACES[_STREAMS[flow.target_object(flow.root)]]
    return [each for each in client.custom_fields(place.metadata) if each.get("code")]


def _problems(client: BrightpearlClient, flow: FlowSpec) -> Iterator[str]:
    known = [str(each["code"]) for each in _listed(client, flow)]
    for block, name in _custom(flow):
        if name not in known:
            hint = did_you_mean(name, known)
            yield (
                f"{flow.flow}.yaml: objects.{flow.root}.{block}.{name}: "
                f"create custom field {name} in Brightpearl, which has none of this code{hint}"
            )
