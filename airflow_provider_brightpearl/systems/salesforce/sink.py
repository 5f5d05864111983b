"""Salesforce as a target: any object that a flow names, upserted by its external id.

Few rows go by sObject Collections, many by Bulk API 2.0. An object with a field that is set last (an order's
status) goes with its rows as one composite graph per record, which happens whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress

import msgspec

from airflow_provider_brightpearl.core.changes import Change, RecordChange, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.core.estimate import WriteVolume
from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec
from airflow_provider_brightpearl.systems.salesforce.answers import GONE
from airflow_provider_brightpearl.systems.salesforce.client import (
    BULK_THRESHOLD,
    GRAPH_NODES,
    Graph,
    GraphAnswer,
    RowAnswer,
    SalesforceClient,
    pack,
)
from airflow_provider_brightpearl.systems.salesforce.collections import COLLECTION_ROWS
from airflow_provider_brightpearl.systems.salesforce.estimate import calls_by_graph, calls_by_object
from airflow_provider_brightpearl.systems.salesforce.graph import Node

Fields = dict[str, msgspec.Raw]
# from so many records with a field set last on, they go object by object, in far fewer calls
WHOLE_BELOW = 2_000


def relationship(lookup_field: str) -> str:
    """Name under which a lookup field takes its parent's external id: AccountId, Account; Shop__c, Shop__r."""
    return lookup_field[:-3] + "__r" if lookup_field.endswith("__c") else lookup_field.removesuffix("Id")


@dataclass(frozen=True, slots=True)
class _Row:
    """One row on its way: whose it is, and its fields as they go out."""

    source_id: str
    change: Change
    fields: Fields

    def body(self, key_field: str = "", only: Sequence[str] = ()) -> str:
        """JSON text of the row, with its key where a field for it is given."""
        chosen = {name: self.fields[name] for name in only} if only else self.fields
        keyed = {key_field: msgspec.Raw(msgspec.json.encode(self.change.key))} if key_field else {}
        return msgspec.json.encode({**keyed, **chosen}).decode()

    def result(self, answer: RowAnswer) -> RowResult:
        if answer.success:
            return self.written(answer.id, created=answer.created)
        return self.refused(f"{answer.code}: {answer.message}", answer.fields)

    def written(self, target_id: str, *, created: bool) -> RowResult:
        outcome = RowOutcome.CREATED if created else RowOutcome.UPDATED
        return RowResult(self.source_id, self.change.object, self.change.key, outcome, target_id)

    def refused(self, reason: str, names: Sequence[str] = ()) -> RowResult:
        name = names[0] if names else ""
        value = bytes(self.fields[name]).decode() if name in self.fields else ""
        return RowResult(
            self.source_id, self.change.object, self.change.key, RowOutcome.REFUSED, reason=reason, field=name,
            value=value,
        )  # fmt: skip


class SalesforceSink:
    """Writes the objects of one flow to an org.

    Args:
        client: calls to the org.
        flow: whose objects are written.
        bulk_from: number of rows of an object from which on Bulk API is used.
        whole_below: number of records with a field set last up to which each is written whole.
    """

    def __init__(
        self,
        client: SalesforceClient,
        flow: FlowSpec,
        bulk_from: int = BULK_THRESHOLD,
        whole_below: int = WHOLE_BELOW,
    ) -> None:
        self.client = client
        self.flow = flow
        self.specs = flow.objects
        self.whole = any(spec.set_last for spec in self.specs.values())
        self.bulk_from = bulk_from
        self.whole_below = whole_below
        self._jobs_with_refusals = 0
        self._last_id = ""

    @property
    def calls(self) -> int:
        return self.client.calls

    @property
    def page(self) -> str:
        """Address of the last bulk job, or else of the first record of the last call."""
        return self.client.job_page or (self.client.record_page(self._last_id) if self._last_id else "")

    @property
    def looks(self) -> int:
        return self.client.looks

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls; asked after writing, with those that tell why rows of bulk jobs were refused."""
        whole, others = self._ways(records)
        found = calls_by_graph(self.specs, self._volume(whole)) + calls_by_object(
            self.specs, self._volume(others)
        )
        return found + self._jobs_with_refusals

    def estimate_write(self, volume: WriteVolume) -> int:
        if self.whole and volume.records < self.whole_below:
            return calls_by_graph(self.specs, volume)
        return calls_by_object(self.specs, volume)

    def _volume(self, records: Sequence[RecordChange]) -> WriteVolume:
        closed = sum(
            _really_last(self.row(record, change), self.specs[change.object])
            for record in records
            for change in record.changes
        )
        return WriteVolume.of(records, closed)

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Writes the records; results come per call, refused rows as results with a reason."""
        whole, others = self._ways(records)
        for results in chain(self._write_graphs(whole), self._write_objects(others)):
            self._last_id = next((each.target_id for each in results if each.target_id), self._last_id)
            yield results

    def _ways(self, records: Sequence[RecordChange]) -> tuple[list[RecordChange], list[RecordChange]]:
        """Records that go whole, as a graph each, and those that go object by object."""
        if not self.whole or len(records) >= self.whole_below:
            return [], list(records)
        fits = [_most_nodes(record) <= GRAPH_NODES for record in records]
        return list(compress(records, fits)), list(compress(records, (not each for each in fits)))

    # object by object

    def _write_objects(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Rows object by object; those with a field set last are unfinished until all of their record is there."""
        refused: set[str] = set()
        rows = self._rows(records)
        for results in chain(self._reopened(rows), self._removals(records)):
            yield _note(results, refused)
        for name, spec in self.specs.items():
            passing = [row for row in rows[name] if row.source_id not in refused]
            late = {row.change.key for row in passing if _really_last(row, spec)}
            for results in self._upsert(name, passing, meanwhile=spec.set_last):
                yield _note([replace(each, unfinished=each.key in late) for each in results], refused)
        yield from self._last_fields(rows, refused)

    def _rows(self, records: Sequence[RecordChange]) -> dict[str, list[_Row]]:
        """The rows of records by object."""
        rows: dict[str, list[_Row]] = {name: [] for name in self.specs}
        for record in records:
            for change in record.changes:
                rows[change.object].append(self.row(record, change))
        return rows

    def _reopened(self, rows: Mapping[str, Sequence[_Row]]) -> Iterator[list[RowResult]]:
        """Rows that exist go back to the interim value first, alone, or the target takes no other change."""
        for name, spec in self.specs.items():
            bound = [row for row in rows[name] if spec.set_last and row.change.target_id]
            for results in self._upsert(name, bound, spec.set_last, tuple(spec.set_last)):
                yield [replace(each, unfinished=True) for each in results]

    def _last_fields(
        self, rows: Mapping[str, Sequence[_Row]], refused: set[str]
    ) -> Iterator[list[RowResult]]:
        for name, spec in self.specs.items():
            passing = [row for row in rows[name] if row.source_id not in refused and _really_last(row, spec)]
            yield from self._upsert(name, passing, only=tuple(spec.set_last))

    def _upsert(
        self,
        name: str,
        rows: Sequence[_Row],
        meanwhile: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
    ) -> Iterator[list[RowResult]]:
        key_field = self.specs[name].key_field
        target = self.flow.target_object(name)
        interim = {field: _json(value) for field, value in (meanwhile or {}).items()}
        sent = [_Row(row.source_id, row.change, {**row.fields, **interim}) for row in rows]
        bodies = [row.body(key_field, only) for row in sent]
        by_key = {row.change.key: row for row in sent}
        if len(sent) >= self.bulk_from:
            answers = list(self.client.bulk_upsert(target, key_field, bodies))
            self._jobs_with_refusals += not all(answer.success for answer in answers)
            yield [by_key[answer.key].result(answer) for answer in answers]
            return
        for start in range(0, len(sent), COLLECTION_ROWS):
            chunk = bodies[start : start + COLLECTION_ROWS]
            yield [
                by_key[answer.key].result(answer) for answer in self.client.upsert(target, key_field, chunk)
            ]

    def _removals(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        gone = [(record.source_id, removal) for record in records for removal in record.removals]
        for start in range(0, len(gone), COLLECTION_ROWS):
            chunk = gone[start : start + COLLECTION_ROWS]
            answers = self.client.delete([removal.target_id for _, removal in chunk])
            yield [_removed(*pair, answer) for pair, answer in zip(chunk, answers, strict=True)]

    def row(self, record: RecordChange, change: Change) -> _Row:
        """A change with its parent's external id, and without fields its target no longer takes."""
        spec = self.specs[change.object]
        fields: Fields = msgspec.json.decode(change.payload, type=dict[str, msgspec.Raw])
        for lookup_field, parent in spec.parent.items():
            reference = {self.specs[parent].key_field: change.parent}
            if change.target_id is None or lookup_field not in spec.sent_on_create:
                fields[relationship(lookup_field)] = msgspec.Raw(msgspec.json.encode(reference))
        if change.target_id is not None:
            fields = {name: value for name, value in fields.items() if name not in spec.sent_on_create}
        return _Row(record.source_id, change, fields)

    # record by record

    def _write_graphs(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        built = [self._graph(number, record) for number, record in enumerate(records)]
        again: list[RecordChange] = []
        for group in pack([len(graph.nodes) for graph, _ in built]):
            answers = self.client.graph([built[place][0] for place in group])
            results: list[RowResult] = []
            for place, answer in zip(group, answers, strict=True):
                gone = _already_gone(built[place][1], answer)
                results += _graph_results(records[place], built[place][1], answer, gone)
                if gone:
                    left = tuple(each for each in records[place].removals if each not in gone)
                    again.append(replace(records[place], removals=left))
            yield results
        if again:
            yield from self._write_graphs(again)

    def _graph(self, number: int, record: RecordChange) -> tuple[Graph, dict[str, _Row | Removal]]:
        nodes: list[Node] = []
        last: list[Node] = []
        named: dict[str, _Row | Removal] = {}
        for place, change in enumerate(record.changes):
            row, spec = self.row(record, change), self.specs[change.object]
            reference = f"row{place}"
            named[reference] = row
            if spec.set_last:
                last.extend(self._opening_and_closing(nodes, reference, row, spec))
            else:
                nodes.append(self._upsert_node(reference, row, spec))
            if place == 0:
                nodes.extend(self._removal_nodes(record, named))
        return Graph(f"record{number}", (*nodes, *last)), named

    def _opening_and_closing(
        self, nodes: list[Node], reference: str, row: _Row, spec: ObjectSpec
    ) -> Iterator[Node]:
        meanwhile = {name: _json(value) for name, value in spec.set_last.items()}
        if row.change.target_id:
            path = f"sobjects/{self.flow.target_object(row.change.object)}/{row.change.target_id}"
            nodes.append(Node(f"{reference}open", "PATCH", path, msgspec.json.encode(meanwhile).decode()))
        early = _Row(row.source_id, row.change, {**row.fields, **meanwhile})
        nodes.append(self._upsert_node(reference, early, spec))
        if _really_last(row, spec):
            path = f"sobjects/{self.flow.target_object(row.change.object)}/@{{{reference}.id}}"
            yield Node(f"{reference}close", "PATCH", path, row.body(only=tuple(spec.set_last)))

    def _upsert_node(self, reference: str, row: _Row, spec: ObjectSpec) -> Node:
        target = self.flow.target_object(row.change.object)
        return Node.upsert(reference, target, spec.key_field, row.change.key, row.body())

    def _removal_nodes(self, record: RecordChange, named: dict[str, _Row | Removal]) -> Iterator[Node]:
        for place, removal in enumerate(record.removals):
            named[f"gone{place}"] = removal
            path = f"sobjects/{self.flow.target_object(removal.object)}/{removal.target_id}"
            yield Node(f"gone{place}", "DELETE", path)


def _note(results: list[RowResult], refused: set[str]) -> list[RowResult]:
    refused.update(result.source_id for result in results if result.refused)
    return results


def _json(value: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _really_last(row: _Row, spec: ObjectSpec) -> bool:
    return any(bytes(row.fields[name]) != bytes(_json(value)) for name, value in spec.set_last.items())


def _removed(source_id: str, removal: Removal, answer: RowAnswer) -> RowResult:
    if answer.success or answer.code in GONE:
        return _gone(source_id, removal)
    reason = f"{answer.code}: {answer.message}"
    return RowResult(
        source_id, removal.object, removal.key, RowOutcome.REFUSED, removal.target_id, reason=reason
    )


def _gone(source_id: str, removal: Removal) -> RowResult:
    return RowResult(source_id, removal.object, removal.key, RowOutcome.REMOVED, removal.target_id)


def _most_nodes(record: RecordChange) -> int:
    """The most nodes a record's graph may have: two more open and close each row with a field set last."""
    return len(record.changes) + len(record.removals) + 2


def _already_gone(named: Mapping[str, _Row | Removal], answer: GraphAnswer) -> list[Removal]:
    """Removals for which a graph failed because somebody else had deleted the row."""
    found = (named.get(node.reference) for node in answer.culprits if node.code in GONE)
    return [item for item in found if isinstance(item, Removal)]


def _graph_results(
    record: RecordChange, named: Mapping[str, _Row | Removal], answer: GraphAnswer, gone: Sequence[Removal]
) -> Iterator[RowResult]:
    if gone:
        for removal in gone:
            yield _gone(record.source_id, removal)
    elif answer.success:
        yield from _written(record, named, answer)
    else:
        for node in answer.culprits or answer.nodes[:1]:
            item = named.get(node.reference.removesuffix("open").removesuffix("close"))
            reason = f"{node.code}: {node.message}"
            yield (
                item.refused(reason, node.fields)
                if isinstance(item, _Row)
                else RowResult(record.source_id, "", "", RowOutcome.REFUSED, reason=reason)
            )


def _written(
    record: RecordChange, named: Mapping[str, _Row | Removal], answer: GraphAnswer
) -> Iterator[RowResult]:
    nodes = {node.reference: node for node in answer.nodes}
    for reference, item in named.items():
        if isinstance(item, Removal):
            yield _gone(record.source_id, item)
        else:
            node = nodes[reference]
            yield item.written(node.id or item.change.target_id or "", created=node.created)
