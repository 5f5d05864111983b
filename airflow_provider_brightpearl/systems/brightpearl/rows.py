"""Rows of a flow as Brightpearl takes them: their fields read by type, and the result of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.fields import CUSTOM
from airflow_provider_brightpearl.systems.brightpearl.objects import fields_of

SEPARATOR = "|"
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


@dataclass(frozen=True, slots=True)
class Row:
    """One row being written: its change, its kind, and its values by field, key included.

    ``only_new`` are fields that are left alone where the row exists.
    """

    source_id: str
    change: Change
    kind: str
    values: Mapping[str, Any]
    only_new: frozenset[str]

    @property
    def key(self) -> str:
        return self.change.key

    @property
    def bound_to(self) -> str:
        """The id of the first object that this row was written with, empty if it is not bound."""
        return owner_of(self.change.target_id)

    @property
    def custom(self) -> dict[str, Any]:
        """The values of custom fields."""
        return {name: value for name, value in self.values.items() if CUSTOM.fullmatch(name)}

    def changeable(self) -> dict[str, Any]:
        """The values that an existing row takes."""
        return {name: value for name, value in self.values.items() if name not in self.only_new}

    def written(self, target_id: str, *, created: bool = False) -> RowResult:
        outcome = RowOutcome.CREATED if created else RowOutcome.UPDATED
        return RowResult(self.source_id, self.change.object, self.key, outcome, target_id)

    def refused(self, reason: str, name: str = "", *, passing: bool = False) -> RowResult:
        value = self.values.get(name)
        return RowResult(
            self.source_id, self.change.object, self.key, RowOutcome.REFUSED, reason=reason, field=name,
            value="" if value is None else str(value), passing=passing,
        )  # fmt: skip

    def unsure(self, reason: str, name: str, candidates: str) -> RowResult:
        """A question for a person: which of Brightpearl's records this row is."""
        return RowResult(
            self.source_id, self.change.object, self.key, RowOutcome.REFUSED, reason=reason, field=name,
            value=candidates, review=True,
        )  # fmt: skip


def owner_of(target_id: str | None) -> str:
    """The id of the first object in the id of one of its parts, ``100231|5001``."""
    return (target_id or "").partition(SEPARATOR)[0]


@dataclass(slots=True)
class Whole:
    """All of one record that is written together: its first row, if it is sent, its parts, and what is removed.

    ``key`` is that of the first object. ``id`` is Brightpearl's, empty until it is known, ``created`` whether this
    flow created it, ``sent`` whether Brightpearl was sent exactly this. ``there`` is the record as Brightpearl has it
    now, once it is read. ``refusal`` is of the first row that cannot be written; nothing more is sent then.
    ``touched``: whether a change of it was sent. ``created_at`` is when the source created the record.
    """

    source_id: str
    key: str
    head: Row | None
    parts: Sequence[Row]
    gone: Sequence[Removal]
    id: str = ""
    created: bool = False
    sent: bool = False
    there: dict[str, Any] | None = None
    refusal: RowResult | None = None
    unanswered: bool = False
    touched: bool = False
    created_at: datetime | None = None

    @property
    def rows(self) -> list[Row]:
        return [*([self.head] if self.head else []), *self.parts]

    @property
    def open(self) -> bool:
        """Whether there is still something to do."""
        return self.refusal is None and not self.unanswered

    def written(self, row: Row, target_id: str) -> RowResult:
        """The result of one of its rows: unchanged where it is bound and nothing of the record was sent."""
        if row.bound_to and not self.touched:
            return replace(row.written(target_id), outcome=RowOutcome.UNCHANGED)
        return row.written(target_id, created=self.created and not row.bound_to)

    def of_kind(self, kind: str) -> list[Row]:
        return [row for row in self.parts if row.kind == kind]

    def refuse(self, reason: str, row: Row | None = None, name: str = "", *, passing: bool = False) -> None:
        """Refuses the record for one of its rows, or its first; the first refusal counts."""
        if self.refusal is not None:
            return
        if row := row or next(iter(self.rows), None):
            self.refusal = row.refused(reason, name, passing=passing)
        else:
            gone = self.gone[0]
            self.refusal = RowResult(
                self.source_id,
                gone.object,
                gone.key,
                RowOutcome.REFUSED,
                gone.target_id,
                reason,
                passing=passing,
            )

    def ask(self, reason: str, name: str, candidates: str = "") -> None:
        """Refuses a record until a person says which of Brightpearl's records it is."""
        if self.refusal is None and self.head is not None:
            self.refusal = self.head.unsure(reason, name, candidates)

    def removals(self) -> list[RowResult]:
        """The results of what was removed."""
        return [
            RowResult(self.source_id, each.object, each.key, RowOutcome.REMOVED, each.target_id)
            for each in self.gone
        ]


def whole_of(flow: FlowSpec, record: RecordChange) -> Whole:
    """A record's rows, read; refused where a value is not of its field's type or a needed one is missing."""
    refusal: RowResult | None = None
    rows = []
    for change in record.changes:
        row, problem = _row(flow, record.source_id, change)
        refusal = refusal or problem
        rows.append(row)
    head = rows[0] if rows and rows[0].change.object == flow.root else None
    parts = rows[1:] if head else rows
    key = head.key if head else parts[0].change.parent if parts else ""
    bound = [each.target_id for each in record.changes] + [each.target_id for each in record.removals]
    owner = next((found for found in map(owner_of, bound) if found), "")
    return Whole(
        record.source_id, key, head, parts, record.removals, owner, refusal=refusal,
        created_at=record.created_at,
    )  # fmt: skip


def _row(flow: FlowSpec, source_id: str, change: Change) -> tuple[Row, RowResult | None]:
    spec, entry = flow.objects[change.object], fields_of(flow, change.object)
    given = _decode(change.payload)
    if entry.field(spec.key_field) is not None:
        given = {spec.key_field: change.key, **given}
    values: dict[str, Any] = {}
    problem: tuple[str, str] | None = None
    for name, value in given.items():
        found = entry.field(name)
        if found is None:
            continue
        try:
            values[name] = found.read(value)
        except ValueError as error:
            values[name], problem = value, problem or (str(error), name)
    # a field that is left out altogether is one that a two-way flow leaves as it is
    missing = next((name for name in entry.needed if name in values and values[name] in (None, "")), None)
    # a row that the flow of the other direction has linked keeps the key that it has
    only_new = spec.sent_on_create | ({spec.key_field} if flow.reverse else frozenset())
    row = Row(source_id, change, flow.target_object(change.object), values, only_new)
    if problem is None and missing is not None:
        problem = ("is missing", missing)
    return row, row.refused(*problem) if problem else None
