"""Fields that both systems changed: what each of them held, and whose value counted."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from airflow_provider_brightpearl.core.merge import Value

MANUAL = "manual"
"""The winner of a conflict that a person decides."""

_SECRET = re.compile("(?i)password|passwd|secret|token|credential|api_?key|private_?key")
_MASK = "***"


class FieldConflict(msgspec.Struct, frozen=True, gc=False):
    """A field of a row of a linking flow that both systems changed to different values.

    ``source`` and ``target`` are the two systems as the linking flow goes, whichever flow found the conflict. Values
    are text, None where there is none; those of secret fields are masked. ``source_at`` and ``target_at`` (aware) are
    when each side changed its record last and ``source_by`` and ``target_by`` who did, None and empty where that is not
    known. ``winner`` is a system by name, or ``manual``: then the conflict is open until ``closed_at``. ``found_by`` is
    the flow that found it, in the attempt ``run``.
    """

    flow: str
    object: str
    key: str
    field: str
    target_id: str
    source_value: str | None
    target_value: str | None
    winner: str
    found_by: str
    run: str
    at: datetime
    source_at: datetime | None = None
    target_at: datetime | None = None
    source_by: str = ""
    target_by: str = ""
    closed_at: datetime | None = None


def kept_text(field: str, value: Value) -> str | None:
    """What is kept of a field's value: its text, masked where the field's name says that it is a secret."""
    if value is None:
        return None
    if _SECRET.search(field):
        return _MASK
    return str(value).lower() if isinstance(value, bool) else str(value)
