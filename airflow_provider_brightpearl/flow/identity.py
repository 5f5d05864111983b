"""What identifies a flow's records, and the version of its mapping."""

from __future__ import annotations

import hashlib
import json

from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec


def identity_of(flow: FlowSpec) -> FlowSpec:
    """The flow with nothing but what decides which records it wants, under which key, with which amount.

    Fields that a reconciliation compares are kept.
    """
    root = flow.objects[flow.root]
    bare = ObjectSpec(
        object=root.object,
        where=root.where,
        distinct_on=root.distinct_on,
        key=root.key,
        fields={name: root.fields[name] for name in compared_fields(flow)},
    )
    texts = [root.where or "", root.key_expression, *root.distinct_on, *bare.fields.values()]
    totals = flow.totals if flow.reconcile and flow.reconcile.amount else None
    texts += [totals.amount, totals.currency] if totals else []
    used = {name: each for name, each in flow.lookups.items() if _named(name, texts)}
    return flow.model_copy(update={"objects": {flow.root: bare}, "totals": totals, "lookups": used})


def _named(name: str, texts: list[str]) -> bool:
    return any(f"'{name}'" in text for text in texts)


def key_is_id(flow: FlowSpec, id_column: str) -> bool:
    """Whether the key of the first object is the unchanged id of the source record."""
    return flow.objects[flow.root].key_expression.strip() == id_column


def needs_records(flow: FlowSpec, id_column: str) -> bool:
    """Whether a record has to be read to decide if the flow wants it, and with which amount."""
    root = flow.objects[flow.root]
    amount = flow.reconcile is not None and flow.reconcile.amount is not None
    return (
        amount
        or bool(compared_fields(flow))
        or bool(root.where or root.distinct_on)
        or not key_is_id(flow, id_column)
    )


def compared_fields(flow: FlowSpec) -> list[str]:
    """Fields of the first object that a reconciliation compares; those sent only with new rows are not among all."""
    if flow.reconcile is None:
        return []
    root = flow.objects[flow.root]
    if flow.reconcile.fields == "all":
        return [name for name in root.fields if name not in root.sent_on_create]
    return list(flow.reconcile.fields)


def currency_field(flow: FlowSpec) -> str | None:
    """Field of the first object that holds the currency of its amount, None if there is none."""
    if flow.reconcile is None or not flow.reconcile.amount:
        return None
    usual = (name for name in ("CurrencyIsoCode", "CUCD") if name in flow.objects[flow.root].fields)
    return flow.reconcile.currency or next(usual, None)


# keys that cannot change what a record becomes
_UNMAPPED = {
    "description", "schedule", "start_date", "after", "window", "part_size", "write_back", "reconcile", "gate",
    "load", "authority", "reverse", "events",
}  # fmt: skip


def mapping_version(flow: FlowSpec, lookups: dict[str, str]) -> str:
    """Short digest of a flow and its lookup files; changes when a record could be mapped differently."""
    relevant = flow.model_dump(mode="json", exclude=_UNMAPPED)
    text = json.dumps([relevant, lookups], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
