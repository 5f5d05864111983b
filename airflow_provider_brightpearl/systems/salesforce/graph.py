"""Composite graphs: sets of records with references that are written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json import dumps
from typing import Any
from urllib.parse import quote

import msgspec
import requests

from airflow_provider_brightpearl.systems.salesforce.answers import (
    HALTED,
    RETRYABLE_CODES,
    UNREADABLE,
    broken,
    describe_error,
)


@dataclass(frozen=True, slots=True)
class Node:
    """One call inside a graph; ``path`` below ``/services/data/vXX.0/``, ``body`` JSON text.

    A body may hold ``@{reference.id}`` of a node before it.
    """

    reference: str
    method: str
    path: str
    body: str = ""

    @classmethod
    def upsert(cls, reference: str, object_name: str, key_field: str, key: str, body: str) -> Node:
        """An upsert by external id; ``body`` must not hold the key field itself."""
        return cls(reference, "PATCH", f"sobjects/{object_name}/{key_field}/{quote(key, safe='')}", body)


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in order, at most 500, that happen whole or not at all."""

    id: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """The org's answer to one node."""

    reference: str
    status: int
    id: str = ""
    created: bool = False
    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """The outcome of one graph; where it failed, ``culprits`` are the nodes with a reason of their own."""

    id: str
    success: bool
    nodes: tuple[NodeAnswer, ...]

    @property
    def culprits(self) -> tuple[NodeAnswer, ...]:
        return tuple(node for node in self.nodes if node.code and node.code != HALTED)

    @property
    def unreached(self) -> bool:
        """Whether the org has not tried it, because too many graphs before it had failed."""
        return not self.success and not self.culprits

    @property
    def retryable(self) -> bool:
        """Whether it may pass a moment later: a lock, or not reached."""
        return not self.success and all(node.code in RETRYABLE_CODES for node in self.culprits)


class _Response(msgspec.Struct):
    referenceId: str = ""
    httpStatusCode: int = 0
    body: Any = None


class _Responses(msgspec.Struct):
    compositeResponse: list[_Response] = []


class _Graph(msgspec.Struct):
    graphId: str
    isSuccessful: bool = False
    graphResponse: _Responses = msgspec.field(default_factory=_Responses)


class _Answer(msgspec.Struct):
    graphs: list[_Graph]


_answers = msgspec.json.Decoder(_Answer)


def payload(graphs: Sequence[Graph], data_path: str) -> str:
    """The JSON text of a call with these graphs; bodies go out character by character."""
    return f'{{"graphs":[{",".join(_graph(graph, data_path) for graph in graphs)}]}}'


def _graph(graph: Graph, data_path: str) -> str:
    nodes = ",".join(_node(node, data_path) for node in graph.nodes)
    return f'{{"graphId":{dumps(graph.id)},"compositeRequest":[{nodes}]}}'


def _node(node: Node, data_path: str) -> str:
    body = f',"body":{node.body}' if node.body else ""
    return (
        f'{{"method":{dumps(node.method)},"url":{dumps(data_path + node.path)},'
        f'"referenceId":{dumps(node.reference)}{body}}}'
    )


def graph_answers(graphs: Sequence[Graph]) -> Callable[[requests.Response], list[GraphAnswer]]:
    """Reads the answer to a call with these graphs, in their order."""

    def read(response: requests.Response) -> list[GraphAnswer]:
        try:
            found = {graph.graphId: graph for graph in _answers.decode(response.content).graphs}
        except UNREADABLE as error:
            raise broken(response, error) from None
        missing = [graph.id for graph in graphs if graph.id not in found]
        if missing:
            raise broken(response, ValueError(f"no answer to graph {missing[0]}"))
        return [_graph_answer(found[graph.id]) for graph in graphs]

    return read


def _graph_answer(graph: _Graph) -> GraphAnswer:
    nodes = tuple(_node_answer(node) for node in graph.graphResponse.compositeResponse)
    return GraphAnswer(graph.graphId, graph.isSuccessful, nodes)


def _node_answer(node: _Response) -> NodeAnswer:
    if isinstance(node.body, list) and node.body:
        code, message, fields = describe_error(node.body[0])
        return NodeAnswer(node.referenceId, node.httpStatusCode, "", False, code, message, fields)
    body = node.body if isinstance(node.body, dict) else {}
    created = bool(body.get("created", node.httpStatusCode == 201))
    return NodeAnswer(node.referenceId, node.httpStatusCode, str(body.get("id", "")), created)
