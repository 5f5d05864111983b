"""Rows being written to an org: their fields as JSON text, digits unchanged, and the result of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from airflow_provider_brightpearl.core.changes import Change, Removal, RowOutcome, RowResult
from airflow_provider_brightpearl.flow.spec import ObjectSpec
from airflow_provider_brightpearl.systems.salesforce.answers import RowAnswer, is_passing
from airflow_provider_brightpearl.systems.salesforce.graph import NodeAnswer

Fields = dict[str, msgspec.Raw]
decoded = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode


def relationship(lookup_field: str) -> str:
    """Name under which a lookup field takes its parent's external id: AccountId, Account; Shop__c, Shop__r."""
    return lookup_field[:-3] + "__r" if lookup_field.endswith("__c") else lookup_field.removesuffix("Id")


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row being written: its change, and its fields as sent."""

    source_id: str
    change: Change
    fields: Fields

    def body(self, key_field: str = "", only: Sequence[str] = ()) -> str:
        """JSON text of the row, with its key where a field for it is given."""
        chosen = {name: self.fields[name] for name in only} if only else self.fields
        keyed = {key_field: raw(self.change.key)} if key_field else {}
        return msgspec.json.encode({**keyed, **chosen}).decode()

    def written(self, target_id: str, *, created: bool) -> RowResult:
        """The result of a row that the org accepted."""
        outcome = RowOutcome.CREATED if created else RowOutcome.UPDATED
        return RowResult(self.source_id, self.change.object, self.change.key, outcome, target_id)

    def refused(self, answer: RowAnswer | NodeAnswer) -> RowResult:
        """The result of a row that the org refused."""
        names, reason = answer.fields, f"{answer.code}: {answer.message}"
        name = names[0] if names else ""
        value = bytes(self.fields[name]).decode() if name in self.fields else ""
        return RowResult(
            self.source_id, self.change.object, self.change.key, RowOutcome.REFUSED, reason=reason, field=name,
            value=value, passing=is_passing(answer.code, answer.message),
        )  # fmt: skip


def row_of(specs: Mapping[str, ObjectSpec], source_id: str, change: Change) -> Row:
    """A change with its parent's external id, and without fields its target no longer accepts."""
    spec = specs[change.object]
    fields = decoded(change.payload)
    for lookup_field, parent in spec.parent.items():
        if change.target_id is None or lookup_field not in spec.sent_on_create:
            fields[relationship(lookup_field)] = raw({specs[parent].key_field: change.parent})
    if change.target_id is not None:
        fields = {name: value for name, value in fields.items() if name not in spec.sent_on_create}
    return Row(source_id, change, fields)


def raw(value: str | dict[str, str]) -> msgspec.Raw:
    """A value as JSON text."""
    return msgspec.Raw(msgspec.json.encode(value))


def extended(change: Change, key_field: str, parents: Sequence[tuple[str, str]]) -> str:
    """The JSON text of a row with its key before its fields, and its parents' keys behind them."""
    fields = change.payload.strip()[1:-1].strip()
    parts = [f'"{key_field}":{_text(change.key)}', *([fields] if fields else [])]
    parts += [f'"{relation}":{{"{key}":{_text(change.parent)}}}' for relation, key in parents]
    return f"{{{','.join(parts)}}}"


def _text(value: str) -> str:
    return _encode(value).decode()


def really_last(fields: Fields, spec: ObjectSpec) -> bool:
    """Whether a field that is set last differs from its interim value."""
    return any(bytes(fields[name]) != bytes(raw(value)) for name, value in spec.set_last.items())


def was_removed(source_id: str, removal: Removal) -> RowResult:
    """The result of a row that the org no longer has."""
    return RowResult(source_id, removal.object, removal.key, RowOutcome.REMOVED, removal.target_id)
