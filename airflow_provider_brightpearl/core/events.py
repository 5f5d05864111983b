"""What happened to a source record: the lines of its history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

import msgspec

# the stage of what the repair of a reconciliation did by itself
REPAIR = "repair"


class EventOutcome(StrEnum):
    """What a stage did with a record.

    ``superseded``: left out, as another run had a newer reading of it. ``conflict``: both sides had changed a field.
    ``linked``: bound to a row of the flow of the other direction. ``refused``: the source refused a write-back.
    ``answered``: a person said which row of the target it is. ``overridden``: a person put values in the place of its
    own, until ``override ended``. ``discarded``: a person set its dead letter aside. ``unlinked``: its link was
    dropped, as neither system has it any more.
    """

    CREATED = "created"
    UPDATED = "updated"
    REMOVED = "removed"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    PARKED = "parked"
    MISSING = "missing"
    CONFLICT = "conflict"
    LINKED = "linked"
    WRITTEN_BACK = "written back"
    REFUSED = "refused"
    ANSWERED = "answered"
    OVERRIDDEN = "overridden"
    OVERRIDE_ENDED = "override ended"
    DISCARDED = "discarded"
    UNLINKED = "unlinked"


class RecordEvent(msgspec.Struct, frozen=True, gc=False):
    """One line of a record's history; ``note`` says why, without a value of the record.

    ``run`` names the attempt, as in the crosswalk; ``object`` and ``target_id`` the row of the target, where one is
    meant. ``at`` is aware, as is ``read_at``: when the source was asked for the record, None where that is not known;
    ``source_version`` is what it had then, text that sorts by age. Of a write, ``before`` is the fingerprint of what
    was last written, empty where nothing was, and ``after`` that of what was written now; see ``fingerprint_of``.
    """

    source_id: str
    run: str
    stage: str
    outcome: EventOutcome
    at: datetime
    object: str = ""
    target_id: str = ""
    note: str = ""
    read_at: datetime | None = None
    source_version: str = ""
    before: str = ""
    after: str = ""


def fingerprint_of(rows: Iterable[tuple[str, str, str]]) -> str:
    """One fingerprint for the rows of a record (object, key, fingerprint): that of its row where it has one.

    Empty where there are none.
    """
    given = sorted(rows)
    if len(given) < 2:
        return given[0][2] if given else ""
    return blake2b("\n".join("\t".join(row) for row in given).encode(), digest_size=16).hexdigest()
