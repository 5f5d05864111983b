"""Parts that a record has no longer, merged like the fields of which they consist."""

from __future__ import annotations

from collections.abc import Mapping, Set

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import RecordChange, Removal
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.pipeline.batch import Batch


def merged_removals(
    batch: Batch,
    record: RecordChange,
    pairs: Mapping[str, str],
    emptied: Set[str],
    wanted: Set[str],
    lost: Set[str],
) -> tuple[tuple[Removal, ...], list[Binding]]:
    """The removals of a linked record that are to be written, and the bindings of the parts that stay.

    A part goes where its emptiness is to be written, and no field of it is the other side's or a person's to decide.
    One that stays is bound as never written, so that it is compared once it is there again.

    Args:
        batch: the part that is loaded.
        record: with its removals.
        pairs: fields that both flows write, of the flow that runs and of the linking flow.
        emptied: objects of the flow that runs whose fields the target empties.
        wanted: the fields to write, of the linking flow.
        lost: fields of the linking flow that both sides changed, and whose value here does not count.
    """
    gone: list[Removal] = []
    stay: list[Binding] = []
    for each in record.removals:
        fields = {theirs for mine, theirs in pairs.items() if mine.partition(".")[0] == each.object}
        if not fields or each.object not in emptied or (fields & wanted and not fields & lost):
            gone.append(each)
        elif (bound := batch.bound[each.object][each.key]).fingerprint:
            stay.append(replace(bound, fingerprint=""))
    return tuple(gone), stay
