"""Two records that would be one row of the target, such as two products of one SKU: the second one is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.matching import TakesRowsOver
from airflow_provider_brightpearl.core.ports.stores import Binding, Crosswalk
from airflow_provider_brightpearl.core.ports.target import KnowsIds, NewRow, Sink
from airflow_provider_brightpearl.pipeline.batch import Batch


class SharedRows:
    """The rows of a part that are not bound yet, held against those of all other records.

    Args:
        batch: the part.
        sink: the target; one that does not know ids before it writes has ids of its own for every row.
        crosswalk: what is bound.
    """

    def __init__(self, batch: Batch, sink: Sink, crosswalk: Crosswalk) -> None:
        self._batch = batch
        self._sink = sink
        self._crosswalk = crosswalk
        self._new: list[NewRow] = []

    def refuse(self, records: Sequence[RecordChange]) -> list[RecordChange]:
        """The records without those that would write a row of another one; of two new ones the first stays."""
        if not isinstance(self._sink, KnowsIds):
            return list(records)
        self._new = list(self._sink.new_rows(records))
        owners = {place: each.source_id for place, each in self._bound()}
        for row in self._new:
            owner = owners.setdefault((row.object, row.target_id), row.source_id)
            if owner != row.source_id:
                self._reject(row, owner)
        return [each for each in records if each.source_id not in self._batch.rejected]

    def note(self, results: Sequence[RowResult]) -> None:
        """Notes rows that the target had already and that were taken over, before they are bound."""
        if isinstance(self._sink, TakesRowsOver):
            root, bound = self._batch.flow.root, self._batch.bound
            self._new += [
                NewRow(each.source_id, root, each.key, each.target_id)
                for each in results
                if each.object == root and each.outcome is RowOutcome.UPDATED and each.key not in bound[root]
            ]

    def check(self) -> None:
        """Unbinds rows that a record of another part has bound at the same time; the next run refuses one of both."""
        rows: dict[tuple[str, str], list[NewRow]] = {}
        for row in self._new:
            rows.setdefault((row.object, row.target_id), []).append(row)
        for place, other in self._bound():
            for row in rows[place]:
                mine = self._batch.bound[row.object].get(row.key)
                if mine and mine.source_id != other.source_id:
                    self._crosswalk.unbind([mine])
                    self._reject(row, other.source_id, passing=True)

    def _bound(self) -> Iterator[tuple[tuple[str, str], Binding]]:
        """What is bound to the ids of the new rows, by object and id."""
        for name in self._batch.flow.objects:
            ids = {row.target_id for row in self._new if row.object == name}
            for each in self._crosswalk.of_targets(name, ids) if ids else ():
                if each.flow == self._batch.flow.flow:
                    yield (name, each.target_id), each

    def _reject(self, row: NewRow, owner: str, *, passing: bool = False) -> None:
        target = self._batch.flow.target
        reason = (
            f"{row.object} {row.target_id} of {target} is that of record {owner}: two records cannot be one row; "
            "give one of them another key in the source"
        )
        self._batch.reject(row.source_id, reason, (row.object, row.key), value=row.target_id, passing=passing)
