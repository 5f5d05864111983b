"""Compound fields of change events: names and addresses are records in the record (Change Data Capture guide)."""

from __future__ import annotations

from collections.abc import Mapping

from .schema import Entity

ADDRESS = ("Street", "City", "State", "PostalCode", "Country", "StateCode", "CountryCode")
NAME = ("Salutation", "FirstName", "LastName", "MiddleName", "InformalName", "Suffix")


def compound_of(entity: Entity, name: str) -> tuple[str, str] | None:
    """The compound field that a field is part of, and its name there; None if it stands alone."""
    if name in NAME and "LastName" in entity.fields:
        return "Name", name
    for part in ADDRESS:
        prefix = name.removesuffix(part)
        if prefix != name and f"{prefix}Street" in entity.fields and f"{prefix}City" in entity.fields:
            return f"{prefix}Address", part
    return None


def nested(entity: Entity, values: Mapping[str, object]) -> dict[str, object]:
    """Values of fields, with those of compound fields below them; a person's full name is only in its parts."""
    found: dict[str, object] = {}
    for name, value in values.items():
        compound = compound_of(entity, name)
        if compound is None:
            found.setdefault(name, value)
            continue
        parent, part = compound
        known = found.get(parent)
        parts = known if isinstance(known, dict) else {}
        found[parent] = {**parts, part: value}
    return found


def dotted(entity: Entity, name: str) -> str:
    """The name of a field in the header of a change event, such as `BillingAddress.City`."""
    compound = compound_of(entity, name)
    return name if compound is None else ".".join(compound)
