"""JSON Patch as the vendor accepts it: a list of operations, of which each resource allows a few."""

from __future__ import annotations

from typing import Any

from .call import ServiceError
from .collection import Record
from .reference_data import Fields


def parse_operations(body: Any) -> list[Record]:
    """The operations of a patch. Raises: ServiceError, the generic 500, if the body is not a patch."""
    if not isinstance(body, list) or any(not isinstance(one, dict) or "path" not in one for one in body):
        raise ServiceError(500, "CMNU-003", "An unexpected error occurred")
    return body


def invalid_operation(operation: Record) -> ServiceError:
    """The error for an operation that is not allowed."""
    op, path = operation.get("op"), operation.get("path")
    return ServiceError(500, "CMNC-044", f"Invalid patch operation ({op}) for given path ({path})")


def set_path(record: Record, path: str, value: Any) -> None:
    """Set the value at a path, creating missing objects; None removes it."""
    *steps, last = path.strip("/").split("/")
    for step in steps:
        record = record.setdefault(step, {})
    if value is None:
        record.pop(last, None)
    else:
        record[last] = value


def merge_patch(record: Record, patch: Record) -> Record:
    """Apply a JSON merge patch in place, and return the record."""
    for key, value in patch.items():
        if value is None:
            record.pop(key, None)
        elif isinstance(value, dict) and isinstance(record.get(key), dict):
            merge_patch(record[key], value)
        else:
            record[key] = value
    return record


def set_custom_field(fields: Record, operation: Record, known: Fields) -> None:
    """Apply one operation to custom fields, converting the value to the type of the field."""
    code = str(operation["path"]).strip("/")
    field = next((one for one in known if one[1] == code), None)
    if field is None or operation.get("op") not in ("add", "replace", "remove"):
        raise invalid_operation(operation)
    if operation["op"] == "remove":
        fields.pop(code, None)
    else:
        fields[code] = _typed(operation.get("value"), field[3], field[4], operation)


def _typed(value: Any, kind: str, options: dict[int, str], operation: Record) -> Any:
    if kind == "INTEGER":
        if not str(value).lstrip("-").isdigit():
            raise invalid_operation(operation)
        return int(value)
    if kind == "SELECT":
        id = value.get("id") if isinstance(value, dict) else None
        if id not in options:
            raise invalid_operation(operation)
        return {"id": id, "value": options[id]}
    return value if kind == "YES_NO" else str(value)
