"""Rows of a flow as MI records: key and payload to fields of text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, Lost, RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.flow.spec import ObjectSpec
from airflow_provider_brightpearl.systems.infor.answers import State
from airflow_provider_brightpearl.systems.infor.client import Answer, mi_text
from airflow_provider_brightpearl.systems.infor.fields import DATES, inputs

SEPARATOR = "|"
_ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


@dataclass(frozen=True, slots=True)
class Row:
    """One row being written: its change, and its MI fields, key included, empty ones left out."""

    source_id: str
    change: Change
    fields: Mapping[str, str]

    @property
    def key(self) -> str:
        return self.change.key

    def taken_by(self, program: str, transaction: str) -> dict[str, str]:
        """The fields that a transaction takes; all of them where its fields are not known."""
        known = inputs(program, transaction)
        return {name: value for name, value in self.fields.items() if not known or name in known}

    def written(self, target_id: str, *, created: bool = False) -> RowResult:
        outcome = RowOutcome.CREATED if created else RowOutcome.UPDATED
        return RowResult(self.source_id, self.change.object, self.key, outcome, target_id)

    def refused(self, reason: str, field: str = "") -> RowResult:
        return RowResult(
            self.source_id, self.change.object, self.key, RowOutcome.REFUSED, reason=reason, field=field,
            value=self.fields.get(field, ""),
        )  # fmt: skip

    def answered(self, answer: Answer) -> RowResult:
        """The refusal of this row by M3; where a field may refer to what M3 lacks, that is suspected lost."""
        named = self.fields.get(answer.field, "") if answer.missing else ""
        lost = (Lost(self.change.object, answer.field, named),) if named else ()
        passing = answer.passing or answer.state is State.UNKNOWN
        return replace(self.refused(answer.reason, answer.field), passing=passing, lost=lost)

    def lost(self, answer: Answer) -> RowResult:
        """The refusal of this row, which is bound and suspected lost itself."""
        own = Lost(self.change.object, "", self.change.target_id or "")
        return replace(self.refused(answer.reason, answer.field), passing=answer.passing, lost=(own,))


def row_of(record: RecordChange, change: Change, spec: ObjectSpec) -> Row:
    """A change as MI fields.

    The key of an object may name its MI fields, ``CUNO_ADRT_ADID``, and its value then parts theirs,
    ``BP77|1|DEL``; a name that is not an MI field is the row's identity in the crosswalk only. A parent's key
    goes to the lookup field.
    """
    names, values = spec.key_field.split("_"), change.key.split(SEPARATOR)
    keyed = dict(zip(names, values, strict=False)) if len(names) == len(values) else {names[0]: change.key}
    own = {name: _text(name, value) for name, value in _decode(change.payload).items()}
    parents = {name: change.parent for name in spec.parent}
    fields = {name: value for name, value in {**parents, **keyed, **own}.items() if value and _is_field(name)}
    return Row(record.source_id, change, fields)


def _is_field(name: str) -> bool:
    return name.isupper()


def _text(name: str, value: Any) -> str:
    text = mi_text(value).strip()
    date = _ISO_DATE.fullmatch(text) if name in DATES else None
    return "".join(date.groups()) if date else text


def same(ours: str, theirs: str) -> bool:
    """Whether two texts of MI fields mean the same value; numbers may have more or fewer zeros."""
    if ours == theirs:
        return True
    number = decimal_of(ours)
    return number is not None and number == decimal_of(theirs)
