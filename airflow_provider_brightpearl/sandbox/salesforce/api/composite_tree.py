"""Composite tree: records with their children, all or none (reference, section 3.6)."""

from __future__ import annotations

from collections.abc import Mapping

from ..call import Answer, Call, Resource, resource
from ..errors import ApiError, malformed_json
from ..fields import Field
from ..org import DmlContext
from ..schema import Entity
from ..writes import create

MAX_RECORDS, MAX_LEVELS = 200, 5


def post_tree(call: Call, name: str) -> Answer:
    """POST composite/tree/X."""
    entity = call.org.schema.in_path(name)
    records = call.json().get("records")
    if not isinstance(records, list) or not records:
        raise malformed_json("records must be a list of records")
    total, depth = _measure(records)
    if total > MAX_RECORDS or depth > MAX_LEVELS:
        raise ApiError("LIMIT_EXCEEDED", f"at most {MAX_RECORDS} records on {MAX_LEVELS} levels")
    insertion = _TreeInsert(call)
    try:
        with call.org.store.log.transaction():
            insertion.insert(entity, records, None, "")
            if insertion.errors:
                raise _RolledBack
    except _RolledBack:
        return Answer({"hasErrors": True, "results": insertion.errors}, 400)
    return Answer({"hasErrors": False, "results": insertion.made}, 201)


class _RolledBack(Exception):
    """Rolls back the transaction when a record is rejected."""


class _TreeInsert:
    """The insertions of one request, parents before children."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.made: list[dict[str, object]] = []
        self.errors: list[dict[str, object]] = []

    def insert(
        self, entity: Entity, records: list[object], parent_field: Field | None, parent_id: str
    ) -> None:
        """Create records of one type and then their children; each level is a separate statement."""
        dml: DmlContext = self._call.dml()
        for record in records:
            attributes = record.get("attributes") if isinstance(record, Mapping) else None
            if not isinstance(record, Mapping) or not isinstance(attributes, Mapping):
                raise malformed_json("a record needs attributes with type and referenceId")
            reference = str(attributes.get("referenceId"))
            children = {key: value for key, value in record.items() if _is_child_list(value)}
            values = {key: value for key, value in record.items() if key not in children}
            if parent_field is not None:
                values[parent_field.name] = parent_id
            try:
                record_id = create(self._call.org, entity, values, dml)
            except ApiError as error:
                self.errors.append({"referenceId": reference, "errors": [error.as_row_error()]})
                continue
            self.made.append({"referenceId": reference, "id": record_id})
            self._insert_children(entity, children, record_id)

    def _insert_children(self, entity: Entity, children: dict[str, object], parent_id: str) -> None:
        for name, child_list in children.items():
            for child, field in self._call.org.schema.children_of(entity.name):
                if field.children.lower() == name.lower() and isinstance(child_list, Mapping):
                    self.insert(child, child_list["records"], field, parent_id)
                    break
            else:
                raise ApiError(
                    "INVALID_FIELD", f"{name} is not a child relationship of {entity.name}", [name]
                )


def _is_child_list(value: object) -> bool:
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
