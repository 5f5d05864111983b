"""What the dead-letter desk shows and does, as values that travel as plain JSON."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.trace import Step


class Letter(msgspec.Struct, frozen=True):
    """A dead letter without its record; instants are aware.

    ``cause`` is its reason without values, ``waits_for`` flow, object and key of the parent that a parked record waits
    for. ``author`` and ``note`` say who has discarded it, and why.
    """

    pair: str
    flow: str
    source_id: str
    state: str
    stage: str
    object: str
    row: str
    field: str
    value: str
    reason: str
    cause: str
    waits_for: tuple[str, str, str] | None
    amount: Decimal | None
    currency: str
    mapping_version: str
    run: str
    attempts: int
    first_seen: datetime
    last_seen: datetime
    next_try_at: datetime | None
    closed_at: datetime | None
    closed_run: str
    kind: str
    author: str
    note: str

    @property
    def id(self) -> str:
        """What commands call it: ``orders_to_salesforce:100001``."""
        return f"{self.flow}:{self.source_id}"

    @property
    def group(self) -> str:
        """The id of the group of letters with this cause."""
        place = (self.pair, self.flow, self.stage, self.object, self.field, self.cause)
        return sha256("\x00".join(place).encode()).hexdigest()[:8]


class LetterGroup(msgspec.Struct, frozen=True):
    """Letters of one flow, stage and field with one cause.

    ``states`` and ``values`` (the commonest ones) say of how many letters; ``amounts`` are totals by currency;
    ``example`` is the id of the letter that was tried last.
    """

    id: str
    pair: str
    flow: str
    stage: str
    object: str
    field: str
    cause: str
    count: int
    states: dict[str, int]
    amounts: dict[str, Decimal]
    values: dict[str, int]
    first_seen: datetime
    last_seen: datetime
    example: str


class Change(msgspec.Struct, frozen=True):
    """What an override does to one place of a record: values before and after, None where there is none."""

    place: str
    before: Any
    after: Any


class OverrideView(msgspec.Struct, frozen=True):
    """An override: who, when, why, what; ``ended`` says why it does not count any more, empty while it does."""

    author: str
    note: str
    at: datetime
    changes: tuple[Change, ...]
    ended_at: datetime | None = None
    ended: str = ""


class LetterDetail(msgspec.Struct, frozen=True):
    """All that is known of a letter.

    ``payload`` is the record as it was read, text where it is no JSON. ``version`` is that of the flow's mapping now,
    empty where its file is missing or wrong. ``next`` says what comes of the letter by itself, ``commands`` are those
    that answer it, each with what it does.
    """

    letter: Letter
    payload: Any
    version: str
    next: str
    commands: dict[str, str]
    overrides: tuple[OverrideView, ...]
    steps: tuple[Step, ...]


class GroupReplay(msgspec.Struct, frozen=True):
    """The replay of one group of letters: how many were closed, how many are left, and why."""

    flow: str
    group: str
    cause: str
    letters: int
    closed: int
    left: int
    note: str = ""


class ReplayReport(msgspec.Struct, frozen=True):
    """What a replay closed, and what it did not, group by group in the order in which they ran."""

    groups: tuple[GroupReplay, ...]

    @property
    def closed(self) -> int:
        """How many letters were closed."""
        return sum(each.closed for each in self.groups)

    @property
    def left(self) -> int:
        """How many letters still wait."""
        return sum(each.left for each in self.groups)
