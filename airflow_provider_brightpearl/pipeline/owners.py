"""Rows that another flow owns: what it wrote exists, and its fields are left alone."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange
from airflow_provider_brightpearl.core.ports.stores import Resolver
from airflow_provider_brightpearl.flow.spec import FlowSpec


def with_owned_rows(
    flow: FlowSpec, records: Sequence[RecordChange], crosswalk: Resolver
) -> list[RecordChange]:
    """The changes, with the target's id of rows that this flow writes first and their owner has written before.

    To its sink, a row with an id is not new, so the owner's fields are not sent.
    """
    known: dict[tuple[str, str], str] = {}
    for name, spec in flow.objects.items():
        keys = _unbound(records, name) if spec.owner else []
        for owner in dict.fromkeys(spec.owner.values()) if keys else ():
            found = crosswalk.resolve(owner, name, keys)
            known |= {(name, key): target_id for key, target_id in found.items()}
    return [_with_ids(record, known) for record in records] if known else list(records)


def _unbound(records: Sequence[RecordChange], name: str) -> list[str]:
    changes = (each for record in records for each in record.changes)
    return [each.key for each in changes if each.object == name and each.target_id is None]


def _with_ids(record: RecordChange, known: dict[tuple[str, str], str]) -> RecordChange:
    def changed(each: Change) -> Change:
        return replace(each, target_id=each.target_id or known.get((each.object, each.key)))

    return replace(record, changes=tuple(changed(each) for each in record.changes))
