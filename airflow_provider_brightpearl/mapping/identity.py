"""A flow cut down to who its records are: the first object's key and condition, amount and currency."""

from __future__ import annotations

from airflow_provider_brightpearl.mapping.spec import FlowSpec, ObjectSpec


def identity_of(flow: FlowSpec) -> FlowSpec:
    """The flow with nothing but what tells which records it wants, under which key, with which amount."""
    root = flow.objects[flow.root]
    bare = ObjectSpec(object=root.object, where=root.where, one_per=root.one_per, key=root.key, fields={})
    texts = [root.where or "", root.key_expression, *root.one_per]
    totals = flow.totals if flow.reconcile and flow.reconcile.amount else None
    texts += [totals.amount, totals.currency] if totals else []
    used = {name: each for name, each in flow.lookups.items() if _named(name, texts)}
    return flow.model_copy(update={"objects": {flow.root: bare}, "totals": totals, "lookups": used})


def _named(name: str, texts: list[str]) -> bool:
    return any(f"'{name}'" in text for text in texts)


def key_is_id(flow: FlowSpec, id_column: str) -> bool:
    """Whether the key of the first object is the id of the source record as it is."""
    return flow.objects[flow.root].key_expression.strip() == id_column


def needs_records(flow: FlowSpec, id_column: str) -> bool:
    """Whether a record has to be read to tell if the flow wants it, and with which amount."""
    root = flow.objects[flow.root]
    amount = flow.reconcile is not None and flow.reconcile.amount is not None
    return amount or bool(root.where or root.one_per) or not key_is_id(flow, id_column)


def currency_field(flow: FlowSpec) -> str | None:
    """Field of the first object that holds the currency of its amount, None where nothing does."""
    if flow.reconcile is None or not flow.reconcile.amount:
        return None
    usual = "CurrencyIsoCode" in flow.objects[flow.root].fields
    return flow.reconcile.currency or ("CurrencyIsoCode" if usual else None)
