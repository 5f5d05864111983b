"""Finds rows that exist in the org but are not bound: the answer to their creation, or their bindings, were lost.

An upsert recognises them by their external id, but refuses the fields that an object takes only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from more_itertools import chunked
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.soql import KEYS_ASKED, listed

TAKEN_ONCE = "INVALID_FIELD_FOR_INSERT_UPDATE"
# the clocks of org and worker may differ
_SKEW = timedelta(minutes=5)
Place = tuple[str, str]


def refused_as_existing(result: RowResult) -> bool:
    """Whether a row may have been refused only because it exists."""
    return result.refused and TAKEN_ONCE in result.reason


class ExistingRows:
    """Rows of these records that the org has and that are not bound, by object and key.

    Args:
        client: calls to the org; one query for some hundred rows.
        flow: whose objects they are.
        records: what was to be written.
        begun: when the run began; rows created since then count as its own.
    """

    def __init__(
        self,
        client: SalesforceClient,
        flow: FlowSpec,
        records: Sequence[RecordChange],
        begun: datetime | None,
    ) -> None:
        self.records = records
        self.ids: dict[Place, str] = {}
        self.own: set[Place] = set()
        unbound: dict[str, list[str]] = {}
        for change in (each for record in records for each in record.changes if each.target_id is None):
            unbound.setdefault(change.object, []).append(change.key)
        for name, keys in unbound.items():
            key_field, target = flow.objects[name].key_field, flow.target_object(name)
            for chunk in chunked(keys, KEYS_ASKED):
                soql = (
                    f"SELECT Id, CreatedDate, {key_field} FROM {target} WHERE {key_field} IN {listed(chunk)}"  # noqa: S608
                )
                for row in client.query(soql):
                    place = (name, str(row[key_field]))
                    self.ids[place] = str(row["Id"])
                    if begun and datetime.fromisoformat(row["CreatedDate"]) >= begun - _SKEW:
                        self.own.add(place)

    def bound(self) -> list[RecordChange]:
        """The records with the ids of rows that exist, so that those go without the fields taken once."""
        return [
            replace(record, changes=tuple(self._known(each) for each in record.changes))
            for record in self.records
        ]

    def _known(self, change: Change) -> Change:
        target_id = self.ids.get((change.object, change.key))
        return replace(change, target_id=target_id) if target_id and not change.target_id else change

    def counted(self, result: RowResult) -> RowResult:
        """The result as created where this run has created the row."""
        is_own = result.outcome is RowOutcome.UPDATED and (result.object, result.key) in self.own
        return replace(result, outcome=RowOutcome.CREATED) if is_own else result
