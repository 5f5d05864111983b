"""Salesforce as a target: any object that a flow names, upserted by its external id.

Few rows go by sObject Collections, many by Bulk API 2.0. An object with a field that is set last (an order's
status) goes with its rows as one composite graph per record, which happens whole or not at all.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain, compress

import msgspec
from more_itertools import chunked

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
Owned = tuple[str, Change]
_decoded = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode
# from so many records with a field set last on, they go object by object, in far fewer calls
WHOLE_BELOW = 2_000


def relationship(lookup_field: str) -> str:
    """Name under which a lookup field takes its parent's external id: AccountId, Account; Shop__c, Shop__r."""
    return lookup_field[:-3] + "__r" if lookup_field.endswith("__c") else lookup_field.removesuffix("Id")


class _Row(msgspec.Struct, frozen=True, gc=False):
    """One row on its way: whose it is, and its fields as they go out."""

    source_id: str
    change: Change
    fields: Fields

    def body(self, key_field: str = "", only: Sequence[str] = ()) -> str:
        """JSON text of the row, with its key where a field for it is given."""
        chosen = {name: self.fields[name] for name in only} if only else self.fields
        keyed = {key_field: _json(self.change.key)} if key_field else {}
        return msgspec.json.encode({**keyed, **chosen}).decode()

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
        closed = sum(self._closes(change) for record in records for change in record.changes)
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
            passing = [row for row in rows[name] if row[0] not in refused]
            late = {change.key for _, change in passing if self._closes(change)}
            for results in self._upsert(name, passing, meanwhile=spec.set_last, unfinished=late):
                yield _note(results, refused)
        yield from self._last_fields(rows, refused)

    def _rows(self, records: Sequence[RecordChange]) -> dict[str, list[Owned]]:
        """The rows of records by object, each with the record that it belongs to."""
        rows: dict[str, list[Owned]] = {name: [] for name in self.specs}
        for record in records:
            for change in record.changes:
                rows[change.object].append((record.source_id, change))
        return rows

    def _closes(self, change: Change) -> bool:
        """Whether a row's field that is set last differs from its interim value."""
        spec = self.specs[change.object]
        return bool(spec.set_last) and _really_last(_decoded(change.payload), spec)

    def _reopened(self, rows: Mapping[str, Sequence[Owned]]) -> Iterator[list[RowResult]]:
        """Rows that exist go back to the interim value first, alone, or the target takes no other change."""
        for name, spec in self.specs.items():
            bound = [row for row in rows[name] if spec.set_last and row[1].target_id]
            keys = {change.key for _, change in bound}
            yield from self._upsert(name, bound, spec.set_last, tuple(spec.set_last), keys)

    def _last_fields(
        self, rows: Mapping[str, Sequence[Owned]], refused: set[str]
    ) -> Iterator[list[RowResult]]:
        for name, spec in self.specs.items():
            passing = [row for row in rows[name] if row[0] not in refused and self._closes(row[1])]
            yield from self._upsert(name, passing, only=tuple(spec.set_last))

    def _upsert(
        self,
        name: str,
        rows: Sequence[Owned],
        meanwhile: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
        unfinished: Container[str] = (),
    ) -> Iterator[list[RowResult]]:
        key_field, target = self.specs[name].key_field, self.flow.target_object(name)
        bodies = list(self._bodies(name, rows, meanwhile or {}, only))
        by_key = {row[1].key: row for row in rows}
        for answers in self._answers(target, key_field, bodies):
            yield [self._result(*by_key[answer.key], answer, answer.key in unfinished) for answer in answers]

    def _answers(self, target: str, key_field: str, bodies: Sequence[str]) -> Iterator[list[RowAnswer]]:
        if len(bodies) >= self.bulk_from:
            answers = list(self.client.bulk_upsert(target, key_field, bodies))
            self._jobs_with_refusals += not all(answer.success for answer in answers)
            yield answers
            return
        for chunk in chunked(bodies, COLLECTION_ROWS):
            yield self.client.upsert(target, key_field, chunk)

    def _bodies(
        self, name: str, rows: Sequence[Owned], meanwhile: Mapping[str, str], only: Sequence[str]
    ) -> Iterator[str]:
        """JSON texts of rows with their keys: all fields, those of ``meanwhile`` with that value, or ``only`` some."""
        spec = self.specs[name]
        interim = {field: _json(value) for field, value in meanwhile.items()}
        parents = [
            (relationship(lookup), self.specs[parent].key_field) for lookup, parent in spec.parent.items()
        ]
        added = {spec.key_field, *(relation for relation, _ in parents)}
        # the text of most rows is complete but for the ends
        left_out = spec.sent_on_create
        as_is = not interim and not only and added.isdisjoint(spec.fields)
        for source_id, change in rows:
            if as_is and not (change.target_id and left_out):
                yield _extended(change, spec.key_field, parents)
            else:
                row = self._row(source_id, change)
                early = _Row(source_id, change, {**row.fields, **interim}) if interim else row
                yield early.body(spec.key_field, only)

    def _result(self, source_id: str, change: Change, answer: RowAnswer, unfinished: bool) -> RowResult:
        if not answer.success:
            return self._row(source_id, change).refused(f"{answer.code}: {answer.message}", answer.fields)
        outcome = RowOutcome.CREATED if answer.created else RowOutcome.UPDATED
        return RowResult(source_id, change.object, change.key, outcome, answer.id, unfinished=unfinished)

    def _removals(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        gone = [(record.source_id, removal) for record in records for removal in record.removals]
        for chunk in chunked(gone, COLLECTION_ROWS):
            answers = self.client.delete([removal.target_id for _, removal in chunk])
            yield [_removed(*pair, answer) for pair, answer in zip(chunk, answers, strict=True)]

    def _row(self, source_id: str, change: Change) -> _Row:
        """A change with its parent's external id, and without fields its target no longer takes."""
        spec = self.specs[change.object]
        fields = _decoded(change.payload)
        for lookup_field, parent in spec.parent.items():
            if change.target_id is None or lookup_field not in spec.sent_on_create:
                fields[relationship(lookup_field)] = _json({self.specs[parent].key_field: change.parent})
        if change.target_id is not None:
            fields = {name: value for name, value in fields.items() if name not in spec.sent_on_create}
        return _Row(source_id, change, fields)

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
                    again.append(msgspec.structs.replace(records[place], removals=left))
            yield results
        if again:
            yield from self._write_graphs(again)

    def _graph(self, number: int, record: RecordChange) -> tuple[Graph, dict[str, _Row | Removal]]:
        nodes: list[Node] = []
        last: list[Node] = []
        named: dict[str, _Row | Removal] = {}
        for place, change in enumerate(record.changes):
            row, spec = self._row(record.source_id, change), self.specs[change.object]
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
        if _really_last(row.fields, spec):
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


def _json(value: str | dict[str, str]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _extended(change: Change, key_field: str, parents: Sequence[tuple[str, str]]) -> str:
    """The JSON text of a row with its key before its fields, and its parents' keys behind them."""
    fields = change.payload.strip()[1:-1].strip()
    parts = [f'"{key_field}":{_text(change.key)}', *([fields] if fields else [])]
    parts += [f'"{relation}":{{"{key}":{_text(change.parent)}}}' for relation, key in parents]
    return f"{{{','.join(parts)}}}"


def _text(value: str) -> str:
    return _encode(value).decode()


def _really_last(fields: Fields, spec: ObjectSpec) -> bool:
    return any(bytes(fields[name]) != bytes(_json(value)) for name, value in spec.set_last.items())


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
