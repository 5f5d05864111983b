"""The way of a record through all systems, as values that travel as plain JSON."""

from __future__ import annotations

from datetime import datetime

import msgspec


class TracedRow(msgspec.Struct, frozen=True):
    """A record of a flow, and the row of the target that it is, empty where there is none.

    ``source`` and ``target`` are instances, such as ``brightpearl:acme``.
    """

    flow: str
    source: str
    source_id: str
    target: str
    object: str = ""
    target_id: str = ""


class Step(msgspec.Struct, frozen=True):
    """One step of a record: what happened, and in which run of which flow; ``at`` is aware.

    ``system`` is the instance in which it happened, that of the source for what happened between both.
    """

    at: datetime
    system: str
    flow: str
    run: str
    what: str
    source_id: str
    object: str = ""
    target_id: str = ""
    text: str = ""


class Trace(msgspec.Struct, frozen=True):
    """All that is known of a record: the rows that it is in each system, and its steps, oldest first."""

    kind: str
    id: str
    rows: tuple[TracedRow, ...]
    steps: tuple[Step, ...]
