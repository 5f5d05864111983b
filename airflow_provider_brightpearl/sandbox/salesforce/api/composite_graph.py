"""Composite graph: up to 75 graphs in a call, each a transaction of its own (reference, section 3.6)."""

from __future__ import annotations

from ..call import Answer, Call, Resource, resource
from ..errors import Refused, bad_json
from .composite import Part, halted, read_parts, run_together
from .composite_references import names_in

MOST_GRAPHS, MOST_NODES, MOST_DEPTH, MOST_KINDS = 75, 500, 15, 15
MOST_FAILURES = 14  # the graphs after so many failed ones are not processed


def post_graph(call: Call) -> Answer:
    """POST composite/graph."""
    body = call.json()
    graphs = _read_graphs(body)
    _check_sizes(graphs)
    failures, shown = 0, []
    for name, parts in graphs:
        if failures >= MOST_FAILURES:
            text = "Graph was not processed because too many graphs before it failed."
            answers, fine = [halted(part, text) for part in parts], False
        elif _too_deep(parts):
            text = f"A graph has at most {MOST_DEPTH} levels and {MOST_KINDS} kinds of nodes."
            answers, fine = [halted(part, text) for part in parts], False
        else:
            answers, fine = run_together(call, parts)
        failures += not fine
        shown.append({"graphId": name, "graphResponse": {"compositeResponse": answers}, "isSuccessful": fine})
    return Answer({"graphs": shown})


def _read_graphs(body: dict[str, object]) -> list[tuple[str, list[Part]]]:
    items = body.get("graphs")
    if set(body) != {"graphs"} or not isinstance(items, list) or not items:
        raise bad_json("graphs is a list of graphs")
    if len(items) > MOST_GRAPHS:
        raise Refused("LIMIT_EXCEEDED", f"Limit of {MOST_GRAPHS} graphs reached")
    found = []
    for item in items:
        if not isinstance(item, dict) or set(item) != {"graphId", "compositeRequest"}:
            raise bad_json("a graph has graphId and compositeRequest")
        found.append((str(item["graphId"]), read_parts(item["compositeRequest"], MOST_NODES)))
    if len({name for name, _ in found}) != len(found):
        raise Refused("DUPLICATE_VALUE", "graphId is used more than once", ["graphId"])
    return found


def _check_sizes(graphs: list[tuple[str, list[Part]]]) -> None:
    nodes = sum(len(parts) for _, parts in graphs)
    if nodes > MOST_NODES:
        raise Refused("LIMIT_EXCEEDED", f"Limit of {MOST_NODES} nodes reached, the payload has {nodes}")


def _too_deep(parts: list[Part]) -> bool:
    depth: dict[str, int] = {}
    kinds = set()
    for part in parts:
        parents = (names_in(part.url) | names_in(part.body)) & depth.keys()
        depth[part.reference] = 1 + max((depth[name] for name in parents), default=0)
        words = part.url.split("/")
        kinds.add((part.method, words[5].lower() if len(words) > 5 else part.url))
    return max(depth.values()) > MOST_DEPTH or len(kinds) > MOST_KINDS


TABLE: list[Resource] = [resource("POST", "composite/graph", post_graph)]
