"""What happened to a source record: the lines of its history."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class EventOutcome(StrEnum):
    """What a stage did with a record; ``superseded``: left out, as another run had a newer reading of it."""

    CREATED = "created"
    UPDATED = "updated"
    REMOVED = "removed"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    PARKED = "parked"
    MISSING = "missing"


class RecordEvent(msgspec.Struct, frozen=True, gc=False):
    """One line of a record's history; ``note`` says why, without a value of the record.

    ``run`` names the attempt, as in the crosswalk; ``object`` and ``target_id`` the row of the target, where one is
    meant. ``at`` is aware.
    """

    source_id: str
    run: str
    stage: str
    outcome: EventOutcome
    at: datetime
    object: str = ""
    target_id: str = ""
    note: str = ""
