"""Which rows of a target are linked to a record already, for sinks that take rows over."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from airflow_provider_brightpearl.core.changes import Change, RecordChange
from airflow_provider_brightpearl.core.ports.matching import Claims
from airflow_provider_brightpearl.core.ports.stores import Crosswalk, MatchAnswers
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import MappedRow
from airflow_provider_brightpearl.pipeline.batch import Batch


@dataclass(frozen=True, slots=True)
class Linking:
    """The flow of the other direction that holds the links of a two-way entity, and its crosswalk."""

    flow: FlowSpec
    crosswalk: Crosswalk


@dataclass(frozen=True)
class FlowLinks:
    """What the state knows of the rows of one flow's target; see ``core.ports.matching.LinkedRows``.

    Args:
        flow: the flow.
        crosswalk: what is bound.
        answers: what people have answered.
        linking: the flow of the other direction, where both share their links.
        claims: the record that claimed something first; of this run alone.
    """

    flow: FlowSpec
    crosswalk: Crosswalk
    answers: MatchAnswers
    linking: Linking | None = None
    claims: Claims = field(default_factory=dict[str, str])
    unfound: set[str] = field(default_factory=set)

    def owners(self, object_name: str, target_ids: Iterable[str]) -> dict[str, str]:
        ids = list(target_ids)
        bound = self.crosswalk.of_targets(object_name, ids)
        found = {each.target_id: each.source_id for each in bound if each.flow == self.flow.flow}
        if self.linking and object_name == self.flow.root:
            # its records are the rows of our target, and its rows our records
            linked = self.linking.crosswalk.of_records(self.linking.flow.flow, ids)
            root = self.linking.flow.root
            found |= {each.source_id: each.target_id for each in linked if each.object == root}
        return found

    def rows_of(self, object_name: str, source_ids: Iterable[str]) -> dict[str, str]:
        ids = list(source_ids)
        found: dict[str, str] = {}
        if self.linking and object_name == self.flow.root:
            flow = self.linking.flow
            linked = self.linking.crosswalk.of_targets(flow.root, ids)
            found = {each.target_id: each.source_id for each in linked if each.flow == flow.flow}
        bound = self.crosswalk.of_records(self.flow.flow, ids)
        return found | {each.source_id: each.target_id for each in bound if each.object == object_name}

    def new_ones(self, object_name: str, keys: Iterable[str]) -> set[str]:
        return self.answers.new_ones(self.flow.flow, object_name, keys)

    def first(self, what: str, source_id: str) -> str:
        return self.claims.setdefault(what, source_id)


def unmatched(batch: Batch, skip: Container[str]) -> list[RecordChange]:
    """The records of a part whose first row is not bound, with all their rows."""
    return [
        RecordChange(source_id, tuple(map(_change, rows)), created_at=batch.created_at(source_id))
        for source_id, rows in batch.rows.items()
        if source_id not in skip and batch.own(rows[0]) is None
    ]


def _change(row: MappedRow) -> Change:
    return Change(row.object, row.key, row.payload, row.fingerprint, row.parent)
