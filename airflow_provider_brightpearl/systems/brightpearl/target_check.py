"""What a flow asks of Brightpearl as its target, checked when it is loaded."""

from __future__ import annotations

from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec
from airflow_provider_brightpearl.systems.brightpearl.objects import (
    KEYS,
    ROOTS,
    TargetObject,
    fields_of,
    resource_of,
)


def check_objects(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where a flow writes an object or field that Brightpearl does not take."""
    root = flow.target_object(flow.root)
    if root not in ROOTS:
        hint = did_you_mean(root, [*ROOTS]) or f"; known: {', '.join(ROOTS)}"
        raise Misconfigured(
            f"{flow.flow}.yaml: objects.{flow.root}: flows into Brightpearl begin with no {root!r}{hint}"
        )
    for name, spec in flow.objects.items():
        kind = flow.target_object(name)
        place = f"{flow.flow}.yaml: objects.{name}"
        if kind not in ROOTS[root] or (kind == root) != (name == flow.root):
            parts = [each for each in ROOTS[root] if each != root]
            raise Misconfigured(f"{place}: {kind!r} is no part of {root}; parts: {', '.join(parts)}")
        if name != flow.root and [*spec.parent.values()] != [flow.root]:
            raise Misconfigured(
                f"{place}.parent: write a field of yours with {flow.root}, such as {{of: {flow.root}}}"
            )
        if kind in KEYS and spec.key_field != KEYS[kind]:
            raise Misconfigured(
                f"{place}.key: {kind} holds its key in {KEYS[kind]}: write {{{KEYS[kind]}: …}}"
            )
        if spec.set_last:
            raise Misconfigured(f"{place}.set_last: Brightpearl takes all fields at once; leave it out")
        _check_fields(place, spec, kind, ROOTS[root][kind])


def _check_fields(place: str, spec: ObjectSpec, kind: str, entry: TargetObject) -> None:
    for name in spec.fields:
        if entry.field(name) is None:
            custom = ", or the code of a custom field such as PCF_TIER" if entry.custom else ""
            hint = (
                did_you_mean(name, [*entry.fields]) or f"; known: {', '.join(sorted(entry.fields))}{custom}"
            )
            raise Misconfigured(f"{place}.fields.{name}: is not a field of {kind}{hint}")
    for name in entry.needed:
        if name not in spec.fields:
            raise Misconfigured(f"{place}.fields: {kind} needs {name}")


def check_reconcile(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where a flow wants of a reconciliation what Brightpearl cannot do."""
    spec = flow.reconcile
    if spec is None:
        return
    place = f"{flow.flow}.yaml: reconcile"
    if spec.deleted == "remove":
        instead = "use report, ignore or, with a flow of the other direction, detach"
        raise Misconfigured(f"{place}.deleted: rows of Brightpearl are not removed by flows; {instead}")
    root = flow.target_object(flow.root)
    compared = [
        *(flow.objects[flow.root].fields if spec.fields == "all" else spec.named),
        *filter(None, [spec.amount]),
    ]
    if compared and resource_of(root) is None:
        raise Misconfigured(f"{place}: Brightpearl reports no fields of {root}; leave out fields and amount")
    entry = fields_of(flow, flow.root)
    if unread := [name for name in compared if name not in entry.fields or not entry.fields[name].path]:
        raise Misconfigured(f"{place}.fields: {unread[0]} is not compared; name the others")
