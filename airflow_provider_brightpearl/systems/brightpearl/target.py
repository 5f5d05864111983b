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
from airflow_provider_brightpearl.systems.brightpearl.fields import at
from airflow_provider_brightpearl.systems.brightpearl.objects import Resource, fields_of, resource_of

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class BrightpearlTarget:
    """The rows of one flow that are bound, as many in a call as an id set holds.

    Args:
        client: calls.
        flow: its objects are read.
    """

    reads_bound_rows_only = True
    note = "Brightpearl is queried for the rows that the crosswalk knows; others in Brightpearl are not seen"

    def __init__(self, client: BrightpearlClient, flow: FlowSpec) -> None:
        self.client = client
        self.flow = flow

    @property
    def can_rewrite(self) -> bool:
        return self._resource.rewritable

    @property
    def calls(self) -> int:
        return self.client.calls

    @property
    def _resource(self) -> Resource:
        return resource_of(self.flow.target_object(self.flow.root))

    def read(
        self, keys: Sequence[str], fields: Sequence[str], bound: Mapping[str, str], *, between: bool = False
    ) -> Iterator[TargetRow]:
        """The rows of these keys that are bound and that Brightpearl has."""
        wanted = {bound[key]: key for key in keys if key in bound}
        entry = fields_of(self.flow, self.flow.root)
        for record in self._records(list(wanted)):
            target_id = str(record[self._resource.id])
            found = {name: _value(at(record, entry.fields[name].path)) for name in fields}
            yield TargetRow(wanted[target_id], target_id, found)

    def existing_ids(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of the rows that Brightpearl has; the parts of a row are read with it."""
        resource = self._resource
        owners: dict[str, list[str]] = {}
        for target_id in target_ids:
            owners.setdefault(target_id.partition("|")[0], []).append(target_id)
        is_root = object_name == self.flow.root
        kind = self.flow.target_object(object_name)
        there: set[str] = set()
        for record in self._records(list(owners)):
            owner = str(record[resource.id])
            parts = {owner} if is_root else {f"{owner}|{part}" for part in resource.parts(kind, record)}
            there.update(parts.intersection(owners[owner]))
        return there

    def _records(self, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        for raw in self.client.get_records(self._resource.path, [int(each) for each in ids]):
            yield _decode(raw)

    def remove(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        """Brightpearl keeps its rows; ``check_reconcile`` refuses a flow that asks for more."""
        raise Misconfigured(f"{self.flow.flow}.yaml: reconcile.deleted: rows of Brightpearl are not removed")


def _value(value: Any) -> Decimal | str | None:
    """A field's value as exact number or text."""
    if value in (None, ""):
        return None
    return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else str(value)


def check_reconcile(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where a flow wants of a reconciliation what Brightpearl cannot do."""
    spec = flow.reconcile
    if spec is None:
        return
    place = f"{flow.flow}.yaml: reconcile"
    if spec.deleted == "remove":
        raise Misconfigured(
            f"{place}.deleted: rows of Brightpearl are not removed by flows; use report or ignore"
        )
    if spec.soft_delete:
        raise Misconfigured(f"{place}.soft_delete: rows of Brightpearl are not changed for deleted records")
