"""What a target no longer has is unbound and sent again: a record's own rows, and those that it refers to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Lost, RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.stores import MERGED, Binding, Crosswalk, DeadLetters
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.repair import detach
from airflow_provider_brightpearl.pipeline.send_again import send_again

_REF = re.compile(r"\bref\s*\(\s*'([^'.]+)\.([^']+)'", re.IGNORECASE)
_WARNINGS = 10
KEPT = (
    "which is not created again (reconcile.deleted): restore it there, delete it on this side too, "
    "or discard this letter"
)


class LostRows:
    """The rows that the target lost, as its answers to one part show.

    A record that has lost a row of its own is unbound, and created anew by the next run. One that refers to a lost row
    waits for it, and a letter makes the flow of that row send it again. A merged row only has to be sent again, so that
    its flow binds the survivor.

    Args:
        batch: the part.
        crosswalk: what is bound.
        letters: where the flows of lost rows learn of them.
        deletions: by flow, what becomes of its records whose rows the target has deleted (``target_deletions``).
    """

    def __init__(
        self,
        batch: Batch,
        crosswalk: Crosswalk,
        letters: DeadLetters,
        deletions: Mapping[str, str] | None = None,
    ) -> None:
        self._batch = batch
        self._crosswalk = crosswalk
        self._letters = letters
        self._deletions = deletions or {}
        self._parents: dict[Lost, list[Binding]] = {}
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was lost, the first few by name."""
        named = list(self._warnings)
        more = len(named) - _WARNINGS
        return (*named[:_WARNINGS], *([f"{more:,} more rows were deleted or merged"] if more > 0 else []))

    def take(self, results: Sequence[RowResult]) -> None:
        """Unbinds what these answers call lost, and rejects or parks the records that are concerned."""
        for result in results:
            self._take_recreated(result)
            for lost in result.lost:
                if lost.field:
                    self._take_parent(result, lost)
                elif lost.moved_to:
                    self._warn(f"{lost.object} {lost.target_id} was merged into {lost.moved_to}")
                elif result.refused:
                    self._take_own(result, lost)

    def _take_own(self, result: RowResult, lost: Lost) -> None:
        flow, source_id = self._batch.flow, result.source_id
        if policy := self._deletions.get(flow.flow):
            self._leave_alone(result, lost, policy)
            return
        self._unbind(self._crosswalk.of_records(flow.flow, [source_id]))
        reason = f"{flow.target} has deleted {lost.object} {lost.target_id}: the record is created anew by the next run"
        self._batch.reject(source_id, reason, (result.object, result.key), passing=True)

    def _leave_alone(self, result: RowResult, lost: Lost, policy: str) -> None:
        """A record that two flows share is never created anew: it is detached, or a person decides."""
        batch, row = self._batch, (result.object, result.key)
        loss = f"{batch.flow.target} has deleted {lost.object} {lost.target_id}"
        if policy == "detach":
            rows = self._crosswalk.of_records(batch.flow.flow, [result.source_id])
            detach(self._crosswalk, [each for each in rows if each.object == batch.flow.root])
            reason = f"{loss}: the record is detached, and stays as it is on this side"
            batch.reject(result.source_id, reason, row, passing=True)
        else:
            batch.reject(result.source_id, f"{loss}, {KEPT}", row)

    def _take_recreated(self, result: RowResult) -> None:
        """A bound row that the target has created had been deleted, and its children with it."""
        flow, known = self._batch.flow, self._batch.bound[result.object].get(result.key)
        created = result.outcome is RowOutcome.CREATED and known and known.target_id != result.target_id
        if not created or result.object not in self._batch.parents:
            return
        bound = self._crosswalk.of_records(flow.flow, [result.source_id])
        self._unbind([each for each in bound if each.object != result.object])
        reason = f"{flow.target} had deleted this {result.object}: it is created anew, its other rows by the next run"
        self._batch.reject(result.source_id, reason, (result.object, result.key), passing=True)

    def _unbind(self, bindings: Sequence[Binding]) -> None:
        self._crosswalk.unbind(bindings)
        for each in bindings:
            self._batch.bound[each.object].pop(each.key, None)

    def _take_parent(self, result: RowResult, lost: Lost) -> None:
        if lost not in self._parents:
            self._parents[lost] = list(self._bound_to(lost))
            for parent in self._parents[lost]:
                if not parent.only_linked and (lost.moved_to or parent.flow not in self._deletions):
                    self._release(parent, lost)
        # a row that only the other direction has written is sent again by no flow: the refusal stands
        linked = any(
            parent.only_linked and parent.flow not in self._deletions for parent in self._parents[lost]
        )
        if not result.refused or not self._referred(lost) or linked:
            return
        row, more = (result.object, result.key), {"field": lost.field, "value": lost.target_id}
        for parent in self._parents[lost]:
            if not lost.moved_to and parent.flow in self._deletions:
                self._batch.reject(result.source_id, f"{self._loss(parent, lost)}, {KEPT}", row, **more)
                continue
            waits_for = (parent.flow, parent.object, parent.key)
            reason = f"{self._loss(parent, lost)}; it is sent again"
            self._batch.reject(result.source_id, reason, row, waits_for=waits_for, **more)
        # another part has unbound it: the next run sees what it has become
        reason = (
            f"{self._batch.flow.target} has deleted what {lost.field} refers to: the next run looks again"
        )
        self._batch.reject(result.source_id, reason, row, passing=True, **more)

    def _referred(self, lost: Lost) -> list[tuple[str, str]]:
        """The flows and objects that a field refers to."""
        return _REF.findall(self._batch.flow.objects[lost.object].fields.get(lost.field, ""))

    def _bound_to(self, lost: Lost) -> Iterator[Binding]:
        for flow, name in self._referred(lost):
            bound = self._crosswalk.of_targets(name, [lost.target_id])
            yield from (each for each in bound if each.flow == flow)

    def _release(self, parent: Binding, lost: Lost) -> None:
        """Unbinds a lost row, or makes a merged one differ, and has its flow send it again."""
        if lost.moved_to:
            self._crosswalk.bind([replace(parent, fingerprint=MERGED)])
        else:
            self._crosswalk.unbind([parent])
        loss = self._loss(parent, lost)
        self._warn(loss)
        send_again(self._letters, self._batch.run, parent, f"{loss}; it is sent again")

    def _loss(self, parent: Binding, lost: Lost) -> str:
        target = self._batch.flow.target
        place = f"{parent.object} {lost.target_id} ({parent.flow}, record {parent.source_id})"
        if lost.moved_to:
            return f"{target} has merged {place} into {lost.moved_to}"
        return f"{target} has deleted {place}"

    def _warn(self, text: str) -> None:
        self._warnings[text] = None
