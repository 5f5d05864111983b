"""The custom fields that flows need in a Brightpearl account.

The API cannot create them, so a person gets instructions click by click.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.schema import written_fields
from airflow_provider_brightpearl.systems.brightpearl.write_back import (
    PLACES,
    TEXT_TYPES,
    custom_field_types,
)

_CODE = re.compile(r"\bPCF_[A-Z0-9_]+")
# under Settings, Custom fields
_MENU: Mapping[str, str] = {
    "order-service/sale/custom-field-meta-data": "Sales",
    "contact-service/customer/custom-field-meta-data": "Customers",
    "product-service/product/custom-field-meta-data": "Products",
}


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
