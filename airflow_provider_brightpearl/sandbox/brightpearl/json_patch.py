"""JSON Patch as the vendor takes it: a list of operations, of which each resource allows a few."""

from __future__ import annotations

from typing import Any

from .call import Failure
from .collection import Record
from .reference_data import Fields


def operations(body: Any) -> list[Record]:
    """The operations of a patch; the vendor's generic 500 when the body is no patch."""
    if not isinstance(body, list) or any(not isinstance(one, dict) or "path" not in one for one in body):
        raise Failure(500, "CMNU-003", "An unexpected error occurred")
    return body


def invalid(operation: Record) -> Failure:
    """The answer to an operation that is not allowed."""
    op, path = operation.get("op"), operation.get("path")
    return Failure(500, "CMNC-044", f"Invalid patch operation ({op}) for given path ({path})")


def write(record: Record, path: str, value: Any) -> None:
    """Set (or with None remove) what a path points to, making objects on the way."""
    *steps, last = path.strip("/").split("/")
    for step in steps:
        record = record.setdefault(step, {})
    if value is None:
        record.pop(last, None)
    else:
        record[last] = value


def merge(record: Record, patch: Record) -> Record:
    """A JSON merge patch, in place."""
    for key, value in patch.items():
        if value is None:
            record.pop(key, None)
        elif isinstance(value, dict) and isinstance(record.get(key), dict):
            merge(record[key], value)
        else:
            record[key] = value
    return record


def set_field(fields: Record, operation: Record, known: Fields) -> None:
    """One operation on custom fields; the value takes the type of the field."""
    code = str(operation["path"]).strip("/")
    field = next((one for one in known if one[1] == code), None)
    if field is None or operation.get("op") not in ("add", "replace", "remove"):
        raise invalid(operation)
    if operation["op"] == "remove":
        fields.pop(code, None)
    else:
        fields[code] = _typed(operation.get("value"), field[3], field[4], operation)


def _typed(value: Any, kind: str, options: dict[int, str], operation: Record) -> Any:
    if kind == "INTEGER":
        if not str(value).lstrip("-").isdigit():
            raise invalid(operation)
        return int(value)
    if kind == "SELECT":
        id = value.get("id") if isinstance(value, dict) else None
        if id not in options:
            raise invalid(operation)
        return {"id": id, "value": options[id]}
    return value if kind == "YES_NO" else str(value)
