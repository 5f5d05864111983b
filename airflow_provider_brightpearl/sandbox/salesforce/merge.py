"""Merging of records: the losers are deleted with the id of the survivor, and what referred to them refers to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .errors import ApiError
from .org import DmlContext, Org
from .schema import Entity
from .writes import require_row, soft_delete, update

MERGEABLE = ("Account", "Contact")
MAX_LOSERS = 2
_OWN = "MasterRecordId"


def merge(
    org: Org, entity: Entity, values: Mapping[str, object], losers: Sequence[str], dml: DmlContext
) -> tuple[str, list[str]]:
    """Merge up to two records into the one with `values["Id"]`, which takes the other values.

    Returns its id and those of the records that now refer to it. Raises: ApiError.
    """
    if entity.name not in MERGEABLE:
        raise ApiError("INVALID_TYPE_FOR_OPERATION", f"entity type {entity.name} does not support merge")
    master = require_row(org, entity, values.get("Id"))
    if not 1 <= len(losers) <= MAX_LOSERS:
        raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", f"merge takes 1 to {MAX_LOSERS} records")
    rows = [require_row(org, entity, each) for each in losers]
    if any(row is master for row in rows):
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "a record cannot be merged with itself")
    with org.store.log.transaction():
        moved: list[str] = []
        for row in rows:
            moved += _moved(org, entity, str(row["Id"]), str(master["Id"]), dml)
            org.store[entity.name].update(row, {_OWN: master["Id"]})
            soft_delete(org, entity.name, row, dml)
        changes = {name: value for name, value in values.items() if name != "Id"}
        if changes:
            update(org, entity, str(master["Id"]), changes, dml)
    return str(master["Id"]), moved


def _moved(org: Org, entity: Entity, loser: str, master: str, dml: DmlContext) -> list[str]:
    """Every record that refers to the loser refers to the master instead, past the rules of its object."""
    moved = []
    for child, field in org.schema.children_of(entity.name):
        if field.name == _OWN:
            continue
        for row in list(org.store[child.name].rows.values()):
            if row.get(field.name) == loser:
                org.store[child.name].update(row, {field.name: master, "SystemModstamp": dml.system_stamp})
                moved.append(str(row["Id"]))
    return moved
