"""What flows need in a Brightpearl account: custom fields, and webhooks that announce changes.

The API creates webhooks but no custom fields: for those, a person gets instructions click by click.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.schema import written_fields
from airflow_provider_brightpearl.systems.brightpearl.write_back import (
    PLACES,
    TEXT_TYPES,
    custom_field_types,
)

_HOOKS = "integration-service/webhook"
_CODE = re.compile(r"\bPCF_[A-Z0-9_]+")
# under Settings, Custom fields
_MENU: Mapping[str, str] = {
    "order-service/sale/custom-field-meta-data": "Sales",
    "contact-service/customer/custom-field-meta-data": "Customers",
    "product-service/product/custom-field-meta-data": "Products",
}
# what can be subscribed to by stream; contacts and payments raise no events
EVENTS: Mapping[str, tuple[str, ...]] = {
    "sales_orders": ("sales-order.created", "order.modified.order-status", "order.modified.fully-shipped"),
    "sales_credits": ("order.modified.order-status",),
    "products": ("product.created", "product.modified", "product.destroyed"),
    "availability": ("product.modified.on-hand-modified",),
    "goods_out_notes": ("goods-out-note.created", "goods-out-note.modified", "goods-out-note.destroyed"),
    "shipments": (
        "goods-out-note.created", "goods-out-note.modified", "goods-out-note.destroyed",
        "drop-ship-note.created", "drop-ship-note.modified.shipped", "drop-ship-note.destroyed",
    ),
}  # fmt: skip
_VARIABLES = {
    "accountCode": "account-code", "resourceType": "resource-type", "id": "resource-id",
    "lifecycleEvent": "lifecycle-event", "fullEvent": "full-event", "raisedOn": "raised-on",
    "brightpearlVersion": "brightpearl-version",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldNeeded:
    """A custom field that a flow names: its code, the flow, and the kind of records it belongs to.

    ``written`` ones are written back to, with text; ``kind`` is the type of one that exists and takes no text.
    """

    code: str
    flow: str
    metadata: str
    written: bool = False
    kind: str = ""

    @property
    def steps(self) -> str:
        """How a person creates it, or another one."""
        if self.kind:
            return f"{self.code} is of type {self.kind}, and text is written to it: name a field of type Freeform text"
        kind, code = _MENU[self.metadata], self.code.removeprefix("PCF_")
        return (
            f"Settings > Custom fields > {kind} > Add a field: code {code}, type Freeform text, not required"
        )


def fields_needed(flows: Sequence[FlowSpec]) -> list[FieldNeeded]:
    """The custom fields that flows read in expressions, write back, or write to Brightpearl, once each."""
    found: dict[tuple[str, str], FieldNeeded] = {}
    for flow in flows:
        for metadata, code in written_fields(flow):
            found[metadata, code] = FieldNeeded(code, flow.flow, metadata, written=True)
        place = PLACES.get(flow.stream) if flow.source_system == "brightpearl" else None
        if place is None:
            continue
        written = {name for spec in flow.write_back.values() for name in spec.fields}
        for code in sorted(set(_CODE.findall(flow.model_dump_json()))):
            need = FieldNeeded(code, flow.flow, place.metadata, code in written)
            if need.written or (place.metadata, code) not in found:
                found[place.metadata, code] = need
    return list(found.values())


def fields_missing(client: BrightpearlClient, needed: Sequence[FieldNeeded]) -> list[FieldNeeded]:
    """Those that the account does not have or that, with their ``kind``, take no text; a call per kind of record."""
    types = {path: custom_field_types(client, path) for path in {each.metadata for each in needed}}
    missing: list[FieldNeeded] = []
    for each in needed:
        kind = types[each.metadata].get(each.code)
        if kind is None:
            missing.append(each)
        elif each.written and kind not in TEXT_TYPES:
            missing.append(replace(each, kind=kind))
    return missing


def events_needed(flows: Sequence[FlowSpec]) -> list[str]:
    """The events that announce changes in the streams of these flows."""
    streams = [flow.stream for flow in flows if flow.source_system == "brightpearl"]
    return sorted({event for stream in streams for event in EVENTS.get(stream, ())})


def hooks_missing(client: BrightpearlClient, events: Sequence[str], address: str) -> list[str]:
    """The events that no webhook of the account sends to this address; a wider event covers those below it."""
    ours = [hook for hook in client.get_list(_HOOKS) if str(hook.get("uriTemplate")) == address]
    covered = [str(hook.get("subscribeTo")) for hook in ours]
    return [event for event in events if not any(_covers(wide, event) for wide in covered)]


def _covers(wide: str, event: str) -> bool:
    return event == wide or event.startswith(f"{wide}.")


def subscribe(client: BrightpearlClient, events: Sequence[str], address: str) -> Iterator[tuple[str, int]]:
    """Creates a webhook per event and yields event and id. They carry id sets, and are redelivered until accepted.

    Raises:
        Misconfigured: the address is not https, so ids would be sent in clear text.
    """
    if urlsplit(address).scheme != "https" or not urlsplit(address).netloc:
        raise Misconfigured(
            f"{address!r} is not a valid webhook address: it must begin with https://", system="brightpearl"
        )
    body = json.dumps({name: f"${{{variable}}}" for name, variable in _VARIABLES.items()})
    for event in events:
        hook = {
            "subscribeTo": event, "httpMethod": "POST", "uriTemplate": address, "bodyTemplate": body,
            "contentType": "application/json", "idSetAccepted": True, "qualityOfService": 1,
        }  # fmt: skip
        yield event, int(client.post(_HOOKS, hook))
