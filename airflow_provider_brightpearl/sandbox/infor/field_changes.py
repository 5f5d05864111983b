"""Transactions and input fields as a release of M3 has changed them since the tenant was set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .signatures import Field, Signature, signatures

_PROPERTIES = {"length", "numeric", "required"}


def signature_of(program: str, transaction: str, settings: Mapping[str, object]) -> Signature | None:
    """A transaction under the setting `field_changes`, None if there is none. Raises: ValueError, TypeError."""
    signature = signatures().get(program, {}).get(transaction)
    changes = settings["field_changes"]
    if not isinstance(changes, dict):
        raise TypeError("field_changes is an object of objects, by transaction or by transaction and field")
    place = f"{program} {transaction}"
    if signature is None or changes.get(place, {}).get("removed"):
        return None
    own = {name.partition(".")[2]: change for name, change in changes.items() if name.startswith(f"{place}.")}
    return _changed(signature, own) if own else signature


def _changed(signature: Signature, changes: Mapping[str, Mapping[str, object]]) -> Signature:
    inputs = {**signature.inputs}
    for name, change in changes.items():
        if change.get("removed"):
            inputs.pop(name, None)
            continue
        if unknown := change.keys() - _PROPERTIES:
            raise ValueError(f"field_changes: unknown properties {sorted(unknown)}")
        # one that is not there is new
        field = inputs.get(name) or Field(name, 10, numeric=False, required=False)
        inputs[name] = replace(field, **change)  # type: ignore[arg-type]
    required = tuple(name for name, each in inputs.items() if each.required)
    return replace(signature, inputs=inputs, required=required)
