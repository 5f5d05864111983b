"""Reads the rows of a flow in Brightpearl by their ids.

A row that is in Brightpearl and not in the crosswalk is not seen, and nothing is removed: Brightpearl keeps contacts
and orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.ports.target import TargetRow
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.complete import is_number
from airflow_provider_brightpearl.systems.brightpearl.fields import at
from airflow_provider_brightpearl.systems.brightpearl.objects import Resource, fields_of, resource_of
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, owner_of

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class BrightpearlTarget:
    """The rows of one flow that are bound, as many in a call as an id set holds.

    Args:
        client: calls.
        flow: its objects are read.
    """

    reads_bound_rows_only = True

    def __init__(self, client: BrightpearlClient, flow: FlowSpec) -> None:
        self.client = client
        self.flow = flow
        self.resource = resource_of(flow.target_object(flow.root))

    @property
    def trusts_crosswalk(self) -> bool:
        return self.resource is None

    @property
    def can_rewrite(self) -> bool:
        return self.resource is not None and self.resource.rewritable

    @property
    def note(self) -> str:
        if self.resource is None:
            return "Brightpearl is not queried: its rows are those that the crosswalk records as written"
        return (
            "Brightpearl is queried for the rows that the crosswalk knows; others in Brightpearl are not seen"
        )

    @property
    def calls(self) -> int:
        return self.client.calls

    def read(
        self, keys: Sequence[str], fields: Sequence[str], bound: Mapping[str, str], *, between: bool = False
    ) -> Iterator[TargetRow]:
        """The rows of these keys that are bound and that Brightpearl has."""
        known = {bound[key]: key for key in keys if key in bound}
        if self.resource is None:
            yield from (TargetRow(key, target_id) for target_id, key in known.items())
            return
        entry, ids = fields_of(self.flow, self.flow.root), {owner_of(each): each for each in known}
        for owner, record in self._records(self.resource, list(ids)):
            found = {name: _value(at(record, entry.fields[name].path)) for name in fields}
            yield TargetRow(known[ids[owner]], ids[owner], found)

    def existing_ids(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of the rows that Brightpearl has, as far as it can be queried; parts are read with their first row."""
        if self.resource is None:
            return set(target_ids)
        owners: dict[str, list[str]] = {}
        for target_id in filter(lambda each: is_number(owner_of(each)), target_ids):
            owners.setdefault(owner_of(target_id), []).append(target_id)
        kind = self.flow.target_object(object_name)
        there: set[str] = set()
        for owner, record in self._records(self.resource, list(owners)):
            parts = {f"{owner}{SEPARATOR}{part}" for part in self.resource.parts(kind, record)}
            there.update(
                owners[owner] if object_name == self.flow.root else parts.intersection(owners[owner])
            )
        return there

    def _records(self, resource: Resource, ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and record, of those that Brightpearl has."""
        for key, raw in self.client.get_map(resource.path, [int(each) for each in ids]):
            record = _decode(raw)
            if resource.holds(record):
                yield key or str(record[resource.id]), record

    def remove(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        """Brightpearl keeps its rows; ``check_reconcile`` refuses a flow that asks for more."""
        raise Misconfigured(f"{self.flow.flow}.yaml: reconcile.deleted: rows of Brightpearl are not removed")


def _value(value: Any) -> Decimal | str | None:
    """A field's value as exact number or text."""
    if value in (None, ""):
        return None
    return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else str(value)
