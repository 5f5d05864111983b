"""Composite tree: records with their children, all or nothing (reference, section 3.6)."""

from __future__ import annotations

from collections.abc import Mapping

from ..call import Answer, Call, Resource, resource
from ..errors import Refused, bad_json
from ..fields import Field
from ..org import Dml
from ..schema import Entity
from ..writes import create

MOST_RECORDS, MOST_LEVELS = 200, 5


def post_tree(call: Call, name: str) -> Answer:
    """POST composite/tree/X."""
    entity = call.org.schema.in_path(name)
    records = call.json().get("records")
    if not isinstance(records, list) or not records:
        raise bad_json("records is a list of records")
    total, depth = _measure(records)
    if total > MOST_RECORDS or depth > MOST_LEVELS:
        raise Refused("LIMIT_EXCEEDED", f"at most {MOST_RECORDS} records on {MOST_LEVELS} levels")
    planting = _Planting(call)
    try:
        with call.org.store.log.transaction():
            planting.plant(entity, records, None, "")
            if planting.errors:
                raise _Barren
    except _Barren:
        return Answer({"hasErrors": True, "results": planting.errors}, 400)
    return Answer({"hasErrors": False, "results": planting.made}, 201)


class _Barren(Exception):
    """Leaves the transaction when a record was refused."""


class _Planting:
    """What one call makes, level by level: parents before children."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.made: list[dict[str, object]] = []
        self.errors: list[dict[str, object]] = []

    def plant(self, entity: Entity, records: list[object], link: Field | None, parent: str) -> None:
        """Create records of one kind, then what hangs on them; each level is a statement of its own."""
        dml: Dml = self._call.dml()
        for record in records:
            about = record.get("attributes") if isinstance(record, Mapping) else None
            if not isinstance(record, Mapping) or not isinstance(about, Mapping):
                raise bad_json("a record has attributes with type and referenceId")
            reference = str(about.get("referenceId"))
            children = {key: value for key, value in record.items() if _is_branch(value)}
            values = {key: value for key, value in record.items() if key not in children}
            if link is not None:
                values[link.name] = parent
            try:
                own = create(self._call.org, entity, values, dml)
            except Refused as refusal:
                self.errors.append({"referenceId": reference, "errors": [refusal.as_row_error()]})
                continue
            self.made.append({"referenceId": reference, "id": own})
            self._grow(entity, children, own)

    def _grow(self, entity: Entity, children: dict[str, object], parent: str) -> None:
        for name, branch in children.items():
            for child, field in self._call.org.schema.children_of(entity.name):
                if field.children.lower() == name.lower() and isinstance(branch, Mapping):
                    self.plant(child, branch["records"], field, parent)
                    break
            else:
                raise Refused("INVALID_FIELD", f"{name} is no child relationship of {entity.name}", [name])


def _is_branch(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("records"), list)


def _measure(records: list[object]) -> tuple[int, int]:
    total, depth = len(records), 0
    for record in records:
        for value in record.values() if isinstance(record, Mapping) else ():
            if isinstance(value, Mapping) and isinstance(value.get("records"), list):
                inner, levels = _measure(value["records"])
                total, depth = total + inner, max(depth, levels)
    return total, depth + 1


TABLE: list[Resource] = [resource("POST", "composite/tree/{name}", post_tree)]
