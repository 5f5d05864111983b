"""Composite graph: up to 75 graphs per request, each its own transaction (reference, section 3.6)."""

from __future__ import annotations

from ..call import Answer, Call, Resource, resource
from ..errors import ApiError, malformed_json
from .composite import Part, halted_response, read_parts, run_all_or_none
from .composite_references import names_in

MAX_GRAPHS, MAX_NODES, MAX_DEPTH, MAX_NODE_KINDS = 75, 500, 15, 15
MAX_FAILED_GRAPHS = 14  # graphs after this many failed ones are not processed


def post_graph(call: Call) -> Answer:
    """POST composite/graph."""
    body = call.json()
    graphs = _read_graphs(body)
    _check_sizes(graphs)
    failures, shown = 0, []
    for name, parts in graphs:
        if failures >= MAX_FAILED_GRAPHS:
            text = "Graph was not processed because too many graphs before it failed."
            answers, succeeded = [halted_response(part, text) for part in parts], False
        elif _too_deep(parts):
            text = f"A graph has at most {MAX_DEPTH} levels and {MAX_NODE_KINDS} kinds of nodes."
            answers, succeeded = [halted_response(part, text) for part in parts], False
        else:
            answers, succeeded = run_all_or_none(call, parts)
        failures += not succeeded
        shown.append(
            {"graphId": name, "graphResponse": {"compositeResponse": answers}, "isSuccessful": succeeded}
        )
    return Answer({"graphs": shown})


def _read_graphs(body: dict[str, object]) -> list[tuple[str, list[Part]]]:
    items = body.get("graphs")
    if set(body) != {"graphs"} or not isinstance(items, list) or not items:
        raise malformed_json("graphs must be a list of graphs")
    if len(items) > MAX_GRAPHS:
        raise ApiError("LIMIT_EXCEEDED", f"Limit of {MAX_GRAPHS} graphs reached")
    found = []
    for item in items:
        if not isinstance(item, dict) or set(item) != {"graphId", "compositeRequest"}:
            raise malformed_json("a graph needs graphId and compositeRequest, and nothing else")
        found.append((str(item["graphId"]), read_parts(item["compositeRequest"], MAX_NODES)))
    if len({name for name, _ in found}) != len(found):
        raise ApiError("DUPLICATE_VALUE", "graphId is used more than once", ["graphId"])
    return found


def _check_sizes(graphs: list[tuple[str, list[Part]]]) -> None:
    nodes = sum(len(parts) for _, parts in graphs)
    if nodes > MAX_NODES:
        raise ApiError("LIMIT_EXCEEDED", f"Limit of {MAX_NODES} nodes reached, the payload has {nodes}")


def _too_deep(parts: list[Part]) -> bool:
    depth: dict[str, int] = {}
    kinds = set()
    for part in parts:
        parents = (names_in(part.url) | names_in(part.body)) & depth.keys()
        depth[part.reference] = 1 + max((depth[name] for name in parents), default=0)
        words = part.url.split("/")
        kinds.add((part.method, words[5].lower() if len(words) > 5 else part.url))
    return max(depth.values()) > MAX_DEPTH or len(kinds) > MAX_NODE_KINDS


TABLE: list[Resource] = [resource("POST", "composite/graph", post_graph)]
