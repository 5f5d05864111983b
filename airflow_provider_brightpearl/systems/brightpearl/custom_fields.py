"""Custom fields of a record, which Brightpearl takes in a call of their own."""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl.systems.brightpearl.messages import Message
from airflow_provider_brightpearl.systems.brightpearl.rows import Whole


def custom_fields(each: Whole, resource: str) -> list[Message]:
    """The message that sets the custom fields of a record, if any differ.

    Where its record does not show them, all that have a value are sent: setting one again is harmless.
    """
    there = (each.there or {}).get("customFields")
    head = each.head
    operations = [
        {"op": "remove", "path": f"/{name}"}
        if value is None
        else {"op": "add", "path": f"/{name}", "value": value}
        for name, value in (head.custom if head else {}).items()
        if (each.sent or (head and name not in head.only_new))
        and str(value or "") != shown((there or {}).get(name))
    ]
    return [Message("PATCH", f"{resource}/{each.id}/custom-field", operations)] if operations else []


def shown(value: Any) -> str:
    """A custom field's value as text; that of a list is its name."""
    return str((value.get("value") if isinstance(value, dict) else value) or "")
