"""Records that are written whole or not at all: each with its rows as one composite graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from airflow_provider_brightpearl.core.changes import RecordChange, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec
from airflow_provider_brightpearl.systems.salesforce.answers import GONE, is_passing
from airflow_provider_brightpearl.systems.salesforce.client import Graph, GraphAnswer, SalesforceClient, pack
from airflow_provider_brightpearl.systems.salesforce.graph import Node, NodeAnswer
from airflow_provider_brightpearl.systems.salesforce.rows import Row, raw, really_last, row_of, was_removed


class WholeRecords:
    """Writes records of a flow, each as one graph: open, rows, close.

    Args:
        client: calls to the org.
        flow: whose objects are written.
    """

    def __init__(self, client: SalesforceClient, flow: FlowSpec) -> None:
        self.client = client
        self.flow = flow
        self.specs = flow.objects

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Results of the records, call by call; a record with more than ``most_nodes`` nodes fits no call."""
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
            yield from self.write(again)

    def _graph(self, number: int, record: RecordChange) -> tuple[Graph, dict[str, Row | Removal]]:
        nodes: list[Node] = []
        last: list[Node] = []
        named: dict[str, Row | Removal] = {}
        for place, change in enumerate(record.changes):
            row, spec = row_of(self.specs, record.source_id, change), self.specs[change.object]
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
        self, nodes: list[Node], reference: str, row: Row, spec: ObjectSpec
    ) -> Iterator[Node]:
        meanwhile = {name: raw(value) for name, value in spec.set_last.items()}
        if row.change.target_id:
            path = f"sobjects/{self.flow.target_object(row.change.object)}/{row.change.target_id}"
            nodes.append(Node(f"{reference}open", "PATCH", path, msgspec.json.encode(meanwhile).decode()))
        early = Row(row.source_id, row.change, {**row.fields, **meanwhile})
        nodes.append(self._upsert_node(reference, early, spec))
        if really_last(row.fields, spec):
            path = f"sobjects/{self.flow.target_object(row.change.object)}/@{{{reference}.id}}"
            yield Node(f"{reference}close", "PATCH", path, row.body(only=tuple(spec.set_last)))

    def _upsert_node(self, reference: str, row: Row, spec: ObjectSpec) -> Node:
        target = self.flow.target_object(row.change.object)
        return Node.upsert(reference, target, spec.key_field, row.change.key, row.body())

    def _removal_nodes(self, record: RecordChange, named: dict[str, Row | Removal]) -> Iterator[Node]:
        for place, removal in enumerate(record.removals):
            named[f"gone{place}"] = removal
            path = f"sobjects/{self.flow.target_object(removal.object)}/{removal.target_id}"
            yield Node(f"gone{place}", "DELETE", path)


def most_nodes(record: RecordChange) -> int:
    """The most nodes a record's graph may have: two more open and close each row with a field set last."""
    return len(record.changes) + len(record.removals) + 2


def _already_gone(named: Mapping[str, Row | Removal], answer: GraphAnswer) -> list[Removal]:
    """Removals that failed a graph because the row was already deleted."""
    found = (named.get(node.reference) for node in answer.culprits if node.code in GONE)
    return [item for item in found if isinstance(item, Removal)]


def _graph_results(
    record: RecordChange, named: Mapping[str, Row | Removal], answer: GraphAnswer, gone: Sequence[Removal]
) -> Iterator[RowResult]:
    if gone:
        for removal in gone:
            yield was_removed(record.source_id, removal)
    elif answer.success:
        yield from _written(record, named, answer)
    else:
        for node in answer.culprits or answer.nodes[:1]:
            item = named.get(node.reference.removesuffix("open").removesuffix("close"))
            yield item.refused(node) if isinstance(item, Row) else _refused(record, node)


def _refused(record: RecordChange, node: NodeAnswer) -> RowResult:
    """The refusal of a node that is no row of the record's changes."""
    reason, passing = f"{node.code}: {node.message}", is_passing(node.code, node.message)
    return RowResult(record.source_id, "", "", RowOutcome.REFUSED, reason=reason, passing=passing)


def _written(
    record: RecordChange, named: Mapping[str, Row | Removal], answer: GraphAnswer
) -> Iterator[RowResult]:
    """The results of the rows that the answer names with an id; the load stage notices those that are left out."""
    nodes = {node.reference: node for node in answer.nodes}
    for reference, item in named.items():
        if (node := nodes.get(reference)) is None:
            continue
        if isinstance(item, Removal):
            yield was_removed(record.source_id, item)
        elif target_id := node.id or item.change.target_id:
            yield item.written(target_id, created=node.created)
