"""Fields as an administrator has changed them since the org was set up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from .fields import Field, field_of_type

_PROPERTIES = {
    "type", "length", "precision", "scale", "required", "unique", "external_id", "createable", "updateable", "values",
    "restricted",
}  # fmt: skip


def changed_fields(owner: str, fields: Iterable[Field], settings: Mapping[str, object]) -> Iterator[Field]:
    """The fields of an object under the setting `field_changes`. Raises: ValueError for an unknown property."""
    prefix = f"{owner.lower()}."
    changes = {
        name.lower().removeprefix(prefix): (name.partition(".")[2], dict(change))
        for name, change in _setting(settings).items()
        if name.lower().startswith(prefix)
    }
    for field in fields:
        _, change = changes.pop(field.name.lower(), ("", {}))
        if not change.pop("removed", False):
            yield _changed(field, change)
    for name, change in changes.values():
        if "type" in change:
            yield _changed(field_of_type(name, str(change.pop("type"))), change)


def _setting(settings: Mapping[str, object]) -> Mapping[str, Mapping[str, object]]:
    found = settings["field_changes"]
    if not isinstance(found, dict):
        raise TypeError("field_changes is an object of objects, by Object.Field")
    return found


def _changed(field: Field, change: dict[str, object]) -> Field:
    gone = change.pop("without_values", ())
    values = change.pop("values", field.values)
    if unknown := change.keys() - _PROPERTIES:
        raise ValueError(f"field_changes: unknown properties {sorted(unknown)}")
    left = tuple(str(each) for each in values if each not in gone)  # type: ignore[attr-defined,operator]
    return replace(field, **{**change, "values": left})  # type: ignore[arg-type]
