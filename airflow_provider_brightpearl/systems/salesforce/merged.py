"""Bound rows that were merged into others: an upsert by their external id would create them a second time.

The loser's external id is free after a merge, so its survivor takes it over first. A survivor that has an external id
of its own is another record's row, and both cannot be one. So is one that the flow of the other direction has linked,
and that has no external id yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from more_itertools import chunked
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, Lost, RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.matching import LinkedRows, NothingLinked
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.lost import MERGEABLE, survivors
from airflow_provider_brightpearl.systems.salesforce.rows import row_of
from airflow_provider_brightpearl.systems.salesforce.soql import KEYS_ASKED, listed

Place = tuple[str, str]
# from so many bound rows on, all rows that were merged lately are fewer calls
_MANY = 5 * KEYS_ASKED


class MergedRows:
    """The rows of these records that were merged away since they were bound.

    Args:
        client: calls to the org: one query for some hundred bound accounts or contacts, more only after merges.
        flow: whose objects are written.
        records: what is to be written.
        owned: the records that rows of the org are linked to.
    """

    def __init__(
        self,
        client: SalesforceClient,
        flow: FlowSpec,
        records: Sequence[RecordChange],
        owned: LinkedRows | None = None,
    ) -> None:
        self.client = client
        self.flow = flow
        self.owned = owned or NothingLinked()
        self.refused: dict[str, RowResult] = {}
        self.lost: dict[Place, Lost] = {}
        before = client.calls
        for name in flow.objects:
            if flow.target_object(name) in MERGEABLE:
                self._take_over(name, _bound(records, name))
        self.calls = client.calls - before

    def passing(self, records: Sequence[RecordChange]) -> list[RecordChange]:
        """The records that can be written, with survivors as their rows."""
        if not self.lost:
            return list(records)
        return [
            replace(record, changes=tuple(self._moved(change) for change in record.changes))
            for record in records
            if record.source_id not in self.refused
        ]

    def noted(self, result: RowResult) -> RowResult:
        """The result with what was merged."""
        lost = self.lost.get((result.object, result.key))
        return replace(result, lost=(lost,)) if lost and not result.lost else result

    def _moved(self, change: Change) -> Change:
        lost = self.lost.get((change.object, change.key))
        return replace(change, target_id=lost.moved_to) if lost else change

    def _take_over(self, name: str, bound: dict[str, tuple[str, Change]]) -> None:
        target, key_field = self.flow.target_object(name), self.flow.objects[name].key_field
        losers = list(self._losers(target, list(bound)))
        heirs = {each: heir for each, heir in survivors(self.client, target, losers).items() if heir}
        keys = self._keys(target, key_field, sorted(set(heirs.values())))
        free = [] if self.flow.objects[name].owner else [each for each, key in keys.items() if not key]
        owners = self.owned.owners(name, free) if free else {}
        claims: dict[str, tuple[str, Change]] = {}
        for loser, heir in heirs.items():
            source_id, change = bound[loser]
            self.lost[name, change.key] = Lost(name, "", loser, heir)
            other = claims[heir][1].key if heir in claims else keys.get(heir, "")
            if not other and owners.get(heir, source_id) != source_id:
                self._refuse(source_id, change, loser, heir, f"record {owners[heir]}")
            elif not other:
                claims[heir] = bound[loser]
            elif other != change.key:
                self._refuse(source_id, change, loser, heir, f"{target}.{key_field} {other}")
        self._claim(target, key_field, claims)

    def _losers(self, target: str, ids: Sequence[str]) -> Iterator[str]:
        merged = f"SELECT Id FROM {target} WHERE IsDeleted = TRUE AND MasterRecordId != NULL"  # noqa: S608
        parts = (
            [""] if len(ids) > _MANY else [f" AND Id IN {listed(some)}" for some in chunked(ids, KEYS_ASKED)]
        )
        known = set(ids)
        for part in parts:
            found = (str(row["Id"]) for row in self.client.query(merged + part, deleted=True))
            yield from (each for each in found if each in known)

    def _keys(self, target: str, key_field: str, ids: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for chunk in chunked(ids, KEYS_ASKED):
            soql = f"SELECT Id, {key_field} FROM {target} WHERE Id IN {listed(chunk)}"  # noqa: S608
            found |= {str(row["Id"]): str(row[key_field] or "") for row in self.client.query(soql)}
        return found

    def _claim(self, target: str, key_field: str, claims: dict[str, tuple[str, Change]]) -> None:
        """Writes the external id onto survivors that have none."""
        rows = [
            msgspec.json.encode({"Id": heir, key_field: change.key}).decode()
            for heir, (_, change) in claims.items()
        ]
        for answer in self.client.upsert(target, "Id", rows) if rows else ():
            source_id, change = claims[answer.key]
            if not answer.success:
                self.refused[source_id] = row_of(self.flow.objects, source_id, change).refused(answer)

    def _refuse(self, source_id: str, change: Change, loser: str, heir: str, other: str) -> None:
        reason = (
            f"{change.object} {loser} was merged into {heir} in Salesforce, which is the row of another record "
            f"({other}): merge the two in Brightpearl as well, or discard this letter"
        )
        self.refused[source_id] = RowResult(
            source_id, change.object, change.key, RowOutcome.REFUSED, reason=reason, value=change.key
        )


def _bound(records: Sequence[RecordChange], name: str) -> dict[str, tuple[str, Change]]:
    """The bound rows of an object by their ids, each with the record that it belongs to."""
    return {
        change.target_id: (record.source_id, change)
        for record in records
        for change in record.changes
        if change.object == name and change.target_id
    }
