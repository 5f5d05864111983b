"""Whether the flows and objects exist that expressions look up in the crosswalk, and run in the right direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches

import sqlglot
from sqlglot import exp

from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.engine_session import expressions_of
from airflow_provider_brightpearl.mapping.expressions import KINDS, SOURCE_OF
from airflow_provider_brightpearl.mapping.syntax import function_name

# how alike two names are of which one is misspelt
_MISSPELT = 0.9


def reference_problems(flows: Sequence[FlowSpec], *, complete: bool = True) -> Iterator[tuple[str, str]]:
    """What is wrong with ``ref``, ``source_of``, ``has_ref`` and ``has_source``: name of the flow, and a sentence.

    Args:
        flows: all flows of a folder. Expressions that are no SQL are left out.
        complete: whether there are no others, so that a flow that is not among them does not exist.
    """
    known = {flow.flow: flow for flow in flows}
    for flow in flows:
        for name, spec in flow.objects.items():
            for place, text in expressions_of(spec):
                for function, target in dict.fromkeys(_references(text)):
                    if problem := _problem(flow, function, target, known, complete):
                        yield flow.flow, f"{flow.flow}.yaml: objects.{name}.{place}: {problem}\n    {text}"


def flows_back(flow: FlowSpec) -> set[str]:
    """The flows of the opposite direction that a flow cannot do without: of ``reverse`` and ``source_of``."""
    found = {flow.reverse.of} if flow.reverse else set()
    for spec in flow.objects.values():
        for _, text in expressions_of(spec):
            named = (target for function, target in _references(text) if function == SOURCE_OF)
            found |= {target.partition(".")[0] for target in named}
    return found


def _references(text: str) -> Iterator[tuple[str, str]]:
    """The functions of an expression that look something up in the crosswalk, and their first arguments."""
    tree = None
    with suppress(sqlglot.errors.SqlglotError):
        tree = sqlglot.parse_one(text, read="duckdb")
    for node in tree.find_all(exp.Anonymous) if tree else ():
        first = node.expressions[0] if node.expressions else None
        if function_name(node) in KINDS and isinstance(first, exp.Literal):
            yield function_name(node), str(first.name)


def _problem(
    flow: FlowSpec, function: str, target: str, known: Mapping[str, FlowSpec], complete: bool
) -> str:
    name, dot, object_name = target.partition(".")
    if not dot:
        return ""  # the expression's own problem says so
    if name not in known:
        # what only asks may ask for a flow that somebody does not use: it has written nothing
        asks = function in ("has_ref", "has_source") and not get_close_matches(name, known, 1, _MISSPELT)
        return (
            "" if asks or not complete else f"{function}: there is no flow {name}{did_you_mean(name, known)}"
        )
    there = known[name]
    if object_name not in there.objects:
        return (
            f"{function}: {object_name} is not an object of {name}{did_you_mean(object_name, there.objects)}"
        )
    ways = (flow.source_system, flow.target), (there.source_system, there.target)
    back = KINDS[function] == SOURCE_OF
    if ways[1] == (ways[0][::-1] if back else ways[0]):
        return ""
    other = {"ref": "source_of", "source_of": "ref", "has_ref": "has_source", "has_source": "has_ref"}[
        function
    ]
    needed = "from {1} to {0}" if back else "from {0} to {1}"
    fits = ways[0] in (ways[1], ways[1][::-1])
    return (
        f"{function} needs a flow {needed.format(*ways[0])}, and {name} goes from {ways[1][0]} to {ways[1][1]}"
        + (f"; use {other}" if fits else "")
    )
