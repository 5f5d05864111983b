"""Finds flows that write the same fields of the same rows, each undoing the other's writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec
from airflow_provider_brightpearl.flow.two_way import two_way_problems

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class WriterProblem:
    """A conflict between flows; ``flows`` are the names of those involved."""

    flows: frozenset[str]
    text: str


def writer_problems(flows: Sequence[FlowSpec], faulty: Collection[str] = ()) -> list[WriterProblem]:
    """Fields that two flows write of one object by one key without an owner, invalid owners, and two-way fields.

    Args:
        flows: all flows of a folder.
        faulty: flows whose files cannot be read; what names them is not judged.
    """
    pairs = combinations(flows, 2)
    two_way = (WriterProblem(*found) for found in two_way_problems(flows, faulty))
    return [
        *_misnamed(flows, faulty),
        *(problem for pair in pairs for problem in _conflicts(*pair)),
        *two_way,
    ]


def _conflicts(one: FlowSpec, other: FlowSpec) -> Iterator[WriterProblem]:
    if one.target != other.target:
        return
    for name, spec in one.objects.items():
        for there, theirs in other.objects.items():
            target = one.target_object(name)
            same_rows = (target, spec.key_field) == (other.target_object(there), theirs.key_field)
            if not same_rows or other.flow in spec.disjoint_from or one.flow in theirs.disjoint_from:
                continue
            if shared := sorted(_decided(spec) & _decided(theirs)):
                text = (
                    f"{one.flow}.yaml and {other.flow}.yaml: both write {_listed(target, shared)} by the key "
                    f"{spec.key_field}, so each undoes what the other writes; keep each field in one of them. Or "
                    f"declare in {other.flow}.yaml, objects.{there}: `owner: {{{shared[0]}: {one.flow}}}` for each "
                    f"field, or `disjoint_from: [{one.flow}]` if they never write the same rows"
                )
                yield WriterProblem(frozenset({one.flow, other.flow}), text)


def _decided(spec: ObjectSpec) -> set[str]:
    """The fields that a flow writes whenever they change."""
    return {*spec.fields, *spec.parent} - spec.sent_on_create


def _listed(target: str, fields: Sequence[str]) -> str:
    more = f" and {len(fields) - _SHOWN} more" if len(fields) > _SHOWN else ""
    return ", ".join(f"{target}.{field}" for field in fields[:_SHOWN]) + more


def _misnamed(flows: Sequence[FlowSpec], faulty: Collection[str]) -> Iterator[WriterProblem]:
    known = {flow.flow: flow for flow in flows}
    for flow in flows:
        for name, spec in flow.objects.items():
            target = flow.target_object(name)
            for field, owner in spec.owner.items():
                place = f"{flow.flow}.yaml: objects.{name}.owner.{field}"
                if owner in faulty:
                    continue
                if owner not in known:
                    text = f"{place}: there is no flow {owner}{did_you_mean(owner, known)}"
                    yield WriterProblem(frozenset({flow.flow}), text)
                elif name not in known[owner].objects or known[owner].target_object(name) != target:
                    text = f"{place}: {owner} has no entry {name} that writes {target}"
                    yield WriterProblem(frozenset({flow.flow}), text)
